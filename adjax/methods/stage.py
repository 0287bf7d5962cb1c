"""The stage interface, through which a trainer trains methods that it does not know.

A stage is one optimisation. Its functions see one member of a population and one device's share of
the batch; they run where the mesh axis `data` exists and average over it. A stage that descends no
gradient (a kernel machine, a dictionary, a constant of the training images) is a `Fit`.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

DATA_AXIS = "data"

Variables = dict[str, Any]
Frozen = dict[str, Variables]  # variables of earlier stages, by stage name
Batch = dict[str, jax.Array]
Member = dict[str, jax.Array]  # seed and dynamic hyper-parameters, scalars
# All training images of a member once, in order: size -> float32 [<= size, H, W, C], ...
Images = Callable[[int], Iterator[np.ndarray]]


@struct.dataclass
class TrainState:
    """State of one optimisation of one network."""

    step: jax.Array  # int32 []
    params: Any
    model_state: Any  # the other collections: batch statistics
    opt_state: Any

    @property
    def variables(self) -> Variables:
        """Return what `model.apply` takes."""
        return {"params": self.params, **self.model_state}


@dataclasses.dataclass(frozen=True)
class Limit:
    """A value below which no metric of a healthy training falls; a member that does is left behind.

    Attributes:
      metric: one that the update returns; its mean over the steps of a log record counts.
      least: the limit.
      after: the step from which on it holds.
      meaning: what has happened to a member that is below.

    """

    metric: str
    least: float
    after: int
    meaning: str


@dataclasses.dataclass(frozen=True)
class Stage:
    """One optimisation of a method.

    Attributes:
      name: names its checkpoints, its metrics and its section of the config.
      steps: number of updates.
      batch_size: normal images an update, over all devices.
      images_per_update: images that an update of one member sees, auxiliary ones included.
      depends_on: config sections that its result depends on, its own included, and "network=NAME"
        where the config does not tell two stages of one name apart.
      init: `(key, image [1, H, W, C]) -> TrainState`.
      update: `(state, frozen, batch, key, member) -> (state, metrics)`; scalars, one of them
        `loss`. `batch` holds `image` and, if asked for, `auxiliary` and `corrupted`,
        `[B, H, W, C]`.
      validate: `(variables, frozen, image [B, H, W, C]) -> [B]`, the loss of unseen normal images.
      auxiliary: name and parameters of the auxiliary images that the input pipeline makes, or None.
      corruption: name and parameters of the corruption of normal images that the input pipeline
        makes, `corrupted` beside the clean `image`, or None.
      limits: a member that falls below one has collapsed, though its numbers are finite.
      begin: `(state, frozen) -> state` of the same shapes: makes what `init` gave start from
        variables of earlier stages. None: it starts as it is.

    """

    name: str
    steps: int
    batch_size: int
    images_per_update: int
    depends_on: tuple[str, ...]
    init: Callable[[jax.Array, jax.Array], TrainState]
    update: Callable[[TrainState, Frozen, Batch, jax.Array, Member], tuple[TrainState, dict]]
    validate: Callable[[Variables, Frozen, jax.Array], jax.Array]
    auxiliary: tuple[str, dict[str, Any]] | None = None
    corruption: tuple[str, dict[str, Any]] | None = None
    limits: tuple[Limit, ...] = ()
    begin: Callable[[TrainState, Frozen], TrainState] | None = None


@dataclasses.dataclass(frozen=True)
class Fit:
    """A stage computed from all training images of a member at once, by the whole machine.

    Attributes:
      name: names its checkpoint and its section of the config, if it has one.
      depends_on: see `Stage`.
      shapes: `(H, W, C) -> params`, a tree of `jax.ShapeDtypeStruct` for what `compute` returns.
      compute: `(images, frozen, member) -> params`. Later stages and the score see the result as
        `{"params": params}`. `frozen` holds the member's own variables of earlier stages,
        `member` its seed, normal class and hyper-parameters, as plain numbers.

    """

    name: str
    depends_on: tuple[str, ...]
    shapes: Callable[[tuple[int, int, int]], Any]
    compute: Callable[[Images, Frozen, dict[str, Any]], Any]
    steps: ClassVar[int] = 1

    def init(self, key: jax.Array, image: jax.Array) -> TrainState:
        """Return zeros in place of what is not computed yet."""
        params = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), self.shapes(image.shape[1:]))
        return TrainState(jnp.zeros((), jnp.int32), params, {}, ())


@dataclasses.dataclass(frozen=True)
class Method:
    """A system of the literature: its stages and its score.

    Attributes:
      name: that of its declaration.
      stages: in the order of training.
      score: `(variables by stage, image [B, H, W, C], key) -> Scores`. All images of a batch share
        what it draws, so that an image scores the same whatever is beside it.
      image_scores: names of the image-level reductions that `score` returns.
      dynamic: config keys that may differ between the members of a population.
      oracle: whether `config.image_score = "oracle"` may ask for the image score that is best by
        labels of test images, see `adjax.evaluation.oracle`.

    """

    name: str
    stages: tuple[Stage | Fit, ...]
    score: Callable[[Frozen, jax.Array, jax.Array], "Scores"]
    image_scores: tuple[str, ...]
    dynamic: tuple[str, ...]
    oracle: bool = False


@struct.dataclass
class Scores:
    """A method's scores of a batch of images; higher = more anomalous."""

    image_score: dict[str, jax.Array]  # reduction -> [B]
    anomaly_map: jax.Array  # [B, H, W]
    reconstruction: dict[str, jax.Array]  # label -> [B, H, W, C], for figures


def spread_scores(image_score: dict[str, jax.Array], image: jax.Array) -> Scores:
    """Return scores of a method that has no map of its own: every pixel has the image's score.

    Args:
      image_score: `[B]` each, by name; the map is their mean.
      image: `[B, H, W, C]`.

    """
    mean = sum(image_score.values()) / len(image_score)
    return Scores(image_score, jnp.broadcast_to(mean[:, None, None], image.shape[:3]), {})


def dynamic_keys(stage_name: str) -> tuple[str, ...]:
    """Return the config keys of a network's stage in which members may differ."""
    return f"{stage_name}.learning_rate", f"{stage_name}.weight_decay"


def learning_curve(schedule: str, steps: int, milestones: Sequence[int] = ()) -> optax.Schedule:
    """Return the learning rate over the steps, as a fraction of its first value.

    Args:
      schedule: "cosine" (to zero over `steps`), "one_cycle" (from 1/25 up in the first 30 % of
        the steps, then down to almost zero), "constant", "step", or "halving", after every tenth
        of the steps.
      steps: number of updates.
      milestones: for "step": the numbers of updates after which it is a tenth of what it was.

    """

    def step(done):
        return jnp.where(done < jnp.asarray(milestones, jnp.int32), 1.0, 0.1).prod()

    curves = {
        "cosine": optax.cosine_decay_schedule(1.0, steps),
        "one_cycle": optax.cosine_onecycle_schedule(steps, 1.0),
        "constant": optax.constant_schedule(1.0),
        "step": step,
        "halving": lambda step: 0.5 ** (10 * step // steps),
    }
    curve = curves[schedule]

    def at(step: jax.Array) -> jax.Array:
        with jax.numpy_dtype_promotion("standard"):  # Optax divides integer steps
            return curve(step)

    return at


def network_stage(
    name: str,
    own,
    model,
    objective,
    validate,
    depends_on: tuple[str, ...],
    *,
    optimizer: optax.GradientTransformation | None = None,
    curve: optax.Schedule | None = None,
    decoupled: bool = True,
    **others,
) -> Stage:
    """Return the training of one network by one optimiser.

    Args:
      name: the stage's and its section's.
      own: that section.
      model: as validated and scored.
      objective: see `minimise`.
      validate: see `Stage`.
      depends_on: see `Stage`.
      optimizer: gives the direction of descent for a learning rate of one; None: Adam.
      curve: the learning rate over the steps; None: by the section's `schedule`.
      decoupled: how weights decay, see `descend`.
      **others: attributes of `Stage` that are not its defaults.

    """
    optimizer = optimizer or optax.scale_by_adam()
    curve = curve or learning_curve(own.schedule, own.steps)
    others = {"images_per_update": own.batch_size} | others
    return Stage(
        name=name,
        steps=own.steps,
        batch_size=own.batch_size,
        depends_on=depends_on,
        init=init_with(model, optimizer),
        update=minimise(name, objective, optimizer, curve, decoupled),
        validate=validate,
        **others,
    )


def init_with(model, optimizer: optax.GradientTransformation):
    """Return `Stage.init` of a network trained by one optimiser."""

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
    decoupled: bool = True,
):
    """Return `Stage.update` that descends the gradient of `objective`.

    Args:
      name: the stage's; its rates are `member[name + ".learning_rate"]` and `".weight_decay"`.
      objective: `(variables, frozen, batch, key, member) -> (loss, (metrics, model_state))` with a
        scalar loss, the mean over the device's share of the batch.
      optimizer: gives the direction of descent for a learning rate of one.
      curve: the learning rate over the steps, see `learning_curve`.
      decoupled: how weights decay, see `descend`.

    """
    learning_rate, weight_decay = dynamic_keys(name)

    def update(state, frozen, batch, key, member):
        def loss_of(params):
            variables = {"params": params, **state.model_state}
            return objective(variables, frozen, batch, key, member)

        rate = member[learning_rate] * curve(state.step)
        params, opt_state, (loss, (metrics, model_state)), grad_norm = descend(
            loss_of,
            state.params,
            optimizer,
            state.opt_state,
            rate,
            member[weight_decay],
            decoupled,
        )
        metrics |= {"loss": loss, "grad_norm": grad_norm, "param_norm": norm(params)}
        return TrainState(state.step + 1, params, model_state, opt_state), metrics

    return update


def descend(
    objective,
    params: Any,
    optimizer: optax.GradientTransformation,
    opt_state: Any,
    rate: jax.Array | float,
    weight_decay: jax.Array | float = 0.0,
    decoupled: bool = True,
) -> tuple[Any, Any, Any, jax.Array]:
    """Take one step down the gradient of a loss, the mean over all devices that share the batch.

    Args:
      objective: `params -> (loss, others)`; their means over devices are returned.
      params: the parameters that move.
      optimizer: gives the direction of descent for a learning rate of one.
      opt_state: its state.
      rate: the learning rate.
      weight_decay: rate at which weights decay to zero.
      decoupled: weights decay beside the optimiser's direction, as in AdamW; else the gradient that
        the optimiser is given has that of `weight_decay / 2` times the squared norm of all weights.

    Returns:
      `(params, opt_state, (loss, others), norm of the gradient)`.

    """
    value, grads = jax.value_and_grad(objective, has_aux=True)(params)
    value, grads = jax.lax.pmean((value, grads), DATA_AXIS)
    if not decoupled:
        grads = jax.tree.map(lambda g, p: g + weight_decay * p, grads, params)
        weight_decay = 0.0
    with jax.numpy_dtype_promotion("standard"):  # Optax raises floats to integer powers
        direction, opt_state = optimizer.update(grads, opt_state, params)
    params = jax.tree.map(lambda p, u: p - rate * (u + weight_decay * p), params, direction)
    return params, opt_state, value, norm(grads)


def norm(tree: Any) -> jax.Array:
    """Return the root of the sum of the squares of all numbers in a tree, `[]`.

    Every step has two of them, for its record and to find what is not finite. An accelerator would
    start a kernel for each leaf, which takes longer than the sum: there all leaves are joined
    before.
    """

    def joined(tree):
        return jnp.linalg.norm(jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(tree)]))

    return jax.lax.platform_dependent(tree, cpu=optax.tree.norm, default=joined)


def drawn_share(
    draw: Callable[[jax.Array, tuple[int, ...]], jax.Array], key: jax.Array, shape: tuple[int, ...]
) -> jax.Array:
    """Draw a device's share of a batch: the same numbers as on one device.

    Args:
      draw: `(key, shape) -> array`, as `jax.random.normal`.
      key: the same on all devices that share the batch.
      shape: the share's, its images first.

    """
    images = shape[0]
    whole = draw(key, (jax.lax.axis_size(DATA_AXIS) * images, *shape[1:]))
    return jax.lax.dynamic_slice_in_dim(whole, jax.lax.axis_index(DATA_AXIS) * images, images)
