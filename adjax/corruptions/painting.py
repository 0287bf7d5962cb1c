"""Painting of stains, scratches and drops: grey levels, windows of an image, blending into it."""

from collections.abc import Sequence

import tensorflow as tf


def between(bits: tf.Tensor, low: tf.Tensor | int, high: tf.Tensor | int) -> tf.Tensor:
    """Draw whole numbers uniformly from low to high, both included.

    Args:
      bits: uint32, any shape.
      low: int32, of a shape that broadcasts against `bits`.
      high: the same; where it is below `low`, `low` is drawn.

    Returns:
      int32, of the shape of `bits`.

    """
    count = tf.maximum(high - low + 1, 1)
    return low + tf.cast(bits % tf.cast(count, tf.uint32), tf.int32)


def window_corner(centre: tf.Tensor, width: int, size: int) -> tf.Tensor:
    """Return the first pixel of a window of `width` pixels that has `centre` in its middle.

    Windows lie in the image, of `size` pixels: near its border the centre is not in the middle.
    """
    return tf.clip_by_value(centre - width // 2, 0, size - width)


def window_pixels(top: tf.Tensor, left: tf.Tensor, shape: Sequence[int], width: int) -> tf.Tensor:
    """Number, row by row, the pixels of a window in an image that is `width` pixels wide.

    Args:
      top: int32 `[N]`, the first row of the window.
      left: int32 `[N]`, its first column.
      shape: `(h, w)` of the window.
      width: columns of the image.

    Returns:
      int32 `[N, h, w]`.

    """
    row = top[:, None] + tf.range(shape[0])
    column = left[:, None] + tf.range(shape[1])
    return row[:, :, None] * width + column[:, None]


def paint(image: tf.Tensor, pixel: tf.Tensor, weight: tf.Tensor, texture: tf.Tensor) -> tf.Tensor:
    """Blend a texture into some pixels of each image, then round these to one of 256 grey levels.

    Args:
      image: `[N, H, W, C]` in [0, 1].
      pixel: int32 `[N, K]`, row by row; one that comes twice must get the same twice.
      weight: `[N, K]` in [0, 1], of the texture; pixels of weight 0 are left as they are.
      texture: `[N, K, C]`, or what broadcasts to it; clipped to [0, 1].

    Returns:
      `[N, H, W, C]`.

    """
    shape = tf.shape(image)
    area, channels = image.shape[1] * image.shape[2], image.shape[3]
    flat = tf.reshape(image, (-1, channels))
    pixel = tf.reshape(pixel + tf.range(shape[0])[:, None] * area, (-1, 1))
    under = tf.reshape(tf.gather_nd(flat, pixel), (shape[0], -1, channels))
    weight = weight[..., None]
    blended = (1 - weight) * under + weight * tf.clip_by_value(texture, 0, 1)
    painted = tf.where(weight > 0, tf.round(blended * 255) / 255, under)
    painted = tf.reshape(painted, (-1, channels))
    return tf.reshape(tf.tensor_scatter_nd_update(flat, pixel, painted), shape)
