"""The host loop of one stage: updates, validation, checkpoints and the log."""

import math
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from adjax import hosts
from adjax.inputs import fixed_crops, padded_batches, train_batches
from adjax.methods.stage import Stage
from adjax.training import signals
from adjax.training.execution import OF_BATCHES
from adjax.training.log import Progress
from adjax.training.population import Population, diverged
from adjax.training.programs import compile_update, keep_best, snapshot, validate_program
from adjax.training.work import StageWork

VALIDATION_PIXELS = 256 * 32 * 32  # in a batch, roughly


class Loop:
    """The remaining steps of one stage."""

    def __init__(self, work: StageWork):
        """Prepare the training of a stage."""
        self.work, self.population, self.stage = work, work.population, work.stage
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
            return self._run(tree, first_step, stop)

    def _run(self, tree: dict, first_step: int, stop: signals.Stop) -> dict:
        population, stage, chrono = self.population, self.stage, self.work.chrono
        until = self.work.until
        frozen, members = self.work.frozen, population.members.arrays
        state = tree["state"]
        batches = stage_batches(population, stage, range(first_step, until))
        progress = Progress(stage.name, until, first_step)
        window, due = [], []  # metrics since the last record; metrics whose record is due
        compiled = None
        chrono.start()
        for step in range(first_step + 1, until + 1):
            with chrono.waiting_for_input():
                batch = next(batches)
            if compiled is None:
                with chrono.paused():
                    operands = state, frozen, batch, members
                    index, execution = self.work.index, population.execution
                    compiled = compile_update(stage, index, execution, operands)
                chrono.compile += compiled.seconds
                self.work.record["flops_per_step"] = compiled.flops
                self.mark = time.perf_counter()
            state, metrics = compiled.update(state, frozen, batch, members)
            # One step late: the device works on `step` while the host reads earlier values.
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

    def write(self, due: list, progress: Progress) -> list:
        """Write one record with the mean metrics of the steps in `due`; return []."""
        if not due:
            return []
        steps, metrics = zip(*due, strict=True)
        metrics = hosts.fetch(metrics)
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
            image = [fixed_crops(images.table[rows], rows, images.crops) for rows, _ in batch]
            image = execution.put(np.stack(image), OF_BATCHES)
            loss = np.asarray(self.validate(variables, self.work.frozen, image), np.float64)
            position = start * size + np.arange(size)
            for member, rows in enumerate(images.validation_rows):
                total[member] += loss[member][position < len(rows)].sum()
        return total / [len(rows) for rows in images.validation_rows]


def stage_batches(
    population: Population, stage: Stage, steps: range
) -> Iterator[dict[str, jax.Array]]:
    """Yield a stage's batches, on the devices one step ahead (put there by pmap itself under pmap).

    The pipeline is never asked for its end, as taking it down should not count as part of a step.
    """
    images, execution = population.images, population.execution
    members, size = len(population.members), stage.batch_size
    made = train_batches(
        images.table,
        images.streams,
        size,
        steps,
        stage.auxiliary,
        execution.local_part(members, size),
        corruption=stage.corruption,
        crops=images.crops,
    )
    ahead = execution.put_batch(next(made), members, size)
    for _ in steps[1:]:
        ready, ahead = ahead, execution.put_batch(next(made), members, size)
        yield ready
    yield ahead


def _stretch(rows: np.ndarray, length: int) -> np.ndarray:
    """Pad rows to `length` with the first one."""
    return np.pad(rows, (0, length - len(rows)), constant_values=rows[0])
