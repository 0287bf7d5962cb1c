"""A search, read back from its folder: all trials, of which the finished ones are runs."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from adjax.errors import UserError
from adjax.reports.finished_run import Run
from adjax.reports.rendering import ABSENT, Table
from adjax.reports.words import count, setting_text
from adjax.workdir import read_search

MOST_TRIALS = 500  # in a table
ON_CONSOLE = 40  # likewise, where one cannot scroll by a mouse
_FAILURES = 5  # that are told
_ORACLE = "oracle_"


class Search(NamedTuple):
    """The trials of a search.

    Attributes:
      objective: what they were judged by: `validation_loss`, or a metric called `oracle_...`.
      trials: as `workdir.read_search` returns them.
      best: the number of the best one that is finished.
      runs: those that are finished, by the names of their folders.

    """

    objective: str
    trials: list[dict[str, Any]]
    best: int
    runs: dict[str, Run]

    @property
    def best_run(self) -> Run:
        """The run of the best trial."""
        return self.runs[self.trials[self.best]["run"]]

    @property
    def keys(self) -> list[str]:
        """What was drawn, as dotted keys."""
        return list(dict.fromkeys(key for trial in self.trials for key in trial["values"]))

    def ended(self, trial: dict[str, Any]) -> str:
        """Return how a trial ended: best, finished, stopped, failed; or that it is running."""
        return "best" if trial["number"] == self.best else trial["state"]


def find_search(directory: Path, runs: Sequence[Run]) -> Search | None:
    """Return the search in a folder, if there is one, with those of its trials that are `runs`.

    Raises:
      UserError: if none of its trials is finished.

    """
    found = read_search(directory)
    if found is None:
        return None
    own = {run.workdir.relative_to(directory).as_posix(): run for run in runs}
    trials, best = found["trials"], found["best"]
    if best is None or trials[best]["run"] not in own:
        failed = sum(trial["state"] == "failed" for trial in trials)
        raise UserError(
            f"{directory}: no trial of this search is finished"
            + (f", {failed} of {len(trials)} failed: {_reason(trials)}" if failed else "")
        )
    return Search(found["design"]["objective"], trials, best, own)


def _reason(trials: Sequence[dict]) -> str:
    return next(trial["reason"] for trial in trials if trial["reason"])


def search_table(search: Search, most: int = MOST_TRIALS) -> Table:
    """Return the table of a row a trial, the best first, of at most so many."""
    oracle = search.objective.startswith(_ORACLE)
    trials = sorted(search.trials, key=lambda trial: _place(search, trial, oracle))
    rows = tuple(
        (
            str(trial["number"]),
            *(setting_text(trial["values"].get(key)) for key in search.keys),
            f"{trial['steps']:,}",
            ABSENT if trial["value"] is None else f"{trial['value']:.6g}",
            search.ended(trial),
        )
        for trial in trials[:most]
    )
    short = [key.rpartition(".")[2] for key in search.keys]
    drawn = tuple(
        (key if short.count(last) > 1 else last, ("",))
        for key, last in zip(search.keys, short, strict=True)
    )
    what = search.objective.replace("_", " ")
    notes = [
        "Chosen by labels of test images, and judged by the same ones."
        if oracle
        else "Of held-out normal images; no test image had a say.",
        "The objective of a trial that was stopped is that of the steps it had.",
    ]
    if len(trials) > most:
        notes.append(f"And {count(len(trials) - most, 'trial')} more, see results.parquet.")
    failed = [trial for trial in search.trials if trial["reason"]]
    notes += [f"Trial {trial['number']} failed: {trial['reason']}." for trial in failed[:_FAILURES]]
    return Table(
        caption=f"Trials by {what}",
        corner="trial",
        groups=(*drawn, ("steps", ("",)), (what, ("",)), ("ended", ("",))),
        rows=rows,
        notes=tuple(notes),
    )


def _place(search: Search, trial: dict, maximize: bool) -> tuple:
    """Sort key: the best, finished trials by objective, then those that got far."""
    value = math.inf if trial["value"] is None else trial["value"] * (-1 if maximize else 1)
    return trial["state"] != "finished", -trial["steps"], value, trial["number"]
