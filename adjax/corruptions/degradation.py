"""Noise and loss of detail."""

import numpy as np
import tensorflow as tf

from adjax.corruptions.random import standard_normal


def gaussian_noise(image: tf.Tensor, seed: tf.Tensor, *, sigma: float) -> tf.Tensor:
    """Add normal noise of standard deviation `sigma` to every pixel and channel; clipped."""
    noise = standard_normal(seed, int(np.prod(image.shape[1:])))
    return tf.clip_by_value(image + sigma * tf.reshape(noise, tf.shape(image)), 0, 1)


def gaussian_blurring(image: tf.Tensor, seed: tf.Tensor, *, sigma: float, width: int) -> tf.Tensor:
    """Convolve with a Gaussian of `width` pixels (odd); the seeds do not matter.

    At its borders an image is mirrored once, the edge pixel repeated: no Gaussian goes further.
    """
    half = min(width // 2, *image.shape[1:3])
    weight = np.exp(-np.square(np.arange(-half, half + 1)) / (2 * sigma**2))
    weight = np.repeat((weight / weight.sum())[:, None], image.shape[-1], axis=1)
    kernel = tf.constant(weight[..., None], tf.float32)  # [width, C, 1]
    image = tf.pad(image, ((0, 0), (half, half), (half, half), (0, 0)), "SYMMETRIC")
    image = tf.nn.depthwise_conv2d(image, kernel[:, None], (1, 1, 1, 1), "VALID")
    image = tf.nn.depthwise_conv2d(image, kernel[None], (1, 1, 1, 1), "VALID")
    return tf.clip_by_value(image, 0, 1)


def svd_blurring(image: tf.Tensor, seed: tf.Tensor, *, rank: int) -> tf.Tensor:
    """Keep the `rank` largest singular values of every channel; clipped; the seeds do not matter.

    After Choi and Chung, "Novelty Detection Via Blurring" (2020), which drops the smallest ones.
    """
    matrix = tf.cast(tf.transpose(image, (0, 3, 1, 2)), tf.float64)
    # The right singular vectors, ascending: half the time of a singular value decomposition, and
    # as exact in double precision.
    _, vectors = tf.linalg.eigh(tf.linalg.matmul(matrix, matrix, transpose_a=True))
    kept = vectors[..., -rank:]
    matrix = tf.linalg.matmul(matrix @ kept, kept, transpose_b=True)
    return tf.clip_by_value(tf.cast(tf.transpose(matrix, (0, 2, 3, 1)), tf.float32), 0, 1)
