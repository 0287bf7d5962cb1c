"""Global contrast normalisation by the L1 norm, for Deep SVDD and its baselines.

As in Ruff et al., "Deep One-Class Classification", ICML 2018, and its code: an image's mean is
subtracted from it, the rest is divided by its mean absolute value, and the result is mapped to
[0, 1] by the extremes of the training images of the normal class. Test images may leave [0, 1].
"""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np

_PIXELS = (-3, -2, -1)


def l1_contrast(image: jax.Array | np.ndarray) -> jax.Array:
    """Return (x - mean(x)) / mean|x - mean(x)|, means over all pixels and channels of an image.

    Args:
      image: float32 `[..., H, W, C]`.

    Returns:
      The same shape; mean 0 and mean absolute value 1. An image of one colour becomes zeros.

    """
    image = jnp.asarray(image)
    centred = image - image.mean(_PIXELS, keepdims=True)
    scale = jnp.abs(centred).mean(_PIXELS, keepdims=True)
    # A constant image is not exactly its mean in float32: rounding is not to be blown up.
    constant = image.max(_PIXELS, keepdims=True) == image.min(_PIXELS, keepdims=True)
    return jnp.where(constant, 0.0, centred / jnp.where(constant, 1.0, scale))


def extremes(images: Iterable[np.ndarray]) -> tuple[np.float32, np.float32]:
    """Return the least and the greatest value of a normal class's contrast-normalised images.

    Args:
      images: batches float32 `[n, H, W, C]` of any n, read once, as a `Fit` has them.

    Returns:
      `(low, high)`. `high` is above `low` even if no image has any contrast, so that their
      difference can be divided by.

    Raises:
      ValueError: if there are no images.

    """
    lows, highs = [], []
    for batch in images:
        contrast = l1_contrast(batch)
        lows.append(np.float32(contrast.min()))
        highs.append(np.float32(contrast.max()))
    if not lows:
        raise ValueError("there are no images")
    low, high = min(lows), max(highs)
    return low, high if high > low else low + np.float32(1)


def normalise(image: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    """Map `l1_contrast` to [0, 1] by the extremes of the training images.

    Args:
      image: float32 `[..., H, W, C]`.
      low: float32 `[]`, as `extremes` returns it.
      high: float32 `[]`.

    Returns:
      The same shape.

    """
    return (l1_contrast(image) - low) / (high - low)
