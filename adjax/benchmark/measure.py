"""Fair timing: every side in a process of its own, their blocks in turns.

Two frameworks in one process disturb each other's thread pools, and two measurements a minute apart
see two machines. So a worker process holds the compiled programs of one side, and all sides take
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

from adjax.benchmark.cases import Program

WARM_UP_STEPS = 2
PAUSE_SECONDS = 0.02  # until the threads of the side before have gone to sleep


@dataclasses.dataclass(frozen=True)
class Block:
    """A program ready to be timed.

    Attributes:
      run: does that many steps and waits for the last one.
      facts: what is known without timing: plain numbers by name.

    """

    run: Callable[[int], None]
    facts: dict


@dataclasses.dataclass(frozen=True)
class Repeats:
    """Values of one quantity, one a repeat."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Their median."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Largest minus smallest, over the median."""
        return (max(self.values) - min(self.values)) / self.median

    def over(self, other: "Repeats") -> "Repeats":
        """The ratio to another quantity, repeat by repeat."""
        return Repeats(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))


def compare(name: str, ours: Repeats, theirs: Repeats) -> dict:
    """The times of both sides, theirs under `name`, and how many times ours theirs is."""
    ratio = theirs.over(ours)
    return {
        "adjax_seconds": ours.median,
        f"{name}_seconds": theirs.median,
        "ratio": ratio.median,
        "spread": ratio.spread,
    }


class Worker:
    """A process that holds one side and times its programs when asked; a context manager.

    An exception in the process is raised here.
    """

    def __init__(self, module: str, *arguments):
        """Start a process that creates `Side(*arguments)` of `module`."""
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        try:
            self._pool.submit(_open, module, arguments).result()
        except BaseException:
            self._pool.shutdown()
            raise

    def __enter__(self) -> "Worker":
        """Itself."""
        return self

    def __exit__(self, *exception) -> None:
        """End the process."""
        self._pool.shutdown()

    def prepare(self, program: Program) -> dict:
        """Compile a program and run it to warm up; returns its facts."""
        return self._pool.submit(_prepare, program).result()

    def seconds(self, program: Program, steps: int) -> float:
        """The time of one block."""
        return self._pool.submit(_seconds, program, steps).result()

    def peak_bytes(self) -> int:
        """The most memory that the process has held so far."""
        return self._pool.submit(_peak_bytes).result()


@contextlib.contextmanager
def competition() -> Iterator[None]:
    """A context in which another process keeps one core busy."""
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
      programs: what is timed, and where.
      repeats: turns; in each every program has one block.
      seconds: about how long a block lasts, at least one step.

    Returns:
      For each program the seconds a step.

    """
    counts = []
    for worker, program in programs:
        step = min(worker.seconds(program, 1) for _ in range(2))
        counts.append(max(1, round(seconds / step)))
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


# What runs in the worker's process. It has one side, and one block for each program.

_side = None
_blocks: dict[Program, Block] = {}


def _open(module: str, arguments: tuple) -> None:
    global _side
    _side = importlib.import_module(module).Side(*arguments)


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
