"""ITAE, later ARNet: Huang et al., "Attribute Restoration Framework for Anomaly Detection" (arXiv
1911.10676).

A network restores normal images of which attributes were erased, here the colour and the
orientation: it is given the mean of the channels, turned by a multiple of 90 degrees, and must give
the image. What it has to know to do so it knows of normal images only. An image's score is its
error of restoration (L1) after each of the four rotations, divided by the mean error of the normal
training images after that rotation, averaged over rotations.

Restored images lie as the image does, so errors of different rotations are of the same pixels.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from adjax import losses
from adjax.methods.adversarial import to_signed, to_unit
from adjax.methods.info import Sections
from adjax.methods.precision import in_training
from adjax.methods.reconstruction import NORMS, map_scores
from adjax.methods.stage import (
    DATA_AXIS,
    Fit,
    Method,
    Stage,
    drawn_share,
    dynamic_keys,
    network_stage,
)
from adjax.models.itae_unet import ITAEUNet

STAGE = "itae"
NORMALISATION = "normalisation"
ROTATIONS = 4
_AT_ONCE = 16  # training images whose errors are computed together


def itae(sections: Sections) -> Method:
    """Build ITAE: map the normalised error; its mean, `l1`, is the published score."""
    model = ITAEUNet(sections.itae.widths, batch_axis=DATA_AXIS)

    def errors(variables, image):
        """Return absolute errors after each rotation `[4, B, H, W]`, and the restored images."""
        target = to_signed(image)
        restored = lax.map(lambda x: model.apply(variables, x)[0], rotations(target))
        return losses.absolute_error(target[None], restored).mean(-1), restored

    measure = jax.jit(lambda variables, image: errors(variables, image)[0].mean((2, 3)))

    def compute(images, frozen, member):
        total, count = np.zeros(ROTATIONS), 0
        for batch in images(_AT_ONCE):
            full = np.concatenate([batch, np.repeat(batch[:1], _AT_ONCE - len(batch), 0)])
            error = np.asarray(measure(frozen[STAGE], full), np.float64)
            total, count = total + error[:, : len(batch)].sum(1), count + len(batch)
        return {"mean_error": (total / count).astype(np.float32)}

    def score(variables, image, key):
        error, restored = errors(variables[STAGE], image)
        normal = variables[NORMALISATION]["params"]["mean_error"]
        anomaly_map = (error / normal.reshape(-1, 1, 1, 1)).mean(0)
        return map_scores(anomaly_map, {"ITAE": to_unit(restored[0])})

    shapes = {"mean_error": jax.ShapeDtypeStruct((ROTATIONS,), jnp.float32)}
    stage = _stage(sections, model)
    normalisation = Fit(NORMALISATION, stage.depends_on, lambda _: shapes, compute)
    return Method("itae", (stage, normalisation), score, NORMS, dynamic_keys(STAGE))


def _stage(sections: Sections, model: ITAEUNet) -> Stage:
    own = sections.itae
    trained = in_training(model, sections.precision)
    optimizer = {"sgd": optax.identity, "adam": optax.scale_by_adam}[own.optimizer]()

    def objective(variables, frozen, batch, key, member):
        target = to_signed(batch["image"])
        mirrors, turns = jax.random.split(key)
        if own.mirror:
            is_mirrored = _below(2, mirrors, len(target)).reshape(-1, 1, 1, 1)
            target = jnp.where(is_mirrored == 1, target[:, :, ::-1], target)
        turned = turn(target, _below(ROTATIONS, turns, len(target)))
        (restored, _), model_state = trained.apply(
            variables, turned, train=True, mutable=["batch_stats"]
        )
        return losses.mean_squared_error(target, restored).mean(), ({}, model_state)

    def validate(variables, frozen, image):
        target = to_signed(image)

        def loss(turned):
            return losses.mean_squared_error(target, model.apply(variables, turned)[0])

        return lax.map(loss, rotations(target)).mean(0)

    return network_stage(
        STAGE, own, model, objective, validate, ("data", STAGE), optimizer=optimizer
    )


def rotations(image: jax.Array) -> jax.Array:
    """Turn images `[B, N, N, C]` by 0, 90, 180 and 270 degrees: `[4, B, N, N, C]`.

    Raises:
      ValueError: if they are not square.

    """
    if image.shape[1] != image.shape[2]:
        raise ValueError(f"images of {image.shape[1:3]} are not square: ITAE turns them")
    return jnp.stack([jnp.rot90(image, quarters, (1, 2)) for quarters in range(ROTATIONS)])


def turn(image: jax.Array, quarters: jax.Array) -> jax.Array:
    """Turn images `[B, N, N, C]`, each by its own number of right angles, int `[B]`."""
    return rotations(image)[quarters, jnp.arange(len(image))]


def _below(number: int, key: jax.Array, images: int) -> jax.Array:
    """Draw integers from 0 to below `number`, one for each image of this device."""
    return drawn_share(partial(jax.random.randint, minval=0, maxval=number), key, (images,))
