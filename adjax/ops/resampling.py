"""Resampling of feature maps."""

import jax
import jax.numpy as jnp


def upsample_nearest(x: jax.Array, factor: int = 2) -> jax.Array:
    """Repeat every pixel `factor` times in height and width: `[B, H, W, C]` -> `[B, fH, fW, C]`."""
    b, h, w, c = x.shape
    x = jnp.broadcast_to(x[:, :, None, :, None, :], (b, h, factor, w, factor, c))
    return x.reshape(b, factor * h, factor * w, c)
