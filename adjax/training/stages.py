"""One stage of a run from its beginning to its end: found, gone on with, or trained."""

from collections.abc import Sequence
from typing import Any

import jax

from adjax import hosts
from adjax.errors import DivergedError
from adjax.methods import Fit, Stage
from adjax.training.checkpoints import Checkpoints
from adjax.training.chrono import Chrono
from adjax.training.execution import OF_MEMBERS
from adjax.training.fitting import fit_stage
from adjax.training.log import MetricsLog
from adjax.training.loop import Loop, saved_as
from adjax.training.trainer import (
    Trainer,
    checkpoints_of,
    diverged,
    initial_tree,
    selected,
    tree_like,
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
    checkpoints = Checkpoints(checkpoints_of(trainer.workdir, stage.name))
    like = tree_like(trainer, index)
    tree, saved = None, saved_as(0, Chrono(), _new_record(trainer, stage, like, failed))
    if checkpoints.latest_step() is not None:
        tree, saved = checkpoints.restore(like)
    if saved["step"] < stage.steps and cache and hosts.agreed(not cache.missing(hashes)):
        log.rewind(names, 0)
        tree, saved = _adopt(trainer, stage, like, log)
        checkpoints.save(stage.steps, tree, saved)
    step, chrono, record = saved["step"], Chrono(**saved["chrono"]), saved["record"]

    def store(tree) -> None:
        if cache and hosts.agreed(bool(cache.missing(hashes))):
            saved = saved_as(stage.steps, chrono, record)
            cache.store(hashes, trainer.owners, tree, log.of_stage(stage.name), saved)

    try:  # whatever ends this, what is being saved is saved whole
        if step < stage.steps:
            log.rewind(names, step)
            tree = initial_tree(trainer, index, frozen) if tree is None else tree
            parts = trainer, index, frozen, log, checkpoints, chrono, record
            try:
                if isinstance(stage, Fit):
                    tree = fit_stage(*parts, tree)
                else:
                    tree = Loop(*parts).run(tree, step)
            except DivergedError:
                store(None)
                raise
        store(tree)
    finally:
        checkpoints.close()
    return selected(trainer.select, tree), _with_rates(record, chrono, stage, len(trainer.settings))


def cached_variables(trainer: Trainer, index: int) -> Any:
    """The variables of a stage whose members are all in the cache, leaves `[P, ...]`."""
    stage = trainer.method.stages[index]
    like = tree_like(trainer, index)
    tree, _ = trainer.cache.load(trainer.stage_hashes[stage.name], like)
    return trainer.execution.put(selected(trainer.select, tree), OF_MEMBERS)


def _new_record(trainer: Trainer, stage: Stage | Fit, like: dict, failed: Sequence[dict]) -> dict:
    """What is known of a stage before it is trained."""
    params = jax.tree.leaves(like["state"].params)
    return {
        "name": stage.name,
        "steps": stage.steps,
        "parameters": sum(leaf.size // len(leaf) for leaf in params),  # of one member
        "members": len(trainer.settings),  # that train together
    } | ({"failed": list(failed)} if failed else {})


def _adopt(trainer: Trainer, stage: Stage | Fit, like: dict, log: MetricsLog) -> tuple[dict, dict]:
    """A stage from the cache as this run's own: its final checkpoint, and its metrics in the log.

    Raises:
      DivergedError: if no member of it is left.

    """
    hashes = trainer.stage_hashes[stage.name]
    tree, saved = trainer.cache.load(hashes, like)
    trainer.cache.replay(hashes, log)
    log.sync()
    record = saved["record"]
    if len(record.get("failed", ())) == len(hashes):
        raise diverged(trainer, record["failed"])
    if saved["owner"] != trainer.owners[0]:
        record |= {"cached": True}
    saved = {"step": saved["step"], "chrono": saved["chrono"], "record": record}
    return trainer.execution.put(tree, OF_MEMBERS), saved


def _with_rates(record: dict, chrono: Chrono, stage: Stage | Fit, members: int) -> dict:
    """What `members` of those that trained together cost: their share, at the rate of all."""
    share = members / record["members"]
    record = dict(record)
    by_record = record.pop("images_per_update", None)  # a `Fit` sees all there are
    images = stage.steps * members * (by_record or stage.images_per_update)
    return {
        **record,
        "flops_per_step": record["flops_per_step"] * share,
        "compile_seconds": chrono.compile * share,
        "train_seconds": chrono.train * share,
        "images_per_second": images / (chrono.train * share),
        "flops_per_second": record["flops_per_step"] * stage.steps / chrono.train,
        "input_wait_fraction": chrono.input / chrono.train,
    }
