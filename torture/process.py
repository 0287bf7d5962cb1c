"""Commands of `launch.py` as processes: started quickly, watched, sent signals, timed out."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

HANG = 240.0  # seconds after which a command that should have ended hangs
_POLL = 0.01  # seconds


class Done(NamedTuple):
    """How a command ended.

    Attributes:
      code: its exit code, minus the signal's number if one ended it; None: it hung and was ended.
      stdout: what it printed.
      stderr: what it complained of.
      seconds: how long it took.
      argv: its arguments.

    """

    code: int | None
    stdout: str
    stderr: str
    seconds: float
    argv: tuple[str, ...]


class Running:
    """A command that was started."""

    def __init__(self, server: "Server", pid: int, argv: Sequence[str], outputs: Path):
        """Watch process `pid`, whose outputs go to two files."""
        self._server, self.pid, self._argv, self._outputs = server, pid, tuple(argv), outputs
        self._start = time.monotonic()
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        if self._code is None:
            self._code = self._server.ask({"poll": self.pid})
        return self._code

    def send(self, number: int) -> bool:
        """Send a signal, unless it has ended; return whether it had not."""
        if self.poll() is not None:
            return False
        os.kill(self.pid, number)
        return True

    def wait(self, timeout: float = HANG) -> Done:
        """Return how it ended; after `timeout` seconds more it is ended."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None and time.monotonic() < deadline:
            time.sleep(_POLL)
        if code is None:
            self.send(signal.SIGKILL)
            while self.poll() is None:
                time.sleep(_POLL)
        texts = [
            self._outputs.with_suffix(end).read_text(errors="replace") for end in (".out", ".err")
        ]
        return Done(code, *texts, time.monotonic() - self._start, self._argv)


class Server:
    """The process that starts commands, see `server`; any number of them may run at a time."""

    def __init__(self, folder: Path):
        """Start it; outputs, and a cache of compiled programs, go to `folder`."""
        self._folder, self._lock, self._count = folder, threading.Lock(), 0
        programs = folder / "programs"
        programs.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {
            "JAX_COMPILATION_CACHE_DIR": str(programs),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            "MALLOC_ARENA_MAX": "2",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "torture.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the server of commands could not be started")

    def ask(self, request: dict):
        """Return the answer to a request."""
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def start(
        self,
        *argv: str | Path,
        program: str = "launch.py",
        folder: Path | None = None,
        clock: str = "",
        memory: int = 0,
        compiles: bool = False,
    ) -> Running:
        """Start a command.

        Args:
          *argv: its arguments.
          program: `launch.py`, or `torture` for what `state` does.
          folder: where it runs; None: where the server does.
          clock: how its clock goes wrong, see `clock.jump`.
          memory: bytes of data that it may have; 0: any.
          compiles: whether it may keep the programs that it compiles, for later commands.

        """
        arguments = [program, *map(str, argv)]
        with self._lock:
            self._count += 1
            outputs = self._folder / f"command{self._count}"
        for end in (".out", ".err"):
            outputs.with_suffix(end).touch()
        pid = self.ask(
            {
                "start": True,
                "argv": arguments,
                "stdout": f"{outputs}.out",
                "stderr": f"{outputs}.err",
                "folder": str(folder or ""),
                "clock": clock,
                "memory": memory,
                "compiles": compiles,
            }
        )
        return Running(self, pid, arguments, outputs)

    def run(self, *argv: str | Path, timeout: float = HANG, **options) -> Done:
        """Run a command to its end."""
        return self.start(*argv, **options).wait(timeout)

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def new_folder(root: Path) -> Path:
    """Return a new folder for one case."""
    return Path(tempfile.mkdtemp(dir=root, prefix="case-"))
