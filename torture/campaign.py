"""The campaign: cases of all kinds within a time, each kind with its share of it."""

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

from torture import clocks, configs, disk, images, kills, rivals, stored
from torture.bench import Bench
from torture.outcome import CLEAR, RIGHT, WRONG, Outcome

# A kind is a module: its NAME, its TITLE in the table, its SHARE of the time, and `run`, which
# does the case of a seed and returns its outcome or yields several.
KINDS = {kind.NAME: kind for kind in (kills, stored, images, configs, disk, rivals, clocks)}


class Campaign:
    """Cases that are still to be done.

    Attributes:
      outcomes: of those that are done.

    """

    def __init__(self, kinds: Sequence[ModuleType], seed: int, seconds: float, cases: int = 0):
        """Plan a campaign.

        Args:
          kinds: what to do.
          seed: of the first case of each kind; the next ones follow.
          seconds: how long to begin new cases.
          cases: how many of each kind at most; 0: any number.

        """
        self.outcomes: list[Outcome] = []
        self._kinds, self._first, self._cases = list(kinds), seed, cases
        self._deadline = time.monotonic() + seconds
        self._begun = {kind.NAME: 0 for kind in kinds}
        self._spent = {kind.NAME: 0.0 for kind in kinds}
        self._lock = threading.Lock()

    def run(self, bench: Bench, workers: int, say: Callable[[Outcome], None]) -> list[Outcome]:
        """Do cases until the time is over, several at once; return their outcomes.

        Args:
          bench: what they are tried on.
          workers: how many at once.
          say: told each outcome.

        """
        with ThreadPoolExecutor(workers) as threads:
            for one in [threads.submit(self._work, bench, say) for _ in range(workers)]:
                one.result()
        return self.outcomes

    def _work(self, bench: Bench, say: Callable[[Outcome], None]) -> None:
        while (case := self._next()) is not None:
            kind, seed = case
            start = time.monotonic()
            found = outcomes_of(kind, bench, seed)
            with self._lock:
                self._spent[kind.NAME] += time.monotonic() - start
                self.outcomes += found
                for outcome in found:
                    say(outcome)

    def _next(self) -> tuple[ModuleType, int] | None:
        """Return the kind that has had least of its share, and its next seed; None: it is over."""
        with self._lock:
            left = [k for k in self._kinds if not 0 < self._cases <= self._begun[k.NAME]]
            if not left or time.monotonic() > self._deadline:
                return None

            def had(kind: ModuleType) -> float:
                begun, done = self._begun[kind.NAME], self._spent[kind.NAME]
                return (done / max(1, begun) + done) / kind.SHARE if begun else 0.0

            kind = min(left, key=had)
            self._begun[kind.NAME] += 1
            return kind, self._first + self._begun[kind.NAME] - 1


def outcomes_of(kind: ModuleType, bench: Bench, seed: int) -> list[Outcome]:
    """Return the outcomes of one case; a fault of the campaign itself counts as wrong."""
    try:
        found = kind.run(bench, seed)
        return [found] if isinstance(found, Outcome) else list(found)
    except Exception:
        reason = " / ".join(traceback.format_exc().splitlines()[-6:])
        return [Outcome(kind.NAME, seed, "the campaign itself", WRONG, reason)]


def prepare(bench: Bench, kinds: Sequence[ModuleType], workers: int) -> None:
    """Make what the cases of several kinds are tried on, so that no kind pays for it."""
    makers = []
    if {"kills", "stored", "disk", "rivals", "clocks"} & {kind.NAME for kind in kinds}:
        makers += [lambda name=name: kills.undisturbed(bench, name) for name in kills.WAYS]
        makers += [lambda name=name: bench.reference(name) for name in ("classes", "category")]
    if stored in kinds:
        makers.append(lambda: bench.finished("diverging"))
    if images in kinds or configs in kinds:
        makers.append(lambda: bench.finished("category"))
    with ThreadPoolExecutor(workers) as threads:
        for made in [threads.submit(make) for make in makers]:
            made.result()


def tally(outcomes: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    """Return, for each kind that was tried, how many cases ended how, and `tried`."""
    counts = {}
    for name in KINDS:
        endings = [outcome.ending for outcome in outcomes if outcome.kind == name]
        if endings:
            each = {ending: endings.count(ending) for ending in (RIGHT, CLEAR, WRONG)}
            counts[name] = {"tried": len(endings), **each}
    return counts
