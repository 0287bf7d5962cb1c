"""The host loop of one stage: updates, validation, checkpoints and the log."""

import math
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from adjax import hosts
from adjax.inputs import fixed_crops, padded_batches
from adjax.training import signals
from adjax.training.execution import OF_BATCHES
from adjax.training.feeds import dispatches, feed_of, stage_batches
from adjax.training.log import Progress
from adjax.training.population import diverged
from adjax.training.programs import compile_update, keep_best, snapshot, validate_program
from adjax.training.work import StageWork

VALIDATION_PIXELS = 256 * 32 * 32  # in a batch, roughly


class Loop:
    """The remaining steps of one stage."""

    def __init__(self, work: StageWork):
        """Prepare the training of a stage."""
        self.work, self.population, self.stage = work, work.population, work.stage
        self.feed = feed_of(self.population, self.stage)
        self.validate = validate_program(self.stage, self.population.execution)
        self.failed = work.failed  # members that diverged: number -> stage, step, reason
        self.mark = 0.0  # when the last record was written
        self.saved_at = time.monotonic()

    def run(self, tree: dict, first_step: int) -> dict:
        """Train a checkpoint tree from `first_step` to `StageWork.until`; return the last tree.

        SIGTERM and SIGINT are heeded at the next record: the state is saved first.

        Raises:
          DivergedError: if no member is left.

        """
        with signals.heeded() as stop:
            tree = self._run(tree, first_step, stop)
        stop.leave()  # for a signal that came after the last record
        return tree

    def _run(self, tree: dict, first_step: int, stop: signals.Stop) -> dict:
        population, stage, chrono = self.population, self.stage, self.work.chrono
        until = self.work.until
        frozen, members = self.work.frozen, population.members.arrays
        state, remaining = tree["state"], range(first_step, until)
        batches = stage_batches(population, stage, remaining)
        progress = Progress(stage.name, until, first_step)
        window, due = [], []  # metrics since the last record; metrics whose record is due
        programs = {}  # by the number of updates
        chrono.start()
        for steps in dispatches(remaining, self.feed.steps):
            with chrono.waiting_for_input():
                batch = next(batches)
            operands, step = (state, frozen, batch, members), steps.stop
            if len(steps) not in programs:
                due = self.write(due, progress)
                programs[len(steps)] = self.compile(operands)
            state, metrics = programs[len(steps)](*operands)
            # One call late: the device works on these steps while the host reads earlier values.
            due = self.write(due, progress)
            window.append((step, metrics))
            if step % population.log_every == 0 or step == until:
                window, due = [], window
            if step % population.checkpoint_every == 0 or step == until:
                due = self.write(due, progress)
                with chrono.paused():
                    tree = self.checkpoint(step, {**tree, "state": state})
                self.mark = time.perf_counter()
            elif step % population.log_every == 0 and self.must_save(stop):
                due = self.write(due, progress)
                with chrono.paused():
                    self.save(step, {**tree, "state": state})
                self.mark = time.perf_counter()
            if step % population.log_every == 0 and step < until:
                stop.leave()
        progress.close()
        return tree

    def compile(self, operands: tuple) -> Callable:
        """Return the compiled update for these operands; its time is not that of training."""
        stage, work, start = self.stage, self.work, time.perf_counter()
        with work.chrono.paused():
            execution = self.population.execution
            compiled = compile_update(stage, work.index, execution, operands, self.feed)
        work.chrono.compile += compiled.seconds
        work.record["flops_per_step"] = compiled.flops
        now = time.perf_counter()
        self.mark = self.mark + now - start if self.mark else now
        return compiled.update

    def write(self, due: list, progress: Progress) -> list:
        """Write one record with the mean metrics of the steps in `due`; return []."""
        if not due:
            return []
        last, metrics = due[-1][0], _step_by_step(hosts.fetch([values for _, values in due]))
        steps = range(last - len(metrics) + 1, last + 1)
        for step, values in zip(steps, metrics, strict=True):
            self.check_finite(step, values)
        now = time.perf_counter()
        images = len(steps) * len(self.population.members) * self.stage.images_per_update
        rate = images / (now - self.mark)
        self.mark = now
        means = {k: np.mean([m[k] for m in metrics], axis=0) for k in metrics[0]}
        for value in means.values():
            value[list(self.failed)] = np.nan
        self.work.log.write(self.stage.name, steps[-1], {**means, "images_per_second": rate})
        self.check_limits(steps[-1], means)
        progress.show(steps[-1], {"loss": np.nanmean(means["loss"]), "images/s": rate})
        return []

    def check_finite(self, step: int, metrics: dict) -> None:
        """Leave behind the members whose metrics `[P]` are not finite."""
        for name, value in metrics.items():
            for member in map(int, np.flatnonzero(~np.isfinite(value))):
                self.leave_behind(member, step, f"{name} is {value[member]}")
        self.check_left()

    def check_limits(self, step: int, means: dict) -> None:
        """Leave behind the members with a mean metric `[P]` below its limit."""
        for limit in self.stage.limits:
            if step <= limit.after:
                continue
            for member in map(int, np.flatnonzero(means[limit.metric] < limit.least)):
                value = f"{limit.metric} is {means[limit.metric][member]:.3g}"
                reason = f"{value}, below {limit.least:g}: {limit.meaning}"
                self.leave_behind(member, step, reason)
        self.check_left()

    def leave_behind(self, member: int, step: int, reason: str) -> None:
        """Note that a member failed, unless it already has."""
        failure = {"stage": self.stage.name, "step": step, "reason": reason}
        self.failed.setdefault(member, {"member": member, **failure})

    def check_left(self) -> None:
        """Record who failed; raise `DivergedError` if no member is left."""
        work, members = self.work, self.population.members
        work.note_failed(self.failed)
        if len(self.failed) == len(members):
            work.checkpoints.close()
            work.log.sync()
            raise diverged(members, work.record["failed"], work.checkpoints.latest_step())

    def checkpoint(self, step: int, tree: dict) -> dict:
        """Validate, keep the best variables and save, once everything logged so far is on disk."""
        if any(map(len, self.population.images.validation_rows)):
            variables = tree["state"].variables
            loss = self.validation_loss(variables)
            self.check_finite(step, {"validation_loss": loss})
            self.work.log.write(self.stage.name, step, {"validation_loss": loss})
            best, best_loss = keep_best(
                tree["best"], tree["best_loss"], variables, np.float32(loss)
            )
            tree = {**tree, "best": best, "best_loss": best_loss}
        else:
            tree = {**tree, "best": snapshot(tree["state"].variables)}
        self.save(step, tree)
        return tree

    def must_save(self, stop: signals.Stop) -> bool:
        """Return whether too much would be lost, or the training is asked to stop."""
        late = time.monotonic() - self.saved_at > 60 * self.population.checkpoint_minutes
        return hosts.agreed(late or bool(stop.signal))

    def save(self, step: int, tree: dict) -> None:
        """Save a tree once everything logged so far is on disk."""
        jax.block_until_ready(tree)
        self.work.save(step, snapshot(tree))
        self.saved_at = time.monotonic()

    def validation_loss(self, variables: Any) -> np.ndarray:
        """Return the mean loss on each member's held-out normal images, float64 `[P]`."""
        images, execution = self.population.images, self.population.execution
        longest = max(map(len, images.validation_rows))
        size = min(max(8, VALIDATION_PIXELS // math.prod(images.shape[:2])), 256, longest)
        size = execution.round_up(size)
        total = np.zeros(len(self.population.members))
        streams = [padded_batches(_stretch(rows, longest), size) for rows in images.validation_rows]
        for start, batch in enumerate(zip(*streams, strict=True)):
            image = [
                fixed_crops(images.table[rows], rows, images.crops, images.on_device)
                for rows, _ in batch
            ]
            image = execution.put(np.stack(image), OF_BATCHES)
            loss = np.asarray(self.validate(variables, self.work.frozen, image), np.float64)
            position = start * size + np.arange(size)
            for member, rows in enumerate(images.validation_rows):
                total[member] += loss[member][position < len(rows)].sum()
        return total / [len(rows) for rows in images.validation_rows]


def _step_by_step(metrics: list[dict]) -> list[dict]:
    """Return one dict of metrics `[P]` a step, of those of calls, `[P]` or `[S, P]`."""
    return [
        dict(zip(values, row, strict=True))
        for values in metrics
        for row in zip(*(np.atleast_2d(value) for value in values.values()), strict=True)
    ]


def _stretch(rows: np.ndarray, length: int) -> np.ndarray:
    """Pad rows to `length` with the first one."""
    return np.pad(rows, (0, length - len(rows)), constant_values=rows[0])
