"""Resampling of feature maps."""

import jax
import jax.numpy as jnp


def max_pool(x: jax.Array) -> jax.Array:
    """The largest of every 2 x 2 pixels: `[B, H, W, C]` -> `[B, H // 2, W // 2, C]`.

    Where pixels are equally large, the gradient is shared among them. Maxima of slices, because the
    gradient of a windowed maximum is slow on CPU.
    """
    height, width = (size - size % 2 for size in x.shape[1:3])
    x = jnp.maximum(x[:, 0:height:2], x[:, 1:height:2])
    return jnp.maximum(x[:, :, 0:width:2], x[:, :, 1:width:2])


def upsample_nearest(x: jax.Array, factor: int = 2) -> jax.Array:
    """Repeat every pixel `factor` times in height and width: `[B, H, W, C]` -> `[B, fH, fW, C]`."""
    b, h, w, c = x.shape
    x = jnp.broadcast_to(x[:, :, None, :, None, :], (b, h, factor, w, factor, c))
    return x.reshape(b, factor * h, factor * w, c)
