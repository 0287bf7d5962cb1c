"""Fair timing: every side in its own process, their blocks in turns.

Two frameworks in one process disturb each other's thread pools, and the speed of a machine changes
within a minute. So a worker process holds the compiled programs of one side, and all sides take
turns, a block of steps each, again and again; ratios are taken within a turn.
"""

import contextlib
import dataclasses
import importlib
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks.cases import Program

WARM_UP_STEPS = 2
PAUSE_SECONDS = 0.02  # lets the threads of the previous side go to sleep


@dataclasses.dataclass(frozen=True)
class Block:
    """A program ready to be timed.

    Attributes:
      step: does a step, or starts it.
      facts: results that need no timing: plain values by name.
      wait: returns when the last step is done.

    """

    step: Callable[[], Any]
    facts: dict
    wait: Callable[[], Any] = lambda: None

    def run(self, steps: int) -> None:
        """Do that many steps."""
        for _ in range(steps):
            self.step()
        self.wait()


@dataclasses.dataclass(frozen=True)
class Repeats:
    """Values of one quantity, one per repeat."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median of the values."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Largest minus smallest, over the median."""
        return (max(self.values) - min(self.values)) / self.median

    def over(self, other: "Repeats") -> "Repeats":
        """Return the ratio to another quantity, repeat by repeat."""
        return Repeats(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))


def compare(name: str, ours: Repeats, theirs: Repeats) -> dict:
    """Return the times of both sides, theirs under `name`, and their ratio to ours."""
    ratio = theirs.over(ours)
    return {
        "adjax_seconds": ours.median,
        f"{name}_seconds": theirs.median,
        "ratio": ratio.median,
        "spread": ratio.spread,
    }


class Worker:
    """A process that holds one side and executes calls; a context manager.

    An exception in the process is raised here.
    """

    def __init__(self, side: str, *arguments):
        """Start a process that calls `side`, written `module:class`, with these arguments."""
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        try:
            self._pool.submit(_open, side, arguments).result()
        except BaseException:
            self._pool.shutdown()
            raise

    def __enter__(self) -> "Worker":
        """Return itself."""
        return self

    def __exit__(self, *exception) -> None:
        """End the process."""
        self._pool.shutdown()

    def call(self, method: str) -> Any:
        """Return the result of a method of the side."""
        return self._pool.submit(_call, method).result()

    def prepare(self, program: Program) -> dict:
        """Have the side make the `block` of a program and warm it up; return its facts."""
        return self._pool.submit(_prepare, program).result()

    def seconds(self, program: Program, steps: int) -> float:
        """Return the time of one block."""
        return self._pool.submit(_seconds, program, steps).result()

    def peak_bytes(self) -> int:
        """Return the most memory that the process has held so far."""
        return self._pool.submit(_peak_bytes).result()


@contextlib.contextmanager
def competition() -> Iterator[None]:
    """Keep one core busy with another process for the length of a block."""
    process = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def alternate(
    programs: Sequence[tuple[Worker, Program]], repeats: int, seconds: float
) -> list[Repeats]:
    """Time prepared programs in turns.

    Args:
      programs: pairs of a worker and a program that it has prepared.
      repeats: number of turns; in each every program has one block.
      seconds: about how long a block lasts, at least one step; 0: one step.

    Returns:
      For each program the seconds per step.

    """
    counts = []
    for worker, program in programs if seconds else ():
        step = min(worker.seconds(program, 1) for _ in range(2))
        counts.append(max(1, round(seconds / step)))
    counts = counts or [1] * len(programs)
    turns = [
        [
            worker.seconds(program, count) / count
            for (worker, program), count in zip(programs, counts, strict=True)
        ]
        for _ in range(repeats)
    ]
    return [Repeats(times) for times in zip(*turns, strict=True)]


def _spin() -> None:
    while True:
        pass


# In the worker's process, which has one side and one block for each program:

_side = None
_blocks: dict[Program, Block] = {}


def _open(side: str, arguments: tuple) -> None:
    global _side
    module, _, name = side.partition(":")
    _side = getattr(importlib.import_module(module), name)(*arguments)


def _call(method: str) -> Any:
    time.sleep(PAUSE_SECONDS)
    return getattr(_side, method)()


def _prepare(program: Program) -> dict:
    if program not in _blocks:
        _blocks[program] = _side.block(program)
        _blocks[program].run(WARM_UP_STEPS)
    return _blocks[program].facts


def _seconds(program: Program, steps: int) -> float:
    time.sleep(PAUSE_SECONDS)
    start = time.perf_counter()
    _blocks[program].run(steps)
    return time.perf_counter() - start


def _peak_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
