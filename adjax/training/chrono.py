"""Accounting of a stage's time, across restarts."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator


@dataclasses.dataclass
class Chrono:
    """Seconds spent on a stage, over all its sessions.

    `train` is the time of the loop without pauses (validation, checkpoints, compilation); `input`
    is the part of it spent waiting for a batch. Work repeated after a crash is not counted twice.
    """

    compile: float = 0.0
    train: float = 0.0
    input: float = 0.0
    pause: float = 0.0

    def start(self) -> None:
        """Start the clock."""
        self._mark = time.perf_counter()

    def tick(self) -> None:
        """Add the time since the last tick to `train`."""
        now = time.perf_counter()
        self.train += now - self._mark
        self._mark = now

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Count the time of a block as `pause`, not as `train`."""
        self.tick()
        yield
        now = time.perf_counter()
        self.pause += now - self._mark
        self._mark = now

    @contextlib.contextmanager
    def waiting_for_input(self) -> Iterator[None]:
        """Count the time of a block as `input` too."""
        start = time.perf_counter()
        yield
        self.input += time.perf_counter() - start
