"""Blending of patches by Poisson's equation (Pérez et al., SIGGRAPH 2003), in rectangles.

In a rectangle the sine transform makes the equation diagonal, so the solution is exact: two small
matrix products there, a division, two back. Rectangles of all sizes share one window.
"""

import functools

import numpy as np
import tensorflow as tf


def blend(under: tf.Tensor, patch: tf.Tensor, size: tf.Tensor, *, mixed: bool) -> tf.Tensor:
    """Give rectangles the gradients of patches, and the border of what is under them.

    Args:
      under: `[N, M, M, C]`, windows of images; the rectangles lie at their upper left.
      patch: `[N, M, M, C]`.
      size: int32 `[N, 2]`, height and width of the rectangles, M at most; below 3 all is border.
      mixed: of the gradients of patch and image, take the greater one at each edge between pixels
        (their equation 13); else the patch's (equation 11).

    Returns:
      `[N, M, M, C]`, `under` but for the inner pixels of the rectangles; not clipped.

    """
    change = -_divergence(under, patch, mixed)
    change = tf.transpose(change, (0, 3, 1, 2))
    sines, values = (tf.constant(table) for table in _eigenvectors(under.shape[1] - 2))
    inner = tf.unstack(tf.maximum(size - 2, 0), axis=1)
    down, right = (tf.gather(sines, n)[:, None] for n in inner)
    value = tf.gather(values, inner[0])[:, :, None] + tf.gather(values, inner[1])[:, None]
    change = down @ (down @ change @ right / value[:, None]) @ right
    return under + tf.pad(tf.transpose(change, (0, 2, 3, 1)), ((0, 0), (1, 1), (1, 1), (0, 0)))


def _divergence(under: tf.Tensor, patch: tf.Tensor, mixed: bool) -> tf.Tensor:
    """Divergence of what the gradients are to change by: `[N, M - 2, M - 2, C]`."""

    def wanted(axis):
        old, new = (_differences(image, axis) for image in (under, patch))
        change = new - old
        return tf.where(tf.abs(new) > tf.abs(old), change, 0) if mixed else change

    down, right = wanted(1)[:, :, 1:-1], wanted(2)[:, 1:-1]
    return _differences(down, 1) + _differences(right, 2)


def _differences(image: tf.Tensor, axis: int) -> tf.Tensor:
    """Return by how much each pixel exceeds the one before it along an axis."""
    if axis == 1:
        return image[:, 1:] - image[:, :-1]
    return image[:, :, 1:] - image[:, :, :-1]


@functools.lru_cache(maxsize=8)
def _eigenvectors(width: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvectors and eigenvalues of the negated second difference, zero at both ends.

    Returns:
      Of n = 0 to `width` points, float32 `[width + 1, width, width]`, each its own inverse in its
      first n rows and columns and zero elsewhere; `[width + 1, width]`, one elsewhere.

    """
    sines = np.zeros((width + 1, width, width), np.float32)
    values = np.ones((width + 1, width), np.float32)
    for n in range(1, width + 1):
        k = np.arange(1, n + 1)
        sines[n, :n, :n] = np.sqrt(2 / (n + 1)) * np.sin(np.pi * np.outer(k, k) / (n + 1))
        values[n, :n] = 2 - 2 * np.cos(np.pi * k / (n + 1))
    return sines, values
