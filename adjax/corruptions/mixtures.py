"""Mixtures: each image gets one of several corruptions, as Collin and De Vleeschouwer mean them.

In their code a comparison in the wrong order makes the structural mixture 0.2 stains, 0.2 scratches
and 0.6 drops; ours are the intended parts, which are parameters.
"""

from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import Any

import tensorflow as tf

from adjax.corruptions.degradation import gaussian_noise
from adjax.corruptions.drops import drops as drop
from adjax.corruptions.random import split, uniform
from adjax.corruptions.scratch import scratch as scratch_
from adjax.corruptions.stain import stain as stain_


def structural(
    image: tf.Tensor,
    seed: tf.Tensor,
    *,
    parts: tuple[float, float, float],
    stain: dict[str, Any],
    scratch: dict[str, Any],
    drops: dict[str, Any],
) -> tf.Tensor:
    """Put a stain, a scratch or drops into each image.

    Args:
      image: `[N, H, W, C]` in [0, 1].
      seed: int32 `[N, 3]`.
      parts: probabilities of the three, in this order.
      stain: parameters of stains.
      scratch: parameters of scratches.
      drops: parameters of drops.

    """
    made = [partial(stain_, **stain), partial(scratch_, **scratch), partial(drop, **drops)]
    return _one_of(image, seed, parts, made)


def stain_or_gaussian(
    image: tf.Tensor,
    seed: tf.Tensor,
    *,
    parts: tuple[float, float],
    stain: dict[str, Any],
    gaussian: dict[str, Any],
) -> tf.Tensor:
    """Put a stain into each image, or Gaussian noise over all of it.

    Args:
      image: `[N, H, W, C]` in [0, 1].
      seed: int32 `[N, 3]`.
      parts: probabilities of the two, in this order.
      stain: parameters of stains.
      gaussian: parameters of Gaussian noise.

    """
    made = [partial(stain_, **stain), partial(gaussian_noise, **gaussian)]
    return _one_of(image, seed, parts, made)


def _one_of(image, seed, parts: tuple[float, ...], functions: list[Callable]) -> tf.Tensor:
    """Apply one of the functions to each image; only those that are drawn for it are computed."""
    choosing, seed = split(seed, 2)
    place = uniform(choosing, 1)
    below = tf.constant(list(accumulate(parts))[:-1], tf.float32)
    choice = tf.reduce_sum(tf.cast(place >= below, tf.int32), 1)
    rows = tf.dynamic_partition(tf.range(tf.shape(choice)[0]), choice, len(functions))
    made = [
        function(tf.gather(image, row), tf.gather(seed, row))
        for function, row in zip(functions, rows, strict=True)
    ]
    return tf.dynamic_stitch(rows, made)
