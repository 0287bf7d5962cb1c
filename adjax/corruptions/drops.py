"""Drops: discs that nearly coincide, after the code of Collin and De Vleeschouwer (ICPR 2020)."""

import tensorflow as tf

from adjax.corruptions.painting import between, paint, window_corner, window_pixels
from adjax.corruptions.random import random_bits, split, standard_normal


def drops(
    image: tf.Tensor,
    seed: tf.Tensor,
    *,
    number: int,
    radius_low: float,
    radius_high: float,
    scatter: float,
    colour_low: int,
    colour_high: int,
) -> tf.Tensor:
    """Put one cluster of discs of one grey level into each image, all of it inside.

    Args:
      image: `[N, H, W, C]` in [0, 1].
      seed: int32 `[N, 3]`.
      number: discs of a cluster.
      radius_low: least radius, a fraction of the image's width in whole pixels, and a pixel more.
      radius_high: greatest radius.
      scatter: deviation of a disc's centre from the cluster's, in radii of the disc.
      colour_low: least grey level, 0 to 255; drops are grey in colour images too.
      colour_high: greatest grey level.

    Returns:
      `[N, H, W, C]`; pixels of no disc are untouched.

    """
    size = image.shape[1:3]
    radii = int(radius_low * size[1]) + 1, int(radius_high * size[1]) + 1
    draws, places = split(seed, 2)
    bits = random_bits(draws, 3 + number)
    # Normal draws are within 4.4 deviations.
    reach = int((1 + 4.4 * scatter) * radii[1]) + 1
    window = tuple(min(2 * reach + 1, n) for n in size)
    centre = [between(bits[:, k], reach, n - 1 - reach) for k, n in enumerate(size)]
    corner = [window_corner(*it) for it in zip(centre, window, size, strict=True)]
    radius = tf.cast(between(bits[:, 3:], *radii), tf.float32)
    offset = tf.reshape(standard_normal(places, 2 * number), (-1, 2, number)) * scatter
    disc = [
        tf.cast(middle - first, tf.float32)[:, None] + offset[:, k] * radius
        for k, (middle, first) in enumerate(zip(centre, corner, strict=True))
    ]
    squares = [
        tf.square(tf.range(n, dtype=tf.float32) - place[..., None])
        for n, place in zip(window, disc, strict=True)
    ]
    distance = squares[0][..., :, None] + squares[1][..., None, :]  # [N, number, h, w], squared
    covered = tf.reduce_any(distance < tf.square(radius)[..., None, None], 1)
    weight = tf.reshape(tf.cast(covered, tf.float32), (-1, window[0] * window[1]))
    pixel = tf.reshape(window_pixels(*corner, window, size[1]), tf.shape(weight))
    grey = tf.cast(between(bits[:, 2], colour_low, colour_high), tf.float32) / 255
    return paint(image, pixel, weight, grey[:, None, None])
