"""Rotations, flips and shears of images."""

import numpy as np
import tensorflow as tf

from adjax.corruptions.random import uniform, uniform_integer


def rotation(image: tf.Tensor, seed: tf.Tensor, *, angles: tuple[int, ...]) -> tf.Tensor:
    """Rotate each square image counter-clockwise by one of `angles`, drawn uniformly.

    The angles are multiples of 90 degrees, so that no pixel is interpolated.
    """
    turned = tf.stack([tf.image.rot90(image, angle // 90) for angle in angles], axis=1)
    return tf.gather(turned, uniform_integer(seed, len(angles)), batch_dims=1)


def uniform_rotation(image: tf.Tensor, seed: tf.Tensor, *, low: int, high: int) -> tf.Tensor:
    """Rotate each image counter-clockwise by a whole angle drawn uniformly from low to high.

    Degrees, both ends included; about the centre, bilinear, black outside.
    """
    angle = np.deg2rad(np.arange(low, high + 1))
    cos, sin = np.cos(angle), np.sin(angle)
    # By table: cosines computed for a batch would depend on its size in the last bit.
    rows = np.stack([cos, -sin, sin, cos], -1).reshape(-1, 2, 2)
    drawn = uniform_integer(seed, len(angle))
    return _sample(image, tf.gather(tf.constant(rows, tf.float32), drawn))


def horizontal_flip(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Exchange left and right; the seeds do not matter."""
    return tf.reverse(image, [2])


def vertical_flip(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Exchange top and bottom; the seeds do not matter."""
    return tf.reverse(image, [1])


def shearing(image: tf.Tensor, seed: tf.Tensor, *, minimum: float, maximum: float) -> tf.Tensor:
    """Shear each image along its rows, to either side with equal chance.

    Rows move by `factor` pixels a pixel of distance from the middle row, the factor drawn uniformly
    from [minimum, maximum); bilinear, black outside.
    """
    size, side = tf.unstack(uniform(seed, 2), axis=1)
    factor = (minimum + (maximum - minimum) * size) * tf.where(side < 0.5, -1.0, 1.0)
    one, zero = tf.ones_like(factor), tf.zeros_like(factor)
    return _sample(image, tf.reshape(tf.stack([one, factor, zero, one], -1), (-1, 2, 2)))


def _sample(image: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Read each image at other places: bilinear, black outside.

    Args:
      image: `[N, H, W, C]`.
      matrix: `[N, 2, 2]`, from a place (x, y) of the result to one of the image, both in pixels
        from the centre.

    """
    height, width = image.shape[1:3]
    centre = tf.constant([(width - 1) / 2, (height - 1) / 2])
    offset = centre - tf.reduce_sum(matrix * centre, -1)
    rows = tf.reshape(tf.concat([matrix, offset[..., None]], -1), (-1, 6))
    return tf.clip_by_value(
        tf.raw_ops.ImageProjectiveTransformV3(
            images=image,
            transforms=tf.pad(rows, ((0, 0), (0, 2))),  # no perspective
            output_shape=(height, width),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        ),
        0,
        1,
    )
