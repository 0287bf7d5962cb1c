"""Augmentation of training images: rotated crops of textures, moved and turned objects.

After MVTec AD (CVPR 2019), which enlarges its training sets so; how far it moves and turns objects
is not said. Outside the image a rotation reads the image mirrored at its border (the edge pixel
repeated), so no corner is black.
"""

import numpy as np
import tensorflow as tf

from adjax.corruptions.draws import turns
from adjax.corruptions.geometry import sample
from adjax.corruptions.random import random_bits, uniform, uniform_integer


def rotated_crops(image: tf.Tensor, seed: tf.Tensor, *, size: int) -> tf.Tensor:
    """Cut one square crop out of each image, at a random place and a whole angle, 0 to 359 degrees.

    All of the crop lies in the image if its angle allows; every such place is equally likely. Where
    it is too large for its angle (never if `size` is below 0.7 of the image's sides), the crop is
    from the middle and its corners are mirrored.

    Args:
      image: `[N, H, W, C]` in [0, 1].
      seed: int32 `[N, 3]`.
      size: pixels of the crop's side; they keep their scale.

    Returns:
      `[N, size, size, C]`, bilinear.

    """
    angle = np.deg2rad(np.arange(360))
    drawn = uniform_integer(seed, 360)
    reach = (size - 1) / 2 * (np.abs(np.cos(angle)) + np.abs(np.sin(angle)))
    place = uniform(seed, 3)[:, 1:]
    centre = []
    for k, pixels in enumerate(image.shape[2:0:-1]):
        room = tf.constant(np.maximum((pixels - 1) / 2 - reach, 0), tf.float32)
        centre.append((pixels - 1) / 2 + (2 * place[:, k] - 1) * tf.gather(room, drawn))
    matrix = tf.gather(tf.constant(turns(angle), tf.float32), drawn)
    return sample(image, matrix, tf.stack(centre, -1), (size, size), "REFLECT")


def translation_rotation(
    image: tf.Tensor,
    seed: tf.Tensor,
    *,
    size: int,
    translation: float,
    angle: int,
    mirror: bool,
) -> tf.Tensor:
    """Move and turn each image at random, as a whole, and scale it to `size`.

    Args:
      image: `[N, H, W, C]` in [0, 1].
      seed: int32 `[N, 3]`.
      size: pixels of the result's side.
      translation: to either side by up to this fraction of the image's sides.
      angle: to either side by up to so many degrees, in tenths of them.
      mirror: exchange left and right in half of the images.

    Returns:
      `[N, size, size, C]`, bilinear: smaller sizes are not smoothed before.

    """
    height, width = image.shape[1:3]
    angles = np.deg2rad(np.arange(-10 * angle, 10 * angle + 1) / 10)
    scale = np.diag([width / size, height / size])
    turned = turns(angles) @ scale
    turned = np.stack([turned, turned * [-1, 1]])  # mirrored: across is read backwards
    drawn = uniform_integer(seed, len(angles))
    side = tf.cast(random_bits(seed, 2)[:, 1] % 2, tf.int32) * int(mirror)
    matrix = tf.gather_nd(tf.constant(turned, tf.float32), tf.stack([side, drawn], -1))
    move = (2 * uniform(seed, 4)[:, 2:] - 1) * (translation * np.array([width, height], np.float32))
    centre = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
    return sample(image, matrix, centre + move, (size, size), "REFLECT")
