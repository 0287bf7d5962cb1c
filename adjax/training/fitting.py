"""A stage that is computed at once: from a member's training images to its checkpoint."""

import functools
from collections.abc import Iterator

import jax
import numpy as np

from adjax import hosts
from adjax.inputs import train_batches
from adjax.methods import Fit
from adjax.training.checkpoints import Checkpoints
from adjax.training.chrono import Chrono
from adjax.training.execution import OF_MEMBERS
from adjax.training.log import MetricsLog
from adjax.training.loop import saved_as
from adjax.training.programs import snapshot
from adjax.training.trainer import Trainer, diverged


def fit_stage(
    trainer: Trainer,
    index: int,
    frozen: dict,
    log: MetricsLog,
    checkpoints: Checkpoints,
    chrono: Chrono,
    record: dict,
    tree: dict,
) -> dict:
    """Compute a `Fit` for every member that has not failed; returns the checkpoint's tree.

    Every process of several computes all members, to the same numbers.

    Raises:
      DivergedError: if no member is left.

    """
    stage: Fit = trainer.method.stages[index]
    like = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), tree["state"].params)
    failed = {failure["member"]: failure for failure in record.get("failed", ())}
    earlier = hosts.fetch(frozen)
    chrono.start()
    for row, settings in enumerate(trainer.settings):
        if row in failed:
            continue
        own = jax.tree.map(lambda x, row=row: x[row], earlier)
        found = stage.compute(functools.partial(member_images, trainer, row), own, settings)
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found)):
            reason = "what was computed is not finite"
            failed[row] = {"member": row, "stage": stage.name, "step": 1, "reason": reason}
        jax.tree.map(lambda whole, part, row=row: whole.__setitem__(row, part), like, found)
    chrono.tick()
    if failed:
        record["failed"] = sorted(failed.values(), key=lambda failure: failure["member"])
    if len(failed) == len(trainer.settings):
        raise diverged(trainer, record["failed"])
    record |= {
        "flops_per_step": 0.0,  # nobody counts what other libraries do
        "images_per_update": float(np.mean([len(stream.rows) for stream in trainer.streams])),
    }
    seconds = np.full(len(trainer.settings), chrono.train / len(trainer.settings))
    log.write(stage.name, stage.steps, {"seconds": seconds})
    log.sync()
    params = trainer.execution.put(like, OF_MEMBERS)
    state = tree["state"].replace(step=tree["state"].step + 1, params=params)
    tree = {**tree, "state": state, "best": snapshot(state.variables)}
    checkpoints.save(stage.steps, snapshot(tree), saved_as(stage.steps, chrono, record))
    return tree


def member_images(trainer: Trainer, row: int, size: int) -> Iterator[np.ndarray]:
    """A member's training images once, in order, float32 `[<= size, H, W, C]` at a time.

    Of crops it is those of the first epoch, less what does not fill a batch.
    """
    stream, crops = trainer.streams[row], trainer.crops
    if crops is None:
        for start in range(0, len(stream.rows), size):
            rows = stream.rows[start : start + size]
            yield np.asarray(trainer.image[rows]) / np.float32(255)
        return
    count = max(crops.samples, len(stream.rows))
    size = min(size, count)
    made = train_batches(trainer.image, [stream], size, range(count // size), crops=crops)
    for batch in made:
        yield batch["image"][0]
