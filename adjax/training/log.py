"""Output of a run while it trains: metrics.jsonl, TensorBoard and the terminal."""

import hashlib
import json
import math
import os
import sys
import time
from pathlib import Path

import numpy as np

from adjax import files, hosts, paths
from adjax.training.board import Board


class MetricsLog:
    """`metrics.jsonl`, one record per line, and the same scalars for TensorBoard.

    A record is `{"stage": ..., "step": ..., name: number or list of one number per member}`; null
    stands for a member that has diverged.
    """

    def __init__(self, workdir: Path, member_labels: list[str]):
        """Append to the log in `workdir`."""
        self._path = Path(workdir) / "metrics.jsonl"
        self._file = self._path.open("a")
        self._digest = _digest_of(self._path.read_bytes())
        self._labels = list(map(paths.on_one_line, member_labels))
        self._board = Board(Path(workdir) / "tensorboard")

    def rewind(self, stages: list[str], step: int) -> None:
        """Drop the records after `step` of the last of `stages`, which is about to be redone."""
        kept = self._until(stages, step)
        part = self._path.with_suffix(".part")
        part.write_text("".join(kept))
        self._digest = _digest_of("".join(kept).encode())
        self._file.close()
        part.replace(self._path)
        self._file = self._path.open("a")

    def _until(self, stages: list[str], step: int) -> list[str]:
        """Return the lines of all of `stages` but the last, and of that up to a step."""
        *finished, current = stages
        # A process killed while writing leaves part of a line, of which no record is made.
        records = files.read_records(self._path, killed=True)
        lines = self._path.read_text().splitlines(keepends=True)
        return [
            line
            for line, record in zip(lines, records, strict=False)
            if record["stage"] in finished
            or (record["stage"] == current and record["step"] <= step)
        ]

    def digest(self) -> str:
        """Return a digest of all records so far, which a checkpoint keeps."""
        return self._digest.hexdigest()

    def check(self, stages: list[str], step: int, digest: str | None) -> None:
        """Say so if the records up to a step are not those that had this digest.

        The run goes on: its networks do not depend on them.

        Args:
          stages: names of the stages so far.
          step: of the last of them.
          digest: as a checkpoint of that step holds it; None: of an earlier version, any will do.

        """
        found = _digest_of("".join(self._until(stages, step)).encode()).hexdigest()
        if digest not in (None, found):
            print(
                f"{self._path} is damaged: its records up to step {step} of stage {stages[-1]} are "
                "not those that were written; the run goes on, with the curves that are there",
                file=sys.stderr,
            )

    def write(self, stage: str, step: int, values: dict) -> None:
        """Append one record; arrays `[P]` become lists."""
        values = {k: _finite(np.asarray(v, np.float64).tolist()) for k, v in values.items()}
        line = json.dumps({"stage": stage, "step": step, **values}) + "\n"
        self._file.write(line)
        self._file.flush()
        self._digest.update(line.encode())
        scalars = {}
        for name, value in values.items():
            if isinstance(value, list):
                scalars |= {
                    f"{stage}/{name}/{label}": v
                    for label, v in zip(self._labels, value, strict=True)
                    if v is not None
                }
            else:
                scalars[f"{stage}/{name}"] = value
        self._board.write(step, scalars)

    def of_stage(self, stage: str) -> list[dict]:
        """Return all records of a stage."""
        self.sync()
        return [record for record in files.read_records(self._path) if record["stage"] == stage]

    def sync(self) -> None:
        """Return when everything written is on disk."""
        os.fsync(self._file.fileno())
        self._board.flush()

    def close(self) -> None:
        """Close the files."""
        try:
            self.sync()
        finally:
            self._file.close()
            self._board.close()

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *_) -> None:
        self.close()


class SilentLog(MetricsLog):
    """Log of a process that is not the first of its run; it keeps nothing."""

    def __init__(self):
        """Open nothing."""

    def rewind(self, stages: list[str], step: int) -> None:
        """Do nothing: no record was kept."""

    def digest(self) -> None:
        """Return None: the first process has the digest."""

    def check(self, stages: list[str], step: int, digest: str | None) -> None:
        """Do nothing: the first process checks."""

    def write(self, stage: str, step: int, values: dict) -> None:
        """Do nothing: the first process has the same values."""

    def of_stage(self, stage: str) -> list[dict]:
        """Return no records."""
        return []

    def sync(self) -> None:
        """Do nothing: no write is pending."""

    def close(self) -> None:
        """Do nothing: no file is open."""


def open_log(workdir: Path, member_labels: list[str]) -> MetricsLog:
    """Return the log of this process; only the first one of a run writes."""
    return MetricsLog(workdir, member_labels) if hosts.is_first() else SilentLog()


def _digest_of(content: bytes):
    return hashlib.blake2b(content, digest_size=16)


def _finite(value: float | list[float]) -> float | list[float | None]:
    """Replace the values of members that are not finite by None; a run's own value always is."""
    if isinstance(value, list):
        return [v if math.isfinite(v) else None for v in value]
    return value


class Progress:
    """Progress bar on a terminal; elsewhere a plain line now and then."""

    SECONDS = 10  # between plain lines

    def __init__(self, name: str, steps: int, first_step: int = 0, unit: str = "step"):
        """Show progress over `steps`, starting at `first_step`."""
        self._name, self._steps, self._first_step, self._unit = name, steps, first_step, unit
        self._start = self._said = time.monotonic()
        self._bar = None
        self._silent = not hosts.is_first()
        if sys.stderr.isatty() and not self._silent:
            from tqdm import tqdm

            self._bar = tqdm(total=steps, initial=first_step, desc=name, unit=unit)

    def show(self, step: int, values: dict) -> None:
        """Show the current step, with some scalars by name."""
        values = {name: f"{value:.4g}" for name, value in values.items()}
        if self._bar is not None:
            self._bar.set_postfix(values, refresh=False)
            self._bar.update(step - self._bar.n)
            return
        now = time.monotonic()
        if self._silent:
            return
        if step < self._steps and now - self._said < self.SECONDS:
            return
        self._said = now
        left = (now - self._start) / (step - self._first_step) * (self._steps - step)
        text = "  ".join(f"{name} {value}" for name, value in values.items())
        line = f"{self._name}  {self._unit} {step}/{self._steps}  {text}  {left:.0f} s left"
        print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
