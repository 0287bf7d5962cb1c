"""Scratches: one thin curve, after the code of Collin and De Vleeschouwer (ICPR 2020)."""

import numpy as np
import tensorflow as tf

from adjax.corruptions.painting import between, paint
from adjax.corruptions.random import numbered_normal, random_bits, split


def scratch(
    image: tf.Tensor,
    seed: tf.Tensor,
    *,
    colour_low: int,
    colour_high: int,
    deviation: float,
    brush: int,
) -> tf.Tensor:
    """Draw one curve into each image: y = 2 x, 16 sin(4 x degrees) or 10 sqrt(x), in pixels.

    One of the three and one of the four quadrants that it may go to, all equally likely. It starts
    in the central two thirds, at column s of W, and takes as many steps along x as a quarter of a
    draw from [s, W]. Where it leaves the image it is cut.

    Args:
      image: `[N, H, W, C]` in [0, 1].
      seed: int32 `[N, 3]`.
      colour_low: least mean grey level, 0 to 255; a scratch is grey in colour images too.
      colour_high: greatest mean grey level.
      deviation: in grey levels; pixels are normal about the mean, clipped.
      brush: pixels that a square brush is wide, odd; steps are not joined beyond that.

    Returns:
      `[N, H, W, C]`; pixels off the curve are untouched, the others one of 256 grey levels.

    """
    height, width = image.shape[1:3]
    draws, noise = split(seed, 2)
    x, y, drawn, colour = _draw(draws, (height, width), colour_low, colour_high)
    around = np.arange(brush) - brush // 2
    row, column = np.meshgrid(around, around, indexing="ij")
    x = tf.reshape(x[..., None] + column.ravel(), (tf.shape(x)[0], -1))
    y = tf.reshape(y[..., None] + row.ravel(), tf.shape(x))
    inside = tf.repeat(drawn, brush**2, axis=1)
    inside &= (x >= 0) & (x < width) & (y >= 0) & (y < height)
    # Pixels that are not drawn fall on the first one of the curve, which is.
    start = brush**2 // 2
    pixel = y * width + x
    pixel = tf.where(inside, pixel, pixel[:, start : start + 1])
    level = tf.cast(colour[:, None], tf.float32) + deviation * numbered_normal(noise, pixel)
    return paint(image, pixel, tf.ones_like(level), level[..., None] / 255)


def _draw(seed, size, colour_low, colour_high):
    """Columns and rows `[N, K]` of curves, which of them are drawn, and grey levels `[N]`."""
    height, width = size
    bits = random_bits(seed, 7)
    start_x = between(bits[:, 0], width // 6, 5 * width // 6)
    start_y = between(bits[:, 1], height // 6, 5 * height // 6)
    length = tf.maximum(between(bits[:, 2], start_x, width) // 4, 1)
    step = np.arange(max(width // 4, 1))
    curves = [2 * step, 16 * np.sin(np.deg2rad(4 * step)), 10 * np.sqrt(step)]
    curve = tf.gather(tf.constant(np.round(curves), tf.int32), between(bits[:, 3], 0, 2))
    across, down = (2 * between(bits[:, k], 0, 1)[:, None] - 1 for k in (4, 5))
    x = start_x[:, None] + across * tf.constant(step, tf.int32)
    y = start_y[:, None] + down * curve
    return x, y, step < length[:, None], between(bits[:, 6], colour_low, colour_high)
