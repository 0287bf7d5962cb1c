"""Rigid changes of an image."""

import tensorflow as tf

from adjax.corruptions.random import uniform_integer


def rotation(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Rotate each square image by 90, 180 or 270 degrees, drawn uniformly.

    The auxiliary set of OE-SDN (Chung et al. 2020, Table 3); the paper does not state its angles.
    """
    turned = tf.stack([tf.image.rot90(image, k) for k in (1, 2, 3)], axis=1)
    return tf.gather(turned, uniform_integer(seed, 3), batch_dims=1)
