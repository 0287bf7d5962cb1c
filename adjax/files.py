"""Files that processes share: written whole or not at all, and locks that end with their process.

Of the processes of one run, only the first writes.
"""

import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from adjax import hosts
from adjax.errors import UserError

_PART = ".part-"  # begins the names of what is not whole yet
DIGEST = "digest"  # key of the digest of a sealed JSON object


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file that is never seen half-written."""
    write_file(path, lambda part: part.write_text(json.dumps(value, indent=1) + "\n"))


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an `.npz` file that is never seen half-written."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)

    write_file(path, write)


def sealed(value: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON object with a digest of what it holds."""
    stored = json.loads(json.dumps(value))
    return {**value, DIGEST: digest_of(_as_text(stored))}


def unsealed(value: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON object without its digest; raises `ValueError` if that is of another one."""
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    content = {key: held for key, held in value.items() if key != DIGEST}
    if value.get(DIGEST) not in (None, digest_of(_as_text(content))):
        raise ValueError("its content is not what was written")
    return content


def _as_text(value: dict[str, Any]) -> bytes:
    """Return one text of a JSON object that was read, or as it will be."""
    return json.dumps(value, sort_keys=True).encode()


def digest_of(content: bytes) -> str:
    """Return 32 hexadecimal digits that name some bytes."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def read_records(path: Path, *, killed: bool = False) -> list[dict]:
    """Read a log of JSON lines, each with a stage and a step.

    Args:
      path: of the log.
      killed: whether its writer may have been killed, which leaves part of a line at the end.

    Raises:
      UserError: that names the first line that is no record.

    """
    *lines, rest = path.read_bytes().split(b"\n")
    if rest and not killed:
        lines.append(rest)
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if not {"stage", "step"} <= dict(record).keys():
                raise ValueError("it has no stage and step")
        except (ValueError, TypeError, RecursionError) as error:
            raise UserError(
                f"{path}: line {number} is damaged ({error}): delete that line, all others stay "
                "as they are, and repeat the command"
            ) from error
        records.append(record)
    return records


def write_folder(path: Path, write: Callable[[Path], None]) -> None:
    """Make a folder that is never seen half-filled; the first of several writers wins.

    Args:
      path: the folder; nothing happens if it exists.
      write: fills the empty folder that it is given.

    """
    if path.exists() or not hosts.is_first():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_left(path.parent)
    part = Path(tempfile.mkdtemp(dir=path.parent, prefix=_own()))
    try:
        write(part)
        os.rename(part, path)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if not isinstance(error, OSError) or not path.exists():
            raise  # no other writer was faster


def remove_left(folder: Path) -> None:
    """Remove what processes of this host were writing in a folder when they were killed."""
    here = f"{_PART}{socket.gethostname()}-"
    for part in folder.glob(f"{glob.escape(here)}*"):
        process = part.name.removeprefix(here).partition("-")[0]
        if process.isdecimal() and not _is_alive(int(process)):
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)


def _own() -> str:
    """Return how the names of what this process is writing begin."""
    return f"{_PART}{socket.gethostname()}-{os.getpid()}-"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        pass
    return True


def require_folder(path: Path) -> None:
    """Raise the `OSError` of a folder that is not there and cannot be made, or not be written to.

    It is not made: in the first folder above it that is there, a file is made and removed.
    """
    path = Path(os.path.abspath(path))
    there = next(folder for folder in (path, *path.parents) if os.path.lexists(folder))
    with tempfile.TemporaryFile(dir=there):  # a permission alone does not say it of every disk
        pass


def require_room(directory: Path, size: int) -> None:
    """Raise the `OSError` of a full disk if `directory` has no room for `size` bytes."""
    if shutil.disk_usage(directory).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Make a file that is never seen half-written: `write` fills the one that it is given."""
    if not hosts.is_first():
        return
    part = path.with_name(f"{_own()}{path.name}")
    try:
        write(part)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = False) -> Iterator[bool]:
    """Hold the lock file `path` for a block; the kernel frees it however the process ends.

    Args:
      path: the lock file, created if need be. It names its holder, see `holder`.
      shared: allow others that share it, but none that holds it exclusively.
      wait: wait until it is free.

    Yields:
      True if the lock is held; with `wait` always.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    with path.open("a") as file:
        try:
            fcntl.flock(file, mode)
        except BlockingIOError:
            yield False
            return
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield True


def holder(path: Path) -> str:
    """Return who took the lock last: `process 12 on host`."""
    with contextlib.suppress(OSError):
        return path.read_text() or "another process"
    return "another process"
