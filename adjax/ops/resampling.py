"""Resampling of feature maps."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def max_pool(x: jax.Array) -> jax.Array:
    """The largest of every 2 x 2 pixels: `[B, H, W, C]` -> `[B, H // 2, W // 2, C]`.

    Where pixels are equally large, the gradient goes to one of them. Choices among slices, because
    the gradient of a windowed maximum is slow on CPU. That of `jnp.maximum` halves where operands
    are equal; compiled in a loop, each operand's half is decided by values that are computed anew,
    which may differ in rounding: the halves then do not sum to one.
    """
    height, width = (size - size % 2 for size in x.shape[1:3])
    x = _larger(x[:, 0:height:2], x[:, 1:height:2])
    return _larger(x[:, :, 0:width:2], x[:, :, 1:width:2])


def _larger(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where(a >= b, a, b)


def upsample_nearest(x: jax.Array, factor: int = 2) -> jax.Array:
    """Repeat every pixel `factor` times in height and width: `[B, H, W, C]` -> `[B, fH, fW, C]`."""
    b, h, w, c = x.shape
    x = jnp.broadcast_to(x[:, :, None, :, None, :], (b, h, factor, w, factor, c))
    return x.reshape(b, factor * h, factor * w, c)


def upsample_bilinear(x: jax.Array) -> jax.Array:
    """Linear interpolation from corner to corner: `[B, H, W, C]` -> `[B, 2 H, 2 W, C]`.

    A product with a matrix along each axis, whose gradient is one too.
    """
    b, h, w, c = x.shape
    rows, columns = (jnp.asarray(_corner_to_corner(n), x.dtype) for n in (h, w))
    high = lax.Precision.HIGHEST
    x = jnp.einsum("ph,bhf->bpf", rows, x.reshape(b, h, w * c), precision=high)
    x = jnp.einsum("qw,fwc->fqc", columns, x.reshape(b * 2 * h, w, c), precision=high)
    return x.reshape(b, 2 * h, 2 * w, c)


def _corner_to_corner(size: int) -> np.ndarray:
    """Weights `[2 size, size]` of linear interpolation."""
    position = np.linspace(0, size - 1, 2 * size)
    return np.maximum(1 - np.abs(position[:, None] - np.arange(size)[None]), 0)
