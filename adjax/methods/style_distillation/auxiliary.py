"""The auxiliary sets that take the teacher.

They are made inside the compiled step, from the batch's normal images and the frozen teacher; the
others are image functions of the input pipeline, see `adjax.corruptions`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Reconstruct = Callable[[jax.Array], jax.Array]  # the teacher, [B, H, W, C] -> the same
Distance = Callable[[jax.Array, jax.Array], jax.Array]  # d, [B, H, W, C] twice -> [B]


def adversarial_noise(
    image: jax.Array, reconstruct: Reconstruct, distance: Distance, *, eps: float
) -> jax.Array:
    """Change every value of an image by `eps` to where the teacher reconstructs it worse; clipped.

    The fast gradient sign method (Goodfellow et al. 2015) on d(x, f_AE(x)).
    """

    def error(image):
        return distance(image, reconstruct(image)).sum()  # of independent images

    return jnp.clip(image + eps * jnp.sign(jax.grad(error)(image)), 0, 1)


def reconstruction(image: jax.Array, reconstruct: Reconstruct, distance: Distance) -> jax.Array:
    """Return the teacher's reconstruction of an image."""
    return reconstruct(image)


def auxiliary_images(
    exposure: tuple[str, dict[str, Any]],
    batch: dict[str, jax.Array],
    reconstruct: Reconstruct,
    distance: Distance,
) -> jax.Array:
    """Return a batch's auxiliary images `[B, H, W, C]`, made here or by the input pipeline."""
    name, parameters = exposure
    if name in MADE_IN_STEP:
        return MADE_IN_STEP[name](batch["image"], reconstruct, distance, **parameters)
    return batch["auxiliary"]


MADE_IN_STEP = {"adversarial_noise": adversarial_noise, "reconstruction": reconstruction}
