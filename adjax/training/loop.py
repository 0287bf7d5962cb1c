"""The host loop of one stage: batches in, variables out, nothing lost on the way."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from adjax import hosts
from adjax.errors import DivergedError, UserError
from adjax.inputs import Stream, padded_batches, train_batches
from adjax.methods import Method, Stage
from adjax.training.checkpoints import Checkpoints
from adjax.training.chrono import Chrono
from adjax.training.execution import OF_BATCHES, OF_MEMBERS, Execution
from adjax.training.log import MetricsLog, Progress
from adjax.training.programs import (
    compile_update,
    init_state,
    keep_best,
    snapshot,
    validate_program,
)
from adjax.training.stage_cache import StageCache


@dataclasses.dataclass(frozen=True)
class Trainer:
    """What all stages of a run share.

    Attributes:
      method: whose stages are trained.
      execution: devices and program form.
      members: seed and dynamic hyper-parameters, arrays `[P]` on the devices.
      settings: the same with the normal class, as plain numbers, one dict a member.
      image: uint8 `[N, H, W, C]`, all training images of the data set.
      streams: one a member: its training rows and the seed of their order.
      validation_rows: one array of rows a member; all empty if nothing is held out.
      log_every: steps between log records.
      checkpoint_every: steps between validations and checkpoints; a multiple of `log_every`.
      select: "last" or "best" (by validation loss): which variables a stage returns.
      workdir: where checkpoints go.
      stage_hashes: for each stage, one hash a member of all that its result depends on.
      cache: finished stages of any run, by these hashes; None: train everything here.
      owners: one a member: the run whose record counts the cost of its training.

    """

    method: Method
    execution: Execution
    members: dict[str, jax.Array]
    settings: list[dict[str, Any]]
    image: np.ndarray
    streams: list[Stream]
    validation_rows: list[np.ndarray]
    log_every: int
    checkpoint_every: int
    select: str
    workdir: Path
    stage_hashes: dict[str, list[str]]
    cache: StageCache | None
    owners: list[str]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(H, W, C)`."""
        return self.image.shape[1:]

    @property
    def labels(self) -> list[str]:
        """One short name a member."""
        keys = [k for k in self.settings[0] if len({m[k] for m in self.settings}) > 1]
        extra = [k for k in keys if k not in ("seed", "data.normal_class")]
        return [
            " ".join(
                [
                    f"class {m['data.normal_class']} seed {m['seed']}",
                    *(f"{k}={m[k]}" for k in extra),
                ]
            )
            for m in self.settings
        ]

    def check_finished(self) -> None:
        """Raise `UserError` unless every stage has its last checkpoint."""
        for stage in self.method.stages:
            directory = self.workdir / "checkpoints" / stage.name
            step = Checkpoints(directory).latest_step() or 0 if directory.exists() else 0
            if step < stage.steps:
                raise UserError(
                    f"{self.workdir}: stage {stage.name} stopped at step {step} of {stage.steps}; "
                    "finish it with --mode=train"
                )


def train_stage(
    trainer: Trainer, index: int, frozen: dict, log: MetricsLog, failed: Sequence[dict] = ()
):
    """Train one stage, from its latest checkpoint if there is one.

    A member that diverges is left behind, the others go on.

    Args:
      trainer: the run.
      index: of the stage in the method.
      frozen: variables of earlier stages by name, every leaf `[P, ...]`.
      log: where metrics go.
      failed: the members that diverged in earlier stages, as their records list them.

    Returns:
      `(variables, record)`: the stage's variables, leaves `[P, ...]`, and what training it took;
      `record["failed"]` lists the members that diverged by now, if any did.

    Raises:
      DivergedError: if a loss, gradient or parameter of every member is not finite. Checkpoints
        taken before remain.

    """
    stage = trainer.method.stages[index]
    names = [s.name for s in trainer.method.stages[: index + 1]]
    hashes, cache = trainer.stage_hashes[stage.name], trainer.cache
    checkpoints = Checkpoints(trainer.workdir / "checkpoints" / stage.name)
    like = tree_like(trainer, index)
    record = {
        "name": stage.name,
        "steps": stage.steps,
        "parameters": _parameters(like["state"]),
        "members": len(trainer.settings),  # that trained together
    } | ({"failed": list(failed)} if failed else {})
    tree, saved = None, _saved(0, Chrono(), record)
    if checkpoints.latest_step() is not None:
        tree, saved = checkpoints.restore(like)
    if saved["step"] < stage.steps and cache and hosts.agreed(not cache.missing(hashes)):
        tree, saved = _adopted(trainer, cache.load(hashes, like))
        log.rewind(names, 0)
        cache.replay(hashes, log)
        log.sync()
        failed = saved["record"].get("failed", ())
        if len(failed) == len(trainer.settings):
            raise diverged(trainer, failed)
        checkpoints.save(stage.steps, tree, saved)
    step, chrono, record = saved["step"], Chrono(**saved["chrono"]), saved["record"]
    if step < stage.steps:
        log.rewind(names, step)
        tree = _initial_tree(trainer, index) if tree is None else tree
        try:
            tree = _Loop(trainer, index, frozen, log, checkpoints, chrono, record).run(tree, step)
        except DivergedError:
            if cache:
                saved = _saved(step, chrono, record)
                cache.store(hashes, trainer.owners, None, log.of_stage(stage.name), saved)
            raise
    if cache and hosts.agreed(bool(cache.missing(hashes))):
        saved = _saved(stage.steps, chrono, record)
        cache.store(hashes, trainer.owners, tree, log.of_stage(stage.name), saved)
    checkpoints.close()
    return _selected(trainer, tree), _with_rates(record, chrono, stage, len(trainer.settings))


def cached_variables(trainer: Trainer, index: int) -> Any:
    """The variables of a stage whose members are all in the cache, leaves `[P, ...]`."""
    stage = trainer.method.stages[index]
    like = tree_like(trainer, index)
    tree, _ = trainer.cache.load(trainer.stage_hashes[stage.name], like)
    return trainer.execution.put(_selected(trainer, tree), OF_MEMBERS)


def tree_like(trainer: Trainer, index: int) -> dict:
    """Shapes, dtypes and shardings of what a checkpoint of the stage holds."""
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(
            x.shape, x.dtype, sharding=trainer.execution.sharding(OF_MEMBERS)
        ),
        jax.eval_shape(lambda: _initial_tree(trainer, index)),
    )


def _initial_tree(trainer: Trainer, index: int) -> dict:
    stage = trainer.method.stages[index]
    state = init_state(stage, index, trainer.execution, trainer.image_shape, trainer.members)
    best_loss = np.full(len(trainer.settings), np.inf, np.float32)
    best_loss = trainer.execution.put(best_loss, OF_MEMBERS)
    return {"state": state, "best": snapshot(state.variables), "best_loss": best_loss}


def _adopted(trainer: Trainer, found: tuple[Any, dict]) -> tuple[Any, dict]:
    """A stage from the cache as this run's own."""
    tree, saved = found
    record = saved["record"] | ({} if saved["owner"] == trainer.owners[0] else {"cached": True})
    adopted = {"step": saved["step"], "chrono": saved["chrono"], "record": record}
    return trainer.execution.put(tree, OF_MEMBERS), adopted


def _selected(trainer: Trainer, tree: dict) -> Any:
    return tree["best"] if trainer.select == "best" else tree["state"].variables


def diverged(trainer: Trainer, failed: Sequence[dict], kept: int | None = None) -> DivergedError:
    """The error that says which members diverged; `kept` is the step of the last checkpoint."""
    first, *others = failed
    return DivergedError(
        f"stage {first['stage']}, step {first['step']}, member {first['member']} "
        f"({trainer.labels[first['member']]}): {first['reason']}; "
        + (f"{len(others)} more members diverged; " if others else "")
        + (f"the checkpoint of step {kept} is kept" if kept else "no checkpoint yet")
        + "; lower the learning rate",
        list(failed),
    )


class _Loop:
    """The steps of one stage that are left to do."""

    def __init__(self, trainer, index, frozen, log, checkpoints, chrono, record):
        self.trainer, self.index, self.frozen = trainer, index, frozen
        self.log, self.checkpoints, self.chrono, self.record = log, checkpoints, chrono, record
        self.stage: Stage = trainer.method.stages[index]
        self.validate = validate_program(self.stage, trainer.execution)
        # Members that diverged: number -> stage, step, reason.
        self.failed = {failure["member"]: failure for failure in record.get("failed", ())}
        self.mark = 0.0  # when the last record was written

    def run(self, tree: dict, first_step: int) -> dict:
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
        self.log.write(self.stage.name, steps[-1], {**means, "images_per_second": rate})
        progress.show(steps[-1], {"loss": np.nanmean(means["loss"]), "images/s": rate})
        return []

    def check_finite(self, step: int, metrics: dict) -> None:
        """Leave behind the members whose metrics `[P]` are not finite; raise if none is left."""
        for name, value in metrics.items():
            for member in map(int, np.flatnonzero(~np.isfinite(value))):
                reason = f"{name} is {value[member]}"
                failure = {"stage": self.stage.name, "step": step, "reason": reason}
                self.failed.setdefault(member, {"member": member, **failure})
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
        self.checkpoints.save(step, snapshot(tree), _saved(step, self.chrono, self.record))
        return tree

    def validation_loss(self, variables: Any) -> np.ndarray:
        """Mean loss of each member's held-out normal images, float64 `[P]`."""
        trainer = self.trainer
        longest = max(map(len, trainer.validation_rows))
        size = min(256, longest)
        size += -size % trainer.execution.data_devices
        total = np.zeros(len(trainer.settings))
        streams = [
            padded_batches(_stretch(rows, longest), size) for rows in trainer.validation_rows
        ]
        for start, batch in enumerate(zip(*streams, strict=True)):
            image = trainer.image[np.stack([rows for rows, _ in batch])] / np.float32(255)
            image = trainer.execution.put(image, OF_BATCHES)
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
        trainer.image, trainer.streams, stage.batch_size, steps, stage.auxiliary, part
    )
    ahead = trainer.execution.put_batch(next(made), *size)
    for _ in steps[1:]:
        ready, ahead = ahead, trainer.execution.put_batch(next(made), *size)
        yield ready
    yield ahead


def _saved(step: int, chrono: Chrono, record: dict) -> dict:
    """What a checkpoint says beside its arrays."""
    return {"step": step, "chrono": dataclasses.asdict(chrono), "record": record}


def _stretch(rows: np.ndarray, length: int) -> np.ndarray:
    """Rows filled up to `length` with the first one."""
    return np.pad(rows, (0, length - len(rows)), constant_values=rows[0])


def _parameters(state) -> int:
    """Trainable numbers of one member."""
    return sum(leaf.size // len(leaf) for leaf in jax.tree.leaves(state.params))


def _with_rates(record: dict, chrono: Chrono, stage: Stage, members: int) -> dict:
    """What `members` of those that trained together cost: their share, at the rate of all."""
    share = members / record["members"]
    images = stage.steps * members * stage.images_per_update
    return {
        **record,
        "flops_per_step": record["flops_per_step"] * share,
        "compile_seconds": chrono.compile * share,
        "train_seconds": chrono.train * share,
        "images_per_second": images / (chrono.train * share),
        "flops_per_second": record["flops_per_step"] * stage.steps / chrono.train,
        "input_wait_fraction": chrono.input / chrono.train,
    }
