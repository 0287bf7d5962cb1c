"""Resampling of feature maps."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def max_pool(x: jax.Array) -> jax.Array:
    """Return the maximum of every 2 x 2 pixels: `[B, H, W, C]` -> `[B, H // 2, W // 2, C]`.

    Of equal pixels one gets the gradient. It selects between slices because the gradient of a
    windowed maximum is slow on CPU, and that of `jnp.maximum` is halved between equal operands:
    compiled in a loop, each half is decided by recomputed values, which may differ in rounding, so
    the halves need not sum to one.
    """
    height, width = (size - size % 2 for size in x.shape[1:3])
    x = _larger(x[:, 0:height:2], x[:, 1:height:2])
    return _larger(x[:, :, 0:width:2], x[:, :, 1:width:2])


def _larger(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where(a >= b, a, b)


def space_to_depth(x: jax.Array) -> jax.Array:
    """Turn every 2 x 2 pixels into channels of one: `[B, 2 H, 2 W, C]` -> `[B, H, W, 4 C]`."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, h // 2, w // 2, 4 * c)


def depth_to_space(x: jax.Array) -> jax.Array:
    """Undo `space_to_depth`: `[B, H, W, 4 C]` -> `[B, 2 H, 2 W, C]`."""
    b, h, w, c = x.shape
    x = x.reshape(b, h, w, 2, 2, c // 4).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, 2 * h, 2 * w, c // 4)


def upsample_nearest(x: jax.Array, factor: int = 2) -> jax.Array:
    """Repeat every pixel `factor` times in height and width: `[B, H, W, C]` -> `[B, fH, fW, C]`."""
    b, h, w, c = x.shape
    x = jnp.broadcast_to(x[:, :, None, :, None, :], (b, h, factor, w, factor, c))
    return x.reshape(b, factor * h, factor * w, c)


def upsample_bilinear(x: jax.Array) -> jax.Array:
    """Interpolate linearly from corner to corner: `[B, H, W, C]` -> `[B, 2 H, 2 W, C]`.

    It is a matrix product along each axis, and so is its gradient.
    """
    b, h, w, c = x.shape
    rows, columns = (jnp.asarray(_corner_to_corner(n), x.dtype) for n in (h, w))
    high = lax.Precision.HIGHEST
    x = jnp.einsum("ph,bhf->bpf", rows, x.reshape(b, h, w * c), precision=high)
    x = jnp.einsum("qw,fwc->fqc", columns, x.reshape(b * 2 * h, w, c), precision=high)
    return x.reshape(b, 2 * h, 2 * w, c)


def _corner_to_corner(size: int) -> np.ndarray:
    """Return the weights `[2 size, size]` of linear interpolation."""
    position = np.linspace(0, size - 1, 2 * size)
    return np.maximum(1 - np.abs(position[:, None] - np.arange(size)[None]), 0)
