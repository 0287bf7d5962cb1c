"""A search: trials drawn in batches, trained from rung to rung as populations, judged and finished.

    draw a batch -> train it to a rung -> the best go on to the next -> the last are finished runs

The journal says what was drawn and reported, the stage cache what was trained; both are whole at
any time, so that the same command goes on after a kill of the driver or of a worker.
"""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adjax import workdir
from adjax.config import identity
from adjax.errors import UserError
from adjax.sweeps.expand import PlannedRun, Space
from adjax.sweeps.rungs import Rung, forget, rung_steps, validation_loss
from adjax.sweeps.study import FAILED, FINISHED, RUNNING, Design, Study, Trial

VALIDATION_LOSS = "validation_loss"  # of held-out normal images
ORACLE = "oracle_"  # begins the name of an objective that sees labels of test images


@dataclasses.dataclass(frozen=True)
class Task:
    """What to search, and how.

    Attributes:
      space: what trials are drawn from.
      design: how they are drawn and judged.
      objective: `VALIDATION_LOSS`, or `ORACLE` and a metric of finished runs.
      trials: how many there will be.
      at_once: how many are drawn together.

    """

    space: Space
    design: Design
    objective: str
    trials: int
    at_once: int

    def described(self) -> dict[str, Any]:
        """Return all that decides the trials but for their number, as `search.json` has it."""
        design = dataclasses.asdict(self.design)
        design.pop("maximize")  # the objective says it
        design["sampler_seed"] = design.pop("seed")
        return {
            "objective": self.objective,
            **design,
            "trials_at_once": self.at_once,
            "space": {key: str(drawn) for key, drawn in self.space.drawn.items()},
            "config": identity.essential(self.space.config),
        }

    def check(self, directory: Path) -> bool:
        """Return whether the search in a folder is done.

        Raises:
          UserError: if the search there is another one.

        """
        found = workdir.read_search(directory)
        if found is None:
            return False
        wanted = self.described()
        for key, value in _flat(wanted).items():
            if (known := _flat(found["design"]).get(key)) != value:
                raise UserError(
                    f"--workdir={directory} holds another search: its {key} is {known!r}, not "
                    f"{value!r}; choose another workdir"
                )
        states = [trial["state"] for trial in found["trials"]]
        return len(states) >= self.trials and RUNNING not in states

    def check_rungs(self) -> None:
        """Raise `UserError` if the method of the search has no such rungs."""
        rung_steps(self.space.first(), self.design.rungs, self.design.reduction_factor)


def _flat(design: dict[str, Any]) -> dict[str, Any]:
    """Return a design with its space and its config by dotted keys."""
    flat = {k: v for k, v in design.items() if k not in ("space", "config")}
    for key in ("space", "config"):
        flat |= {f"{key}.{name}": value for name, value in design.get(key, {}).items()}
    return flat


def search(task: Task, engine: Any, directory: Path, command: str = "") -> None:
    """Do what is left of a search in a folder; the caller holds the folder's lock.

    Raises:
      UserError: if the search cannot go on. What is done is kept.

    """
    _Search(task, engine, directory, command).go_on()


class _Search:
    """A search at work."""

    def __init__(self, task: Task, engine, directory: Path, command: str):
        self.task, self.engine = task, engine
        self.directory, self.command = directory, command
        self.study = Study(directory, task.space.drawn, task.design)
        self.runs: dict[int, PlannedRun] = {}  # by the number of the trial
        self.steps: dict[str, list[int]] = {}  # of rungs, by the name of the run

    def go_on(self) -> None:
        """Do one batch after another."""
        at_once = self.task.at_once
        count = max(self.task.trials, len(self.study.trials()))
        self.write()
        for first in range(0, count, at_once):
            stop = min(first + at_once, count)
            self.study.ask(max(0, stop - len(self.study.trials())))
            batch = []
            for trial in self.study.trials()[first:stop]:
                reason = self.admit(trial)
                if trial.state == RUNNING and reason:
                    self.study.fail(trial.number, reason)
                elif trial.state == RUNNING:
                    batch.append(trial.number)
            if batch:
                print(f"trials {batch[0]} to {batch[-1]} of {count}", flush=True)
            for number in range(1, self.task.design.rungs + 1):
                self.climb(batch, Rung(number, self.steps))
            self.write()

    def admit(self, trial: Trial) -> str:
        """Make the run of a trial; return why its values do not go together, if so."""
        if trial.number not in self.runs:
            design = self.task.design
            try:
                run = self.task.space.trial(trial.number, trial.values)
                self.steps[run.name] = rung_steps(run, design.rungs, design.reduction_factor)
            except UserError as error:
                return str(error)
            self.runs[trial.number] = run
        return ""

    def climb(self, batch: Sequence[int], rung: Rung) -> None:
        """Take the trials of a batch that reached the rung before to this one, and judge them."""
        trials = self.study.trials()
        here = [
            number
            for number in batch
            if trials[number].state == RUNNING and len(trials[number].reported) >= rung.number - 1
        ]
        if not here:
            return
        is_last = rung.number == self.task.design.rungs
        missing = [number for number in here if rung.number not in trials[number].reported]
        if missing:
            self.train(here, rung)
        for number in missing:
            self.report(number, rung)
        before = [Rung(number, self.steps) for number in range(1, rung.number)]
        for number in here:
            forget(self.runs[number], self.directory, before)
        if is_last:
            self.finish(here, rung)
        else:
            # Who was judged before a kill, and went on, has reported at the next rung already.
            due = [n for n in here if max(self.study.trials()[n].reported) == rung.number]
            for number in set(due) - set(self.study.judge(due)):
                forget(self.runs[number], self.directory, [rung])
        if missing:
            self.say(here, rung)
        self.write()

    def train(self, numbers: Sequence[int], rung: Rung) -> None:
        """Train trials to a rung; those that reach the last one are evaluated too."""
        runs = [self.runs[number] for number in numbers]
        plan = rung.plan(runs, self.directory, self.engine.resources)
        if failed := self.engine.run(plan, self.directory, self.command):
            name, reason = next(iter(failed.items()))
            raise UserError(f"{name}: {reason}; what is done is kept: repeat the command")

    def report(self, number: int, rung: Rung) -> None:
        """Report what a trial came to."""
        run = self.runs[number]
        try:
            value, reason = validation_loss(run, rung.entry(run, self.directory))
        except FileNotFoundError as error:
            raise UserError(
                f"trial {run.name} could not be trained to step {rung.step(run)}: see above, mend "
                "that and repeat the command"
            ) from error
        if not reason and rung.number == self.task.design.rungs:
            value, reason = self.result(run, value)
        if reason:
            self.study.explain(number, reason)
        self.study.report(number, rung.number, value)

    def result(self, run: PlannedRun, loss: float) -> tuple[float, str]:
        """Return the objective of a finished trial, and why there is none."""
        folder = self.directory / run.name
        results = workdir.finished_results(run.config, folder)
        if results is None:
            failures = workdir.read_failures(folder)
            return math.nan, failures[0]["reason"] if failures else "it has no results"
        if self.task.objective == VALIDATION_LOSS:
            return loss, ""
        metric = self.task.objective.removeprefix(ORACLE)
        value = results["members"][0].get(metric)
        return (math.nan, f"its results have no {metric}") if value is None else (value, "")

    def finish(self, numbers: Sequence[int], rung: Rung) -> None:
        """Tell the study of trials at the last rung."""
        for number in numbers:
            self.study.finish(number, self.study.trials()[number].reported[rung.number])

    def say(self, numbers: Sequence[int], rung: Rung) -> None:
        """Print how a rung ended."""
        trials = self.study.trials()
        left = sum(trials[number].state == RUNNING for number in numbers)
        best = _best([trials[number] for number in numbers], rung.number, self.task.design)
        trained = "1 trial" if len(numbers) == 1 else f"{len(numbers)} trials"
        text = f"rung {rung.number} of {self.task.design.rungs}: {trained}"
        if rung.number < self.task.design.rungs:
            text += f", {left} left"
        if best is not None:
            text += f"; the best is {best.number}, {best.reported[rung.number]:.6g}"
        print(text, flush=True)

    def write(self) -> None:
        """Write `search.json`, of which reports are made."""
        trials, design = self.study.trials(), self.task.design
        finished = [trial for trial in trials if trial.state == FINISHED]
        best = _best(finished, design.rungs, design)
        value = {
            "design": self.task.described(),
            "best": None if best is None else best.number,
            "trials": [self.entry(trial) for trial in trials],
        }
        workdir.write_search(self.directory, value)

    def entry(self, trial: Trial) -> dict[str, Any]:
        """Return what `search.json` says of a trial."""
        self.admit(trial)
        run, reached = self.runs.get(trial.number), max(trial.reported, default=0)
        value = trial.reported.get(reached, math.nan)
        return {
            "number": trial.number,
            "run": f"{self.task.space.name}/{trial.number:04}",
            "values": trial.values,
            "state": FAILED if trial.reason else trial.state,
            "steps": self.steps[run.name][reached - 1] if run and reached else 0,
            "value": None if math.isnan(value) else value,
            "reason": trial.reason,
        }


def _best(trials: Sequence[Trial], rung: int, design: Design) -> Trial | None:
    """Return the trial with the best objective at a rung, the first of several."""
    known = [t for t in trials if not math.isnan(t.reported.get(rung, math.nan))]
    sign = -1 if design.maximize else 1
    return min(known, key=lambda trial: sign * trial.reported[rung], default=None)
