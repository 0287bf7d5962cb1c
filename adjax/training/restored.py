"""Variables of a finished run from its checkpoints alone: no data, any devices."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from adjax.methods.stage import Fit, Method, Stage
from adjax.training.checkpoints import Checkpoints
from adjax.training.population import check_finished, checkpoints_of, selected


def restored_variables(
    method: Method, folder: Path, image_shape: tuple[int, int, int], members: int, select: str
) -> dict[str, Any]:
    """Restore the variables of all stages, by stage name, leaves `[P, ...]` on the first device.

    Args:
      method: the run's method.
      folder: the run's folder.
      image_shape: `(H, W, C)` of the images that it was trained on.
      members: number of members, P.
      select: "last" or "best", as in training.

    Raises:
      UserError: if a stage is not finished or its checkpoint is damaged.

    """
    check_finished(method, folder)
    variables = {}
    for stage in method.stages:
        with Checkpoints(checkpoints_of(folder, stage.name)) as checkpoints:
            tree, _ = checkpoints.restore(_tree_like(stage, image_shape, members))
        variables[stage.name] = selected(select, tree)
    return variables


def _tree_like(stage: Stage | Fit, image_shape: tuple[int, int, int], members: int) -> dict:
    """Return shapes and dtypes of a checkpoint tree on one device, see `population.tree_like`."""
    sharding = SingleDeviceSharding(jax.devices()[0])
    image = jax.ShapeDtypeStruct((1, *image_shape), np.float32)
    state = jax.eval_shape(stage.init, jax.random.key(0), image)
    loss = jax.ShapeDtypeStruct((), np.float32)
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((members, *x.shape), x.dtype, sharding=sharding),
        {"state": state, "best": state.variables, "best_loss": loss},
    )
