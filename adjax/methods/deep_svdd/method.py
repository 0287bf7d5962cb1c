"""Deep SVDD: Ruff et al., "Deep One-Class Classification", ICML 2018.

A network maps normal images into a sphere about a fixed centre c; what lands far from c is
anomalous. Objectives, with d = ||phi(x) - c||^2:

    one-class        mean d
    soft boundary    R^2 + mean max(0, d - R^2) / nu,   R the (1 - nu)-quantile of sqrt(d)

each plus weight decay. Four stages: the extremes of the normal images after contrast normalisation,
an autoencoder, the mean c of its encoder's codes, and the encoder itself, which starts from the
autoencoder's.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from adjax import losses
from adjax.methods.contrast import extremes, normalise
from adjax.methods.info import Sections
from adjax.methods.precision import in_training
from adjax.methods.stage import (
    DATA_AXIS,
    Fit,
    Frozen,
    Method,
    Stage,
    TrainState,
    Variables,
    dynamic_keys,
    learning_curve,
    network_stage,
    spread_scores,
)
from adjax.models.svdd_lenet import LeNet, LeNetAutoencoder

CONTRAST, AUTOENCODER, CENTRE, SVDD = "contrast", "svdd_autoencoder", "centre", "svdd"
DISTANCE = "distance"
_MARGIN = 0.1  # of the centre's coordinates
_ENCODER = "encoder"  # in the autoencoder
_RADIUS = "radius"  # collection that holds R
_IMAGES = 200  # at a time, in the stages that are fits


def deep_svdd(sections: Sections) -> Method:
    """Build Deep SVDD: score d, of the soft boundary d - R^2.

    It has no map of its own: every pixel has the image's score.
    """
    own = sections.svdd_autoencoder
    colour = own.network == "cifar10"
    common = own.widths, own.code_size, colour
    encoder = LeNet(*common, batch_axis=DATA_AXIS)
    autoencoder = LeNetAutoencoder(*common, normalise_code=colour, batch_axis=DATA_AXIS)
    soft = sections.svdd.objective == "soft_boundary"

    def score(variables, image, key):
        trained = variables[SVDD]
        distance = _distance(_code(encoder, trained, _scaled(variables, image)), variables)
        if soft:
            distance -= jnp.square(trained[_RADIUS]["value"])
        return spread_scores({DISTANCE: distance}, image)

    stages = (
        contrast_stage(),
        autoencoder_stage(sections, autoencoder),
        centre_stage(encoder),
        svdd_stage(sections, encoder),
    )
    dynamic = dynamic_keys(AUTOENCODER) + dynamic_keys(SVDD)
    return Method("deep_svdd", stages, score, (DISTANCE,), dynamic)


def contrast_stage() -> Fit:
    """Return the fit of a normal class's extremes after contrast normalisation."""

    def shapes(image_shape):
        return {name: jax.ShapeDtypeStruct((), jnp.float32) for name in ("low", "high")}

    def compute(images, frozen, member):
        low, high = extremes(images(_IMAGES))
        return {"low": np.float32(low), "high": np.float32(high)}

    return Fit(CONTRAST, ("data",), shapes, compute)


def autoencoder_stage(sections: Sections, model: LeNetAutoencoder) -> Stage:
    """Return the pre-training, by the squared error summed over a contrast-normalised image."""
    trained = in_training(model, sections.precision)

    def objective(variables, frozen, batch, key, member):
        image = _scaled(frozen, batch["image"])
        (reconstruction, _), model_state = trained.apply(
            variables, image, train=True, mutable=["batch_stats"]
        )
        return _squared_sum(image, reconstruction).mean(), ({}, model_state)

    def validate(variables, frozen, image):
        image = _scaled(frozen, image)
        return _squared_sum(image, model.apply(variables, image)[0])

    own, depends_on = sections.svdd_autoencoder, ("data", AUTOENCODER)
    return _stage(AUTOENCODER, own, model, objective, validate, depends_on)


def centre_stage(encoder: LeNet) -> Fit:
    """Return the fit of the mean of the pre-trained encoder's codes of the training images.

    Coordinates nearer to zero than 0.1 are moved to that, with their sign: zero weights map all
    images to zero.
    """

    @jax.jit
    def codes(frozen, image):
        return _code(encoder, _pre_trained(frozen), _scaled(frozen, image))

    def shapes(image_shape):
        return {"centre": jax.ShapeDtypeStruct((encoder.code_size,), jnp.float32)}

    def compute(images, frozen, member):
        total, count = np.zeros(encoder.code_size), 0
        for image in images(_IMAGES):
            total += np.asarray(codes(frozen, image), np.float64).sum(0)
            count += len(image)
        return {"centre": away_from_zero(total / count).astype(np.float32)}

    return Fit(CENTRE, ("data", AUTOENCODER), shapes, compute)


def away_from_zero(centre: np.ndarray) -> np.ndarray:
    """Move coordinates within 0.1 of zero to -0.1, or to 0.1 if they are not negative."""
    return np.where(np.abs(centre) < _MARGIN, np.where(centre < 0, -_MARGIN, _MARGIN), centre)


def svdd_stage(sections: Sections, encoder: LeNet) -> Stage:
    """Return the training of the encoder, from the pre-trained one, by `svdd.objective`."""
    own = sections.svdd
    trained = in_training(encoder, sections.precision)
    soft = own.objective == "soft_boundary"

    def loss(distance, variables):
        """Return the loss of each image `[B]`, without weight decay."""
        if not soft:
            return distance
        square = jnp.square(variables[_RADIUS]["value"])
        return square + jnp.maximum(distance - square, 0) / own.nu

    def objective(variables, frozen, batch, key, member):
        (code, _), model_state = trained.apply(
            variables, _scaled(frozen, batch["image"]), train=True, mutable=["batch_stats"]
        )
        distance = _distance(code, frozen)
        if soft:
            radius = batch_radius(distance, own.nu)
            model_state = {**model_state, _RADIUS: {"value": radius}}
        return loss(distance, variables).mean(), ({}, model_state)

    def validate(variables, frozen, image):
        code = _code(encoder, variables, _scaled(frozen, image))
        return loss(_distance(code, frozen), variables)

    def begin(state, frozen):
        start = dict(_pre_trained(frozen))
        params = start.pop("params")
        return state.replace(params=params, model_state={**state.model_state, **start})

    depends_on = ("data", AUTOENCODER, SVDD)
    stage = _stage(SVDD, own, encoder, objective, validate, depends_on, begin=begin)
    if not soft:
        return stage
    update = _keep_radius(stage.update, own.warm_up_steps)
    return dataclasses.replace(stage, init=_with_radius(stage.init), update=update)


def batch_radius(distance: jax.Array, nu: float) -> jax.Array:
    """Return R of the soft boundary, the (1 - nu)-quantile of sqrt(d) over all devices' batches.

    Args:
      distance: d of this device's images, `[B]`.
      nu: fraction of the images that may lie outside.

    """
    whole = lax.all_gather(lax.stop_gradient(distance), DATA_AXIS, tiled=True)
    return jnp.quantile(jnp.sqrt(whole), 1 - nu)


def _with_radius(init):
    """Return `Stage.init` with a radius of zero."""

    def with_radius(key: jax.Array, image: jax.Array) -> TrainState:
        state = init(key, image)
        radius = {"value": jnp.zeros((), jnp.float32)}
        return state.replace(model_state={**state.model_state, _RADIUS: radius})

    return with_radius


def _keep_radius(update, warm_up_steps: int):
    """Return `Stage.update` whose radius stays as it is while the encoder warms up."""

    def keeping(state, frozen, batch, key, member):
        new, metrics = update(state, frozen, batch, key, member)
        old_radius, radius = (s.model_state[_RADIUS]["value"] for s in (state, new))
        radius = jnp.where(state.step < warm_up_steps, old_radius, radius)
        model_state = {**new.model_state, _RADIUS: {"value": radius}}
        return new.replace(model_state=model_state), {**metrics, "radius": radius}

    return keeping


def _stage(name, own, model, objective, validate, depends_on, **others) -> Stage:
    """Return a training by Adam, whose weight decay is part of the gradient as in the paper."""
    return network_stage(
        name,
        own,
        model,
        objective,
        validate,
        depends_on,
        curve=learning_curve(own.schedule, own.steps, own.milestones),
        decoupled=False,
        **others,
    )


def _scaled(frozen: Frozen, image: jax.Array) -> jax.Array:
    """Return images as the networks see them: contrast normalised, training images in [0, 1]."""
    return normalise(image, **frozen[CONTRAST]["params"])


def _pre_trained(frozen: Frozen) -> Variables:
    """Return the autoencoder's encoder as variables of a `LeNet`."""
    return {collection: tree[_ENCODER] for collection, tree in frozen[AUTOENCODER].items()}


def _code(encoder: LeNet, variables: Variables, image: jax.Array) -> jax.Array:
    variables = {name: variables[name] for name in ("params", "batch_stats")}
    return encoder.apply(variables, image)[0]


def _distance(code: jax.Array, frozen: Frozen) -> jax.Array:
    """Return ||code - c||^2 of codes `[B, code_size]`: `[B]`."""
    return jnp.square(code - frozen[CENTRE]["params"]["centre"][None]).sum(-1)


def _squared_sum(a: jax.Array, b: jax.Array) -> jax.Array:
    """Sum the squared error over pixels and channels: `[B, H, W, C]` twice -> `[B]`."""
    return losses.squared_error(a, b).sum((1, 2, 3))
