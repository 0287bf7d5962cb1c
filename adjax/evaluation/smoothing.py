"""Smoothed anomaly maps, and image scores by their highest pixels."""

import dataclasses
from collections.abc import Callable

import jax

from adjax.ops import gaussian_filter

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
        anomaly_map = gaussian_filter(scores.anomaly_map, sigma * image.shape[1])
        pixels = anomaly_map.reshape(image.shape[0], -1)
        count = max(1, round(top * pixels.shape[1]))
        highest = jax.lax.top_k(pixels, count)[0]
        added = {"smoothed_max": highest[:, 0], "top": highest.mean(1)}
        return dataclasses.replace(
            scores, anomaly_map=anomaly_map, image_score=scores.image_score | added
        )

    return score_images
