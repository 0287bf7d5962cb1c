"""Rungs: the steps at which the trials of a search are judged, and the work from one to the next.

A trial at a rung is the beginning of its whole training, not a shorter one: schedules see all of
its steps. What it has come to is an entry of the stage cache, as a finished stage is, named after
the stage and the step; the next rung goes on from there with the members that are left. Such an
entry spares work and nothing else: without it the trial begins anew and comes to the same.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from pathlib import Path

from adjax.errors import UserError
from adjax.methods.stage import Fit, Stage
from adjax.sweeps.expand import PlannedRun
from adjax.sweeps.plan import Evaluation, Resources, Training, last_names, make_plan, method_of
from adjax.training import StageCache


def deciding_stage(run: PlannedRun) -> Stage:
    """Return the stage whose validation judges a run, the last one.

    Raises:
      UserError: if it is not trained in steps.

    """
    stage = method_of(run.settings).stages[-1]
    if isinstance(stage, Fit):
        raise UserError(
            f"--mode=search: {run.settings.info.title} is computed at once, without steps and a "
            "validation loss: search another method"
        )
    return stage


def rung_steps(run: PlannedRun, rungs: int, reduction_factor: int) -> list[int]:
    """Return the step of each rung, ascending; the last one is that of the whole training.

    The others are at a checkpoint, where the loss of held-out images is measured anyway.

    Raises:
      UserError: if there are fewer checkpoints than rungs.

    """
    stage, every = deciding_stage(run), run.settings.checkpoint_every
    steps = [
        every * max(1, round(stage.steps / reduction_factor ** (rungs - rung) / every))
        for rung in range(1, rungs)
    ]
    steps.append(stage.steps)
    if any(later <= earlier for earlier, later in itertools.pairwise(steps)):
        raise UserError(
            f"config.checkpoint_every={every}: rungs of {stage.name} lie at checkpoints, and its "
            f"{stage.steps} steps have too few for --rungs={rungs} and "
            f"--reduction_factor={reduction_factor}: lower one of the three"
        )
    return steps


@dataclasses.dataclass(frozen=True)
class Rung:
    """One rung of a search.

    Attributes:
      number: from 1.
      steps: of all its rungs, by the name of the run.

    """

    number: int
    steps: dict[str, list[int]]

    def step(self, run: PlannedRun) -> int:
        """Return the step at which a trial is judged."""
        return self.steps[run.name][self.number - 1]

    def plan(
        self, runs: Sequence[PlannedRun], directory: Path, resources: Resources
    ) -> list[Training | Evaluation]:
        """Return the work that takes trials from the rung before to this one.

        Earlier stages are trained as a whole, by the first rung. The last rung ends with the
        evaluation of the runs.
        """
        plan = []
        own = {name: run for run in runs for name in last_names(run, directory)}
        is_last = all(self.number == len(self.steps[run.name]) for run in runs)
        for task in make_plan(runs, directory, resources):
            if isinstance(task, Training) and set(task.hashes) <= set(own):
                plan.append(self._part(task, own[task.hashes[0]], is_last))
            elif isinstance(task, Training) or is_last:
                plan.append(task)
        return plan

    def _part(self, task: Training, run: PlannedRun, is_last: bool) -> Training:
        """Return the part of a training that leads to this rung."""
        steps, before = self.steps[run.name], self.number - 2
        since = tuple(_at(name, steps[before]) for name in task.hashes) if before >= 0 else ()
        if is_last:
            return dataclasses.replace(task, since=since)
        names = tuple(_at(name, self.step(run)) for name in task.hashes)
        return dataclasses.replace(task, hashes=names, until=self.step(run), since=since)

    def entry(self, run: PlannedRun, directory: Path) -> str:
        """Return the name of the cache's entry that a trial comes to at this rung."""
        (name,) = last_names(run, directory)
        steps = self.steps[run.name]
        return name if self.number == len(steps) else _at(name, steps[self.number - 1])


def validation_loss(run: PlannedRun, entry: str) -> tuple[float, str]:
    """Return what held-out images say of a trial at a rung, and why it diverged if it did.

    It is the loss of the variables that the run would hand on: the latest, or the best so far.

    Raises:
      UserError: if no images are held out.

    """
    cache = StageCache(run.config.stage_cache)
    if failure := cache.failure(entry):
        return math.nan, f"stage {failure['stage']}, step {failure['step']}: {failure['reason']}"
    losses = [line["validation_loss"] for line in cache.metrics(entry) if "validation_loss" in line]
    if not losses:
        raise UserError(
            "--mode=search judges by held-out normal images, and none are held out: raise "
            "--config.data.validation_fraction"
        )
    return (min(losses) if run.settings.select == "best" else losses[-1]), ""


def forget(run: PlannedRun, directory: Path, rungs: Sequence[Rung]) -> None:
    """Remove what a trial had come to at rungs, which no rung goes on from any more."""
    entries = [rung.entry(run, directory) for rung in rungs]
    StageCache(run.config.stage_cache).remove(entries)


def _at(name: str, step: int) -> str:
    return f"{name}-{step}"
