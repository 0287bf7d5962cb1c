"""The stage interface: what a method gives to a trainer that does not know it.

A stage is one optimisation. Its functions see one member of a population and one device's share of
the batch; they run where the mesh axis `data` exists and average over it.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

DATA_AXIS = "data"

Variables = dict[str, Any]
Frozen = dict[str, Variables]  # variables of earlier stages, by stage name
Batch = dict[str, jax.Array]
Member = dict[str, jax.Array]  # seed and dynamic hyper-parameters, scalars


@struct.dataclass
class TrainState:
    """State of one optimisation of one network."""

    step: jax.Array  # int32 []
    params: Any
    model_state: Any  # the other collections: batch statistics
    opt_state: Any

    @property
    def variables(self) -> Variables:
        """What `model.apply` takes."""
        return {"params": self.params, **self.model_state}


@dataclasses.dataclass(frozen=True)
class Stage:
    """One optimisation of a method.

    Attributes:
      name: names its checkpoints, its metrics and its section of the config.
      steps: number of updates.
      batch_size: normal images an update, over all devices.
      images_per_update: images that an update of one member sees, auxiliary ones included.
      auxiliary: name and parameters of the auxiliary images that the input pipeline makes, or None.
      sections: config sections that its result depends on, its own included, and words that are no
        sections where the config does not tell two stages of one name apart: their networks.
      init: `(key, image [1, H, W, C]) -> TrainState`.
      update: `(state, frozen, batch, key, member) -> (state, metrics)`; scalars, one of them
        `loss`. `batch` holds `image` and, if asked for, `auxiliary` and `corrupted`,
        `[B, H, W, C]`.
      validate: `(variables, frozen, image [B, H, W, C]) -> [B]`, the loss of unseen normal images.
      corruption: name and parameters of the corruption of normal images that the input pipeline
        makes, `corrupted` beside the clean `image`, or None.

    """

    name: str
    steps: int
    batch_size: int
    images_per_update: int
    auxiliary: tuple[str, dict[str, Any]] | None
    sections: tuple[str, ...]
    init: Callable[[jax.Array, jax.Array], TrainState]
    update: Callable[[TrainState, Frozen, Batch, jax.Array, Member], tuple[TrainState, dict]]
    validate: Callable[[Variables, Frozen, jax.Array], jax.Array]
    corruption: tuple[str, dict[str, Any]] | None = None


@dataclasses.dataclass(frozen=True)
class Method:
    """A system of the literature: its stages and its score.

    Attributes:
      name: as in the config and the tables.
      stages: in the order of training.
      score: `(variables by stage, image [B, H, W, C], key) -> Scores`. What it draws, all images of
        a batch share, so that an image scores the same whatever is beside it.
      image_scores: names of the image-level reductions that `score` returns.
      dynamic: config keys that may differ between the members of a population.

    """

    name: str
    stages: tuple[Stage, ...]
    score: Callable[[Frozen, jax.Array, jax.Array], "Scores"]
    image_scores: tuple[str, ...]
    dynamic: tuple[str, ...]


@struct.dataclass
class Scores:
    """What a method says about a batch of images; higher = more anomalous."""

    image_score: dict[str, jax.Array]  # reduction -> [B]
    anomaly_map: jax.Array  # [B, H, W]
    reconstruction: dict[str, jax.Array]  # label -> [B, H, W, C], for figures


def dynamic_keys(stage_name: str) -> tuple[str, ...]:
    """Config keys of a stage built by `init_with` and `minimise` that a member may set."""
    return f"{stage_name}.learning_rate", f"{stage_name}.weight_decay"


def learning_curve(schedule: str, steps: int) -> optax.Schedule:
    """The learning rate over the steps, as a part of its first value.

    Args:
      schedule: "cosine" (to zero over `steps`) or "constant".
      steps: number of updates.

    """
    curves = {
        "cosine": optax.cosine_decay_schedule(1.0, steps),
        "constant": optax.constant_schedule(1.0),
    }
    return curves[schedule]


def init_with(model, optimizer: optax.GradientTransformation):
    """`Stage.init` of a network trained by one optimiser."""

    def init(key: jax.Array, image: jax.Array) -> TrainState:
        model_state = dict(model.init(key, image))
        params = model_state.pop("params")
        return TrainState(jnp.zeros((), jnp.int32), params, model_state, optimizer.init(params))

    return init


def minimise(
    name: str,
    objective,
    optimizer: optax.GradientTransformation,
    curve: optax.Schedule,
):
    """`Stage.update` that descends the gradient of `objective`.

    Args:
      name: of the stage; its rates are `member[name + ".learning_rate"]` and `".weight_decay"`
        (decoupled, as in AdamW).
      objective: `(variables, frozen, batch, key, member) -> (loss, (metrics, model_state))` with a
        scalar loss, the mean over the device's share of the batch.
      optimizer: gives the direction of descent for a learning rate of one.
      curve: the learning rate over the steps, see `learning_curve`.

    """
    learning_rate, weight_decay = dynamic_keys(name)

    def update(state, frozen, batch, key, member):
        def loss_of(params):
            variables = {"params": params, **state.model_state}
            return objective(variables, frozen, batch, key, member)

        (loss, (metrics, model_state)), grads = jax.value_and_grad(loss_of, has_aux=True)(
            state.params
        )
        loss, metrics, model_state, grads = jax.lax.pmean(
            (loss, metrics, model_state, grads), DATA_AXIS
        )
        with jax.numpy_dtype_promotion("standard"):  # Optax raises floats to integer powers
            direction, opt_state = optimizer.update(grads, state.opt_state, state.params)
            rate = member[learning_rate] * curve(state.step)
        params = jax.tree.map(
            lambda p, u: p - rate * (u + member[weight_decay] * p), state.params, direction
        )
        metrics |= {
            "loss": loss,
            "grad_norm": optax.tree.norm(grads),
            "param_norm": optax.tree.norm(params),
        }
        return TrainState(state.step + 1, params, model_state, opt_state), metrics

    return update
