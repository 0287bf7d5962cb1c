"""The host loop of one stage: batches in, variables out, nothing lost on the way."""

import dataclasses
import math
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from adjax import hosts
from adjax.inputs import fixed_crops, padded_batches, train_batches
from adjax.methods import Stage
from adjax.training.chrono import Chrono
from adjax.training.execution import OF_BATCHES
from adjax.training.log import Progress
from adjax.training.programs import compile_update, keep_best, snapshot, validate_program
from adjax.training.trainer import Trainer, diverged

VALIDATION_PIXELS = 256 * 32 * 32  # in one batch, about


class Loop:
    """The steps of one stage that are left to do."""

    def __init__(self, trainer: Trainer, index: int, frozen, log, checkpoints, chrono, record):
        """Prepare; `chrono` and `record` of the training so far are kept up to date."""
        self.trainer, self.index, self.frozen = trainer, index, frozen
        self.log, self.checkpoints, self.chrono, self.record = log, checkpoints, chrono, record
        self.stage: Stage = trainer.method.stages[index]
        self.validate = validate_program(self.stage, trainer.execution)
        # Members that diverged: number -> stage, step, reason.
        self.failed = {failure["member"]: failure for failure in record.get("failed", ())}
        self.mark = 0.0  # when the last record was written

    def run(self, tree: dict, first_step: int) -> dict:
        """Train what a checkpoint tree holds from `first_step` to the end; returns the last tree.

        Raises:
          DivergedError: if no member is left.

        """
        trainer, stage, chrono = self.trainer, self.stage, self.chrono
        state = tree["state"]
        batches = stage_batches(trainer, stage, range(first_step, stage.steps))
        progress = Progress(stage.name, stage.steps, first_step)
        window, due = [], []  # metrics since the last record; those whose record is due
        compiled = None
        chrono.start()
        for step in range(first_step + 1, stage.steps + 1):
            with chrono.waiting_for_input():
                batch = next(batches)
            if compiled is None:
                with chrono.paused():
                    operands = state, self.frozen, batch, trainer.members
                    compiled = compile_update(stage, self.index, trainer.execution, operands)
                chrono.compile += compiled.seconds
                self.record["flops_per_step"] = compiled.flops
                self.mark = time.perf_counter()
            state, metrics = compiled.update(state, self.frozen, batch, trainer.members)
            # One step late: the device works on `step` while the host reads earlier values.
            due = self.write(due, progress)
            window.append((step, metrics))
            if step % trainer.log_every == 0 or step == stage.steps:
                window, due = [], window
            if step % trainer.checkpoint_every == 0 or step == stage.steps:
                due = self.write(due, progress)
                with chrono.paused():
                    tree = self.checkpoint(step, {**tree, "state": state})
                self.mark = time.perf_counter()
        progress.close()
        return tree

    def write(self, due: list, progress: Progress) -> list:
        """Write one record for the steps of `due`, the means of their metrics; returns []."""
        if not due:
            return []
        steps, metrics = zip(*due, strict=True)
        metrics = hosts.fetch(metrics)
        for step, values in zip(steps, metrics, strict=True):
            self.check_finite(step, values)
        now = time.perf_counter()
        images = len(steps) * len(self.trainer.settings) * self.stage.images_per_update
        rate = images / (now - self.mark)
        self.mark = now
        means = {k: np.mean([m[k] for m in metrics], axis=0) for k in metrics[0]}
        for value in means.values():
            value[list(self.failed)] = np.nan
        self.log.write(self.stage.name, steps[-1], {**means, "images_per_second": rate})
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
        """Leave behind the members of which a mean `[P]` is below its limit."""
        for limit in self.stage.limits:
            if step <= limit.after:
                continue
            for member in map(int, np.flatnonzero(means[limit.metric] < limit.least)):
                value = f"{limit.metric} is {means[limit.metric][member]:.3g}"
                reason = f"{value}, below {limit.least:g}: {limit.meaning}"
                self.leave_behind(member, step, reason)
        self.check_left()

    def leave_behind(self, member: int, step: int, reason: str) -> None:
        """Note that a member failed, if it has not before."""
        failure = {"stage": self.stage.name, "step": step, "reason": reason}
        self.failed.setdefault(member, {"member": member, **failure})

    def check_left(self) -> None:
        """Put who failed into the record; raise if none is left."""
        if self.failed:
            self.record["failed"] = sorted(self.failed.values(), key=lambda f: f["member"])
        if len(self.failed) == len(self.trainer.settings):
            self.checkpoints.close()
            self.log.sync()
            raise diverged(self.trainer, self.record["failed"], self.checkpoints.latest_step())

    def checkpoint(self, step: int, tree: dict) -> dict:
        """Validate, keep what is best, and save; everything logged so far is on disk before."""
        if any(map(len, self.trainer.validation_rows)):
            variables = tree["state"].variables
            loss = self.validation_loss(variables)
            self.check_finite(step, {"validation_loss": loss})
            self.log.write(self.stage.name, step, {"validation_loss": loss})
            best, best_loss = keep_best(
                tree["best"], tree["best_loss"], variables, np.float32(loss)
            )
            tree = {**tree, "best": best, "best_loss": best_loss}
        else:
            tree = {**tree, "best": snapshot(tree["state"].variables)}
        self.log.sync()
        jax.block_until_ready(tree)
        self.checkpoints.save(step, snapshot(tree), saved_as(step, self.chrono, self.record))
        return tree

    def validation_loss(self, variables: Any) -> np.ndarray:
        """Mean loss of each member's held-out normal images, float64 `[P]`."""
        trainer = self.trainer
        longest = max(map(len, trainer.validation_rows))
        size = min(max(8, VALIDATION_PIXELS // math.prod(trainer.image_shape[:2])), 256, longest)
        size += -size % trainer.execution.data_devices
        total = np.zeros(len(trainer.settings))
        streams = [
            padded_batches(_stretch(rows, longest), size) for rows in trainer.validation_rows
        ]
        for start, batch in enumerate(zip(*streams, strict=True)):
            image = [fixed_crops(trainer.image[rows], rows, trainer.crops) for rows, _ in batch]
            image = trainer.execution.put(np.stack(image), OF_BATCHES)
            loss = np.asarray(self.validate(variables, self.frozen, image), np.float64)
            position = start * size + np.arange(size)
            for member, rows in enumerate(trainer.validation_rows):
                total[member] += loss[member][position < len(rows)].sum()
        return total / [len(rows) for rows in trainer.validation_rows]


def stage_batches(trainer: Trainer, stage: Stage, steps: range) -> Iterator[dict[str, jax.Array]]:
    """A stage's batches, transferred to the devices one step ahead (by pmap itself under pmap).

    The pipeline is asked for these batches and never for its end: to take it down is not the work
    of any step.
    """
    size = len(trainer.settings), stage.batch_size
    part = trainer.execution.local_part(*size)
    made = train_batches(
        trainer.image,
        trainer.streams,
        stage.batch_size,
        steps,
        stage.auxiliary,
        part,
        corruption=stage.corruption,
        crops=trainer.crops,
    )
    ahead = trainer.execution.put_batch(next(made), *size)
    for _ in steps[1:]:
        ready, ahead = ahead, trainer.execution.put_batch(next(made), *size)
        yield ready
    yield ahead


def _stretch(rows: np.ndarray, length: int) -> np.ndarray:
    """Rows filled up to `length` with the first one."""
    return np.pad(rows, (0, length - len(rows)), constant_values=rows[0])


def saved_as(step: int, chrono: Chrono, record: dict) -> dict:
    """What a checkpoint says beside its arrays."""
    return {"step": step, "chrono": dataclasses.asdict(chrono), "record": record}
