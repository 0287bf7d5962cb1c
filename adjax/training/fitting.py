"""Fits: stages that are computed from a member's training images at once, not in steps."""

import functools
from collections.abc import Iterator

import jax
import numpy as np

from adjax import device_inputs, hosts
from adjax.inputs import train_batches
from adjax.ops import products_in
from adjax.training.execution import OF_MEMBERS
from adjax.training.population import TrainingImages, diverged
from adjax.training.programs import snapshot
from adjax.training.work import StageWork


def fit_stage(work: StageWork, tree: dict) -> dict:
    """Compute a `Fit` for every member that has not failed; return the checkpoint tree.

    If there are several processes, each computes all members, with the same result.

    Raises:
      DivergedError: if no member is left.

    """
    stage, chrono, population = work.stage, work.chrono, work.population
    members, images = population.members, population.images
    params = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), tree["state"].params)
    failed = work.failed
    earlier = hosts.fetch(work.frozen)
    chrono.start()
    for row, settings in enumerate(members.settings):
        if row in failed:
            continue
        own = jax.tree.map(lambda x, row=row: x[row], earlier)
        with products_in("float32"):
            fitted = stage.compute(functools.partial(member_images, images, row), own, settings)
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(fitted)):
            reason = "what was computed is not finite"
            failed[row] = {"member": row, "stage": stage.name, "step": 1, "reason": reason}
        jax.tree.map(lambda whole, part, row=row: whole.__setitem__(row, part), params, fitted)
    chrono.tick()
    work.note_failed(failed)
    if len(failed) == len(members):
        raise diverged(members, work.record["failed"])
    work.record.update(
        flops_per_step=0.0,  # nobody counts what other libraries do
        images_per_update=float(np.mean([len(stream.rows) for stream in images.streams])),
    )
    work.log.write(
        stage.name, stage.steps, {"seconds": np.full(len(members), chrono.train / len(members))}
    )
    state = tree["state"].replace(
        step=tree["state"].step + 1, params=population.execution.put(params, OF_MEMBERS)
    )
    tree = {**tree, "state": state, "best": snapshot(state.variables)}
    work.save(stage.steps, snapshot(tree))
    return tree


def member_images(images: TrainingImages, row: int, size: int) -> Iterator[np.ndarray]:
    """Yield a member's training images once, in order, float32 `[<= size, H, W, C]` at a time.

    With crops, yield those of the first epoch, without an incomplete last batch.
    """
    stream, crops = images.streams[row], images.crops
    if crops is None:
        for start in range(0, len(stream.rows), size):
            rows = stream.rows[start : start + size]
            yield np.asarray(images.table[rows]) / np.float32(255)
        return
    count = max(crops.samples, len(stream.rows))
    size = min(size, count)
    batches = device_inputs.train_batches if images.on_device else train_batches
    made = batches(images.table, [stream], size, range(count // size), crops=crops)
    for batch in made:
        yield batch["image"][0]
