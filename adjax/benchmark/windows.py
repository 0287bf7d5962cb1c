"""SSIM as commonly written, which `adjax.losses.ssim` is measured against.

Five local means, each a depthwise convolution by the whole 11 x 11 window.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

WINDOW, SIGMA = 11, 1.5


def dssim_by_windows(a: jax.Array, b: jax.Array) -> jax.Array:
    """`adjax.losses.dssim` of images `[B, H, W, C]`: `[B, H - 10, W - 10, C]`."""
    mean_a, mean_b = _local_mean(a), _local_mean(b)
    variance_a = _local_mean(a * a) - mean_a**2
    variance_b = _local_mean(b * b) - mean_b**2
    covariance = _local_mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return (1 - luminance * (2 * covariance + c2) / (variance_a + variance_b + c2)) / 2


def _local_mean(x: jax.Array) -> jax.Array:
    offset = np.arange(WINDOW) - WINDOW // 2
    weight = np.exp(-(offset**2) / (2 * SIGMA**2))
    weight /= weight.sum()
    kernel = np.float32(np.outer(weight, weight))[:, :, None, None]
    channels = x.shape[-1]
    return lax.conv_general_dilated(
        x,
        jnp.tile(kernel, channels),
        (1, 1),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=channels,
    )
