"""Stateless random draws, vectorised over their seeds.

`RandomIndexShuffle` is a keyed pseudo-random permutation; TensorFlow's other stateless random ops
take one seed a call. (Its wrapper `tf.random.experimental.index_shuffle` mishandles seeds `[N, 2]`
in TensorFlow 2.21, hence the raw op.)
"""

import tensorflow as tf


def permuted_index(index: tf.Tensor, seed: tf.Tensor, size) -> tf.Tensor:
    """Where each index goes in a permutation of range(size).

    Args:
      index: integer `[N]`, each in [0, size).
      seed: int32 `[N, 3]`, each naming a permutation.
      size: scalar or `[N]`, of the dtype of `index`.

    Returns:
      `[N]`, of the dtype of `index`.

    """
    last = tf.broadcast_to(tf.cast(size, index.dtype) - 1, tf.shape(index))
    return tf.raw_ops.RandomIndexShuffle(index=index, seed=seed, max_index=last, rounds=8)


def uniform_integer(seed: tf.Tensor, below: int) -> tf.Tensor:
    """Uniform integers in [0, below): int32 seeds `[N, 3]` -> int32 `[N]`."""
    # Where a permutation of a large range sends 0 is a draw that only its seed decides.
    draw = permuted_index(tf.zeros(tf.shape(seed)[:1], tf.int32), seed, 2**30)
    return draw % below
