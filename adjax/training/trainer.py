"""What all stages of a run share, and what a stage of it starts from."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from adjax.errors import DivergedError, UserError
from adjax.inputs import Crops, Stream
from adjax.methods import Method, Stage
from adjax.training.checkpoints import Checkpoints
from adjax.training.execution import OF_MEMBERS, Execution
from adjax.training.programs import begin_state, init_state, snapshot
from adjax.training.stage_cache import StageCache


@dataclasses.dataclass(frozen=True)
class Trainer:
    """What all stages of a run share.

    Attributes:
      method: whose stages are trained.
      execution: devices and program form.
      members: seed and dynamic hyper-parameters, arrays `[P]` on the devices.
      settings: the same with the normal class, as plain numbers, one dict a member.
      image: uint8 `[N, H, W, C]`, all training images of the data set, see `inputs.train_batches`.
      streams: one a member: its training rows and the seed of their order.
      validation_rows: one array of rows a member; all empty if nothing is held out.
      log_every: steps between log records.
      checkpoint_every: steps between validations and checkpoints; a multiple of `log_every`.
      select: "last" or "best" (by validation loss): which variables a stage returns.
      workdir: where checkpoints go.
      stage_hashes: for each stage, one hash a member of all that its result depends on.
      cache: finished stages of any run, by these hashes; None: train everything here.
      owners: one a member: the run whose record counts the cost of its training.
      crops: what is cut out of the images to train on, or None: whole images.

    """

    method: Method
    execution: Execution
    members: dict[str, jax.Array]
    settings: list[dict[str, Any]]
    image: Any
    streams: list[Stream]
    validation_rows: list[np.ndarray]
    log_every: int
    checkpoint_every: int
    select: str
    workdir: Path
    stage_hashes: dict[str, list[str]]
    cache: StageCache | None
    owners: list[str]
    crops: Crops | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(H, W, C)` of what is trained on."""
        if self.crops is not None:
            return self.crops.size, self.crops.size, self.image.shape[-1]
        return tuple(self.image.shape[1:])

    @property
    def labels(self) -> list[str]:
        """One short name a member."""
        keys = [k for k in self.settings[0] if len({m[k] for m in self.settings}) > 1]
        extra = [k for k in keys if k not in ("seed", "data.normal_class")]
        return [
            " ".join(
                [
                    *([f"class {m['data.normal_class']}"] if m["data.normal_class"] != "" else []),
                    f"seed {m['seed']}",
                    *(f"{k}={m[k]}" for k in extra),
                ]
            )
            for m in self.settings
        ]

    def check_finished(self) -> None:
        """Raise `UserError` unless every stage has its last checkpoint."""
        check_finished(self.method, self.workdir)


def check_finished(method: Method, workdir: Path) -> None:
    """Raise `UserError` unless every stage of a method has its last checkpoint in `workdir`."""
    for stage in method.stages:
        directory = checkpoints_of(workdir, stage.name)
        step = Checkpoints(directory).latest_step() or 0 if directory.exists() else 0
        if step < stage.steps:
            raise UserError(
                f"{workdir}: stage {stage.name} stopped at step {step} of {stage.steps}; "
                "finish it with --mode=train"
            )


def checkpoints_of(workdir: Path, stage: str) -> Path:
    """The folder of a stage's checkpoints."""
    return Path(workdir) / "checkpoints" / stage


def selected(select: str, tree: dict) -> Any:
    """The variables in a checkpoint tree that a stage hands on."""
    return tree["best"] if select == "best" else tree["state"].variables


def initial_tree(trainer: Trainer, index: int, frozen: dict | None = None) -> dict:
    """What a checkpoint of a stage holds, before its first step; leaves `[P, ...]`.

    Without `frozen`, the variables of earlier stages, only shapes are right where a stage starts
    from them.
    """
    stage = trainer.method.stages[index]
    state = init_state(stage, index, trainer.execution, trainer.image_shape, trainer.members)
    if frozen is not None and isinstance(stage, Stage) and stage.begin is not None:
        # A copy, for updates are given the state's buffers, and earlier stages need theirs.
        state = snapshot(begin_state(stage, trainer.execution, state, frozen))
    best_loss = np.full(len(trainer.settings), np.inf, np.float32)
    best_loss = trainer.execution.put(best_loss, OF_MEMBERS)
    return {"state": state, "best": snapshot(state.variables), "best_loss": best_loss}


def tree_like(trainer: Trainer, index: int) -> dict:
    """Shapes, dtypes and shardings of what a checkpoint of a stage holds."""
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(
            x.shape, x.dtype, sharding=trainer.execution.sharding(OF_MEMBERS)
        ),
        jax.eval_shape(lambda: initial_tree(trainer, index)),
    )


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
