"""A population: members, images and devices of a training, and the state a stage starts from."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from adjax.errors import DivergedError, UserError
from adjax.inputs import Crops, Stream
from adjax.methods.stage import Method, Stage
from adjax.training.checkpoints import Checkpoints, latest_step
from adjax.training.execution import OF_MEMBERS, Execution
from adjax.training.programs import begin_state, init_state, snapshot
from adjax.training.stage_cache import StageCache


@dataclasses.dataclass(frozen=True)
class Members:
    """The members of a population, P in all.

    Attributes:
      settings: one dict per member: seed, normal class and dynamic hyper-parameters, plain values.
      arrays: seed and dynamic hyper-parameters, `[P]` on the devices.
      owners: for each member, the run whose record counts the cost of its training.

    """

    settings: list[dict[str, Any]]
    arrays: dict[str, jax.Array]
    owners: list[str]

    def __len__(self) -> int:
        return len(self.settings)

    @property
    def labels(self) -> list[str]:
        """A short name for each member."""
        keys = [k for k in self.settings[0] if len({m[k] for m in self.settings}) > 1]
        extra = [k for k in keys if k not in ("seed", "data.normal_class")]
        return [
            (f"class {m['data.normal_class']} " if m["data.normal_class"] != "" else "")
            + " ".join([f"seed {m['seed']}", *[f"{k}={m[k]}" for k in extra]])
            for m in self.settings
        ]


@dataclasses.dataclass(frozen=True)
class TrainingImages:
    """The images that the members of a population train on.

    Attributes:
      table: uint8 `[N, H, W, C]`, the whole data set, see `inputs.train_batches`.
      streams: for each member, its training rows and the seed of their order.
      validation_rows: held-out rows, one array per member; all empty if nothing is held out.
      crops: crops to train on, or None: whole images.
      on_device: whether batches are made on the device, see `device_inputs`.

    """

    table: Any
    streams: list[Stream]
    validation_rows: list[np.ndarray]
    crops: Crops | None = None
    on_device: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(H, W, C)` of an image that a network trains on."""
        if self.crops is not None:
            return self.crops.size, self.crops.size, self.table.shape[-1]
        return tuple(self.table.shape[1:])


@dataclasses.dataclass(frozen=True)
class Population:
    """Everything that the stages of a run share: P members, trained by one program per stage.

    Attributes:
      method: the method whose stages are trained.
      execution: devices and program form.
      members: the P members.
      images: their training images.
      folder: the run's folder, for checkpoints.
      content: a digest of the images, for the cache; empty if it is not known what they are.
      hashes: for each stage, one hash per member of everything that its result depends on.
      cache: finished stages of any run, by these hashes; None: train everything here.
      log_every: steps between log records.
      checkpoint_every: steps between validations and checkpoints; a multiple of `log_every`.
      checkpoint_minutes: after which a record is followed by a checkpoint, without validation.
      select: "last" or "best" (by validation loss): which variables a stage returns.
      steps_per_dispatch: updates in one call of the device; one, unless batches are made there.

    """

    method: Method
    execution: Execution
    members: Members
    images: TrainingImages
    folder: Path
    content: str
    hashes: dict[str, list[str]]
    cache: StageCache | None
    log_every: int
    checkpoint_every: int
    checkpoint_minutes: float
    select: str
    steps_per_dispatch: int = 1

    def check_finished(self) -> None:
        """Raise `UserError` unless every stage has its last checkpoint."""
        check_finished(self.method, self.folder)


def check_finished(method: Method, folder: Path) -> None:
    """Raise `UserError` unless every stage of a method has its last checkpoint in `folder`."""
    for stage in method.stages:
        directory, step = checkpoints_of(folder, stage.name), 0
        if directory.exists():
            with Checkpoints(directory) as checkpoints:
                step = checkpoints.latest_step() or 0
        if step < stage.steps:
            raise UserError(
                f"{folder}: stage {stage.name} stopped at step {step} of {stage.steps}; "
                "finish it with --mode=train"
            )


def is_finished(method: Method, folder: Path) -> bool:
    """Return whether every stage of a method has its last checkpoint in `folder`."""
    return all(
        latest_step(checkpoints_of(folder, stage.name)) >= stage.steps for stage in method.stages
    )


def has_begun(method: Method, folder: Path) -> bool:
    """Return whether a stage of a method has a checkpoint in `folder`."""
    return any(latest_step(checkpoints_of(folder, stage.name)) for stage in method.stages)


def checkpoints_of(folder: Path, stage: str) -> Path:
    """Return the folder of a stage's checkpoints, inside the run's folder."""
    return Path(folder) / "checkpoints" / stage


def selected(select: str, tree: dict) -> Any:
    """Return the variables that a stage passes on from its checkpoint tree."""
    return tree["best"] if select == "best" else tree["state"].variables


def initial_tree(population: Population, index: int, frozen: dict | None = None) -> dict:
    """Return the checkpoint tree of a stage before its first step; leaves `[P, ...]`.

    Without `frozen`, the variables of earlier stages, only the shapes are right if the stage starts
    from those variables.
    """
    stage, execution = population.method.stages[index], population.execution
    state = init_state(stage, index, execution, population.images.shape, population.members.arrays)
    if frozen is not None and isinstance(stage, Stage) and stage.begin is not None:
        # A copy: updates consume the state's buffers, but the earlier stages still need theirs.
        state = snapshot(begin_state(stage, execution, state, frozen))
    best_loss = np.full(len(population.members), np.inf, np.float32)
    best_loss = execution.put(best_loss, OF_MEMBERS)
    return {"state": state, "best": snapshot(state.variables), "best_loss": best_loss}


def tree_like(population: Population, index: int) -> dict:
    """Return shapes, dtypes and shardings of a stage's checkpoint tree."""
    sharding = population.execution.sharding(OF_MEMBERS)
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        jax.eval_shape(lambda: initial_tree(population, index)),
    )


def diverged(members: Members, failed: Sequence[dict], kept: int | None = None) -> DivergedError:
    """Return the error that names who diverged; `kept` is the step of the last checkpoint."""
    first, *others = failed
    return DivergedError(
        f"stage {first['stage']}, step {first['step']}, member {first['member']} "
        f"({members.labels[first['member']]}): {first['reason']}; "
        + (f"{len(others)} more members diverged; " if others else "")
        + (f"the checkpoint of step {kept} is kept" if kept else "no checkpoint yet")
        + "; lower the learning rate",
        list(failed),
    )
