"""Depthwise convolution: every channel has a kernel of its own."""

import jax
import jax.numpy as jnp
from jax import lax


def depthwise(x: jax.Array, w: jax.Array, strides: tuple[int, int] = (1, 1)) -> jax.Array:
    """Convolve (correlate) each channel by its own kernel, with padding "SAME".

    Args:
      x: `[B, H, W, C]`.
      w: kernel `[kh, kw, 1, C]`, same dtype as `x`.
      strides: `(sh, sw)`.

    Returns:
      `[B, ceil(H / sh), ceil(W / sw), C]`.

    """

    def default(x, w):
        return lax.conv_general_dilated(
            x,
            w,
            strides,
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=x.shape[-1],
        )

    def cpu(x, w):
        return _by_shifts(x, w, strides)

    return lax.platform_dependent(x, w, cpu=cpu, default=default)


def _by_shifts(x, w, strides):
    """Sum the shifted image over taps: XLA's CPU backend has no fast kernel for groups."""
    size, taps = x.shape[1:3], w.shape[:2]
    (top, bottom), (left, right) = lax.padtype_to_pads(size, taps, strides, "SAME")
    x = jnp.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    rows, columns = (-(-n // s) for n, s in zip(size, strides, strict=True))
    total = 0.0
    for i in range(taps[0]):
        for j in range(taps[1]):
            last = i + (rows - 1) * strides[0] + 1, j + (columns - 1) * strides[1] + 1
            part = x[:, i : last[0] : strides[0], j : last[1] : strides[1]]
            total = total + part * w[i : i + 1, j : j + 1]
    return total
