"""Distances between images.

Everything here is a pure function of float32 images `[B, H, W, C]` in [0, 1]; the caller reduces.
The SSIM follows Wang et al. 2004 (Gaussian window 11 x 11, sigma 1.5, C1 = 0.01^2, C2 = 0.03^2),
equal to `tf.image.ssim` and to scikit-image with `gaussian_weights=True` (which mirrors an image at
its borders with the edge pixel repeated; "same" here mirrors it without).
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def squared_error(a: jax.Array, b: jax.Array) -> jax.Array:
    """Elementwise `(a - b)^2`, any shape."""
    return jnp.square(a - b)


def absolute_error(a: jax.Array, b: jax.Array) -> jax.Array:
    """Elementwise `|a - b|`, any shape."""
    return jnp.abs(a - b)


def ssim(
    a: jax.Array, b: jax.Array, *, window: int = 11, sigma: float = 1.5, padding: str = "valid"
) -> jax.Array:
    """Return the structural similarity at every window position and channel.

    Args:
      a: `[B, H, W, C]` in [0, 1].
      b: the same shape.
      window: width of the Gaussian window, odd.
      sigma: its standard deviation in pixels.
      padding: "valid": only windows inside the image; "same": images mirrored at their borders,
        the edge pixel not repeated.

    Returns:
      `[B, H - window + 1, W - window + 1, C]` for "valid", `[B, H, W, C]` for "same"; in [-1, 1].

    Raises:
      ValueError: if shapes differ, or an image (for "same" the mirrored one) is smaller than the
        window.

    """
    if a.shape != b.shape:
        raise ValueError(f"ssim needs images of one shape, got {a.shape} and {b.shape}")
    if padding == "same":
        half = window // 2
        a, b = (jnp.pad(x, ((0, 0), (half, half), (half, half), (0, 0)), "reflect") for x in (a, b))
    elif padding != "valid":
        raise ValueError(f"padding must be 'valid' or 'same', got {padding!r}")
    if min(a.shape[1:3]) < window:
        raise ValueError(f"an image of {a.shape[1:3]} is smaller than the {window} px SSIM window")
    # Variances are differences of squares and independent of the level: subtract it first.
    level_a, level_b = (lax.stop_gradient(x.mean((1, 2), keepdims=True)) for x in (a, b))
    a, b = a - level_a, b - level_b
    # Only the sum of the two variances enters SSIM, so four local means suffice instead of five.
    means = _local_mean(jnp.concatenate([a, b, a * b, a * a + b * b]), window, sigma)
    mean_a, mean_b, product, squares = jnp.split(means, 4)
    covariance = product - mean_a * mean_b
    variances = squares - mean_a**2 - mean_b**2
    mean_a, mean_b = mean_a + level_a, mean_b + level_b
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance * (2 * covariance + c2) / (variances + c2)


def dssim(a: jax.Array, b: jax.Array, **ssim_options: Any) -> jax.Array:
    """Return the dissimilarity `(1 - SSIM) / 2`, in [0, 1]; arguments and shapes as in `ssim`."""
    return (1 - ssim(a, b, **ssim_options)) / 2


@dataclasses.dataclass(frozen=True)
class Distance:
    """The composite distance of style distillation, d = DSSIM + mean squared displacement.

    The paper (Chung et al. 2020) names the two terms; their weights, the window and the reduction
    (means over positions and channels) are our defaults.
    """

    window: int = 11
    sigma: float = 1.5
    ssim_weight: float = 1.0
    squared_weight: float = 1.0

    def __call__(self, a: jax.Array, b: jax.Array) -> jax.Array:
        """Return the distance of each pair of images: `[B, H, W, C]` twice -> `[B]`."""
        if not self.ssim_weight:
            return self.squared_weight * mean_squared_error(a, b)
        structure = image_mean(dssim(a, b, window=self.window, sigma=self.sigma))
        return self.ssim_weight * structure + self.squared_weight * mean_squared_error(a, b)


def image_mean(x: jax.Array) -> jax.Array:
    """Return the mean over positions and channels: `[B, H, W, C]` -> `[B]`."""

    def cpu(x):
        # A product with ones, because XLA fuses a sum with everything that makes its terms, and
        # then runs the many operations of an SSIM several times slower.
        ones = jnp.full((x[0].size, 1), 1 / x[0].size, x.dtype)
        return (x.reshape(x.shape[0], -1) @ ones)[:, 0]

    return lax.platform_dependent(x, cpu=cpu, default=lambda x: x.mean((1, 2, 3)))


def mean_squared_error(a: jax.Array, b: jax.Array) -> jax.Array:
    """Mean over pixels and channels of the squared error: `[B, H, W, C]` twice -> `[B]`."""
    return squared_error(a, b).mean((1, 2, 3))


def mean_absolute_error(a: jax.Array, b: jax.Array) -> jax.Array:
    """Mean over pixels and channels of the absolute error: `[B, H, W, C]` twice -> `[B]`."""
    return absolute_error(a, b).mean((1, 2, 3))


def _local_mean(x: jax.Array, window: int, sigma: float) -> jax.Array:
    """Return the Gaussian-weighted mean over each window, by a banded matrix product per axis.

    At the image sizes of this field a matrix product costs less than a depthwise convolution and
    its gradients, on every platform; full precision because variances are differences.
    """
    rows, columns = (_gaussian_band(n, window, sigma) for n in x.shape[1:3])
    product = functools.partial(jnp.einsum, precision="highest")
    return product("ih,bhwc->biwc", rows, product("jw,bhwc->bhjc", columns, x))


@functools.cache
def _gaussian_band(size: int, window: int, sigma: float) -> np.ndarray:
    """Return `[size - window + 1, size]`, whose row i weights pixels i to i + window - 1."""
    offset = np.arange(window) - (window - 1) / 2
    weight = np.exp(-(offset**2) / (2 * sigma**2))
    band = np.zeros((size - window + 1, size), np.float32)
    for i in range(len(band)):
        band[i, i : i + window] = weight / weight.sum()
    return band
