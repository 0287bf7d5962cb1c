"""Smoothed anomaly maps, and image scores by their highest pixels."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

SCORES = ("smoothed_max", "top")


def with_map_scores(score: Callable, sigma: float, top: float) -> Callable:
    """Smooth the maps of a score and add the image scores `SCORES`, which are of smoothed maps.

    Args:
      score: `(variables, image [B, H, W, C], key) -> scores`, a dataclass of `image_score`,
        `anomaly_map` and `reconstruction`, as methods return it.
      sigma: of the Gaussian, as a part of the map's height; 0 leaves maps as they are.
      top: part of the pixels, the highest, whose mean is the image score `top`; at least one pixel.

    Returns:
      The same function with smoothed maps: `smoothed_max` is their maximum.

    """

    def score_images(variables, image, key):
        scores = score(variables, image, key)
        anomaly_map = smooth(scores.anomaly_map, sigma * image.shape[1])
        pixels = anomaly_map.reshape(image.shape[0], -1)
        count = max(1, round(top * pixels.shape[1]))
        highest = jax.lax.top_k(pixels, count)[0]
        added = {"smoothed_max": highest[:, 0], "top": highest.mean(1)}
        return dataclasses.replace(
            scores, anomaly_map=anomaly_map, image_score=scores.image_score | added
        )

    return score_images


def smooth(anomaly_map: jax.Array, sigma: float) -> jax.Array:
    """Filter maps `[B, H, W]` by a Gaussian of `sigma` px, mirrored at their borders.

    As `scipy.ndimage.gaussian_filter`, which cuts the Gaussian at four sigma.
    """
    if not sigma:
        return anomaly_map
    rows, columns = (jnp.asarray(_filter(n, sigma)) for n in anomaly_map.shape[1:])
    precision = jax.lax.Precision.HIGHEST
    across = jnp.matmul(anomaly_map, columns.T, precision=precision)
    return jnp.matmul(rows, across, precision=precision)


def _filter(size: int, sigma: float) -> np.ndarray:
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
