"""The Gaussian filter, as matrix products of rows and columns."""

import jax
import jax.numpy as jnp
import numpy as np


def gaussian_filter(anomaly_map: jax.Array, sigma: float) -> jax.Array:
    """Filter maps `[B, H, W]` by a Gaussian of `sigma` px, mirrored at their borders.

    As `scipy.ndimage.gaussian_filter`, which cuts the Gaussian at four sigma.
    """
    if not sigma:
        return anomaly_map
    rows, columns = (jnp.asarray(_matrix(n, sigma)) for n in anomaly_map.shape[1:])
    precision = jax.lax.Precision.HIGHEST
    across = jnp.matmul(anomaly_map, columns.T, precision=precision)
    return jnp.matmul(rows, across, precision=precision)


def _matrix(size: int, sigma: float) -> np.ndarray:
    """Return the filter of an axis as a matrix, float32 `[size, size]`."""
    radius = int(4 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weight = np.exp(-0.5 * (offsets / sigma) ** 2)
    weight /= weight.sum()
    place = (np.arange(size)[:, None] + offsets) % (2 * size)
    source = np.where(place < size, place, 2 * size - 1 - place)  # the edge pixel comes twice
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], source), weight)
    return matrix.astype(np.float32)
