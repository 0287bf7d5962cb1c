"""Sliding windows: a score of whole images from a score of patches."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from adjax.ops import window_starts


def windowed(score: Callable, patch: int, stride: int, at_once: int = 1) -> Callable:
    """Lift the score of patches to images of any size.

    Maps and reconstructions are averaged over the windows that overlap at a pixel; an image scores
    as high as its highest-scoring window [D]. Only the windows of a few places are scored at a
    time, so memory holds the images and `at_once * B` patches.

    Args:
      score: `(variables, image [B, p, p, C], key) -> scores`, a dataclass of `image_score`,
        `anomaly_map` and `reconstruction`, as methods return it.
      patch: height and width p of the patches.
      stride: step between windows, at most p; the last ones are moved back to end at the border.
      at_once: places whose windows are scored together, each in all B images.

    Returns:
      The same function of images `[B, H, W, C]`, H and W at least p. Each group of places has its
      own random key.

    """

    def score_images(variables, image, key):
        batch, height, width, _ = image.shape
        corners, is_new, count = _places(height, width, patch, stride, at_once)

        def score_group(group):
            corner, number = group
            patches = jnp.concatenate([_cut(image, corner[i], patch) for i in range(at_once)])
            scores = score(variables, patches, jax.random.fold_in(key, number))
            return jax.tree.map(lambda x: x.reshape(at_once, batch, *x.shape[1:]), scores)

        def add_group(totals, group):
            corner, new, number = group
            scores = score_group((corner, number))
            sums = totals.anomaly_map, totals.reconstruction
            parts = scores.anomaly_map, scores.reconstruction
            for i in range(at_once):
                sums = jax.tree.map(
                    lambda total, part, i=i: _add(total, part[i], corner[i], new[i]), sums, parts
                )
            highest = jax.tree.map(
                lambda most, value: jnp.maximum(most, value.max(0)),
                totals.image_score,
                scores.image_score,
            )
            return _scores_like(totals, highest, *sums), None

        like = jax.eval_shape(score_group, (corners[0], jnp.uint32(0)))
        empty = _scores_like(
            like,
            jax.tree.map(lambda x: jnp.full(x.shape[1:], -jnp.inf, x.dtype), like.image_score),
            *jax.tree.map(
                lambda x: jnp.zeros((batch, height, width, *x.shape[4:]), x.dtype),
                (like.anomaly_map, like.reconstruction),
            ),
        )
        numbers = jnp.arange(len(corners), dtype=jnp.uint32)
        totals, _ = lax.scan(add_group, empty, (corners, is_new, numbers))
        means = jax.tree.map(
            lambda total: total / count.reshape(1, height, width, *[1] * (total.ndim - 3)),
            (totals.anomaly_map, totals.reconstruction),
        )
        return _scores_like(totals, totals.image_score, *means)

    return score_images


def _places(height: int, width: int, patch: int, stride: int, at_once: int):
    """Return window corners int32 `[G, at_once, 2]`, their weights, windows per pixel `[H, W]`.

    The last group is filled up with copies of its last window, whose weight is 0 instead of 1.
    """
    rows, columns = (window_starts(size, patch, stride) for size in (height, width))
    corner = np.array([(y, x) for y in rows for x in columns], np.int32)
    count = np.outer(_cover(height, rows, patch), _cover(width, columns, patch))
    groups = -(-len(corner) // at_once)
    index = np.arange(groups * at_once).reshape(groups, at_once)
    corners = corner[np.minimum(index, len(corner) - 1)]
    is_new = (index < len(corner)).astype(np.float32)
    return jnp.asarray(corners), jnp.asarray(is_new), jnp.asarray(count, jnp.float32)


def _cover(size: int, starts: tuple[int, ...], patch: int) -> np.ndarray:
    """Return how many windows cover each pixel of an axis: `[size]`."""
    return sum(((np.arange(size) - start) // patch == 0).astype(int) for start in starts)


def _cut(image: jax.Array, corner: jax.Array, patch: int) -> jax.Array:
    """Cut windows `[B, p, p, C]` out of images at a corner."""
    batch, _, _, channels = image.shape
    return lax.dynamic_slice(image, (0, *corner, 0), (batch, patch, patch, channels))


def _add(total: jax.Array, part: jax.Array, corner: jax.Array, weight: jax.Array) -> jax.Array:
    """Add weight times `[B, p, p, ...]` to `[B, H, W, ...]` at a corner."""
    start = (0, *corner, *[0] * (total.ndim - 3))
    before = lax.dynamic_slice(total, start, part.shape)
    return lax.dynamic_update_slice(total, before + weight * part, start)


def _scores_like(scores, image_score, anomaly_map, reconstruction):
    """Return scores of the same class, which this package does not import."""
    return dataclasses.replace(
        scores, image_score=image_score, anomaly_map=anomaly_map, reconstruction=reconstruction
    )
