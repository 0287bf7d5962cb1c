"""Rotations, flips and shears of images."""

import numpy as np
import tensorflow as tf

from adjax.corruptions.draws import turns
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
    drawn = uniform_integer(seed, len(angle))
    return sample(image, tf.gather(tf.constant(turns(angle), tf.float32), drawn))


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
    return sample(image, tf.reshape(tf.stack([one, factor, zero, one], -1), (-1, 2, 2)))


def sample(
    image: tf.Tensor,
    matrix: tf.Tensor,
    centre: tf.Tensor | None = None,
    shape: tuple[int, int] | None = None,
    outside: str = "CONSTANT",
) -> tf.Tensor:
    """Read each image at other places, bilinearly.

    Args:
      image: `[N, H, W, C]`.
      matrix: `[N, 2, 2]`, from a place (x, y) of the result to one of the image, both in pixels
        from their centres.
      centre: `[N, 2]`, the place (x, y) of the image in the middle of the result; its own by
        default.
      shape: `(h, w)` of the result, that of the image by default.
      outside: "CONSTANT" reads black outside the image, "REFLECT" the image mirrored, the edge
        pixel repeated.

    Returns:
      `[N, h, w, C]`, clipped to [0, 1].

    """
    height, width = image.shape[1:3]
    if centre is None:
        centre = tf.constant([(width - 1) / 2, (height - 1) / 2])
    height, width = shape or (height, width)
    middle = tf.constant([(width - 1) / 2, (height - 1) / 2])
    offset = centre - tf.reduce_sum(matrix * middle, -1)
    rows = tf.reshape(tf.concat([matrix, offset[..., None]], -1), (-1, 6))
    return tf.clip_by_value(
        tf.raw_ops.ImageProjectiveTransformV3(
            images=image,
            transforms=tf.pad(rows, ((0, 0), (0, 2))),  # no perspective
            output_shape=(height, width),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode=outside,
        ),
        0,
        1,
    )
