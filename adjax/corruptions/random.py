"""Stateless random draws, vectorised over their seeds.

TensorFlow's stateless random ops take one seed a call; a draw for each image of a batch needs one
seed an image. So seeds are hashed here, with the finaliser of MurmurHash3, and the hash is the draw
or the key of one.
"""

import tensorflow as tf

from adjax.corruptions.draws import normal_quantiles

_GOLDEN = 0x9E3779B9  # 2^32 over the golden ratio: keeps equal words apart


def random_bits(seed: tf.Tensor, words: int = 1) -> tf.Tensor:
    """Hash seeds to random bits: int32 `[N, 3]` -> uint32 `[N, words]`."""
    counter = tf.constant([(k * _GOLDEN) % 2**32 for k in range(1, words + 1)], tf.uint32)
    return _mix(_hash(seed)[:, None] + counter[None])


def split(seed: tf.Tensor, number: int) -> list[tf.Tensor]:
    """Make `number` independent seeds `[N, 3]` of each seed `[N, 3]`."""
    return tf.split(tf.bitcast(random_bits(seed, 3 * number), tf.int32), number, axis=1)


def permuted_index(index: tf.Tensor, seed: tf.Tensor, size) -> tf.Tensor:
    """Return each index's place in a pseudo-random permutation of range(size).

    Args:
      index: integer `[N]`, each in [0, size).
      seed: int32 `[N, 3]`, each naming a permutation.
      size: scalar or `[N]`, of the dtype of `index`.

    Returns:
      `[N]`, of the dtype of `index`.

    """
    last = tf.broadcast_to(tf.cast(size, index.dtype) - 1, tf.shape(index))
    # The raw op: its public wrapper mishandles one seed an index (TensorFlow 2.21). It reads only
    # the low bits of a seed, hence the hash.
    key = random_bits(seed, words=3)
    return tf.raw_ops.RandomIndexShuffle(index=index, seed=key, max_index=last, rounds=8)


def uniform_integer(seed: tf.Tensor, below: int) -> tf.Tensor:
    """Draw uniform integers in [0, below): int32 seeds `[N, 3]` -> int32 `[N]`."""
    return tf.cast(random_bits(seed)[:, 0] % below, tf.int32)


def uniform(seed: tf.Tensor, number: int) -> tf.Tensor:
    """Draw uniformly from [0, 1): int32 seeds `[N, 3]` -> float32 `[N, number]`."""
    high = tf.bitwise.right_shift(random_bits(seed, number), tf.constant(8, tf.uint32))
    return tf.cast(high, tf.float32) * 2.0**-24


def standard_normal(seed: tf.Tensor, number: int) -> tf.Tensor:
    """Draw from a standard normal: int32 seeds `[N, 3]` -> float32 `[N, number]`, within 4.4.

    Sixteen bits choose one of as many equally likely quantiles. A formula (Box and Muller's, the
    inverse distribution) would round differently at the end of a batch, where vector instructions
    give way to scalar ones; a table gives the same bits in any batch.
    """
    halves = tf.bitcast(random_bits(seed, -(-number // 2)), tf.uint16)
    index = tf.cast(tf.reshape(halves, (tf.shape(seed)[0], -1))[:, :number], tf.int32)
    return tf.gather(tf.constant(normal_quantiles()), index)


def numbered_normal(seed: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Draw from a standard normal by numbers: equal numbers give equal draws.

    Args:
      seed: int32 `[N, 3]`.
      number: int32 `[N, K]`.

    Returns:
      float32 `[N, K]`, quantiles as in `standard_normal`.

    """
    bits = _mix(_hash(seed)[:, None] + _mix(tf.bitcast(number, tf.uint32)))
    return tf.gather(
        tf.constant(normal_quantiles()),
        tf.cast(tf.bitwise.right_shift(bits, tf.constant(16, tf.uint32)), tf.int32),
    )


def _hash(seed: tf.Tensor) -> tf.Tensor:
    """Hash each seed to one word: int32 `[N, 3]` -> uint32 `[N]`."""
    seed = tf.bitcast(seed, tf.uint32)
    state = tf.zeros_like(seed[:, 0])
    for k in range(3):
        state = _mix((state ^ seed[:, k]) + _GOLDEN)
    return state


def _mix(x: tf.Tensor) -> tf.Tensor:
    """Scatter every bit by the finaliser of MurmurHash3, a bijection of uint32."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ tf.bitwise.right_shift(x, tf.constant(shift, tf.uint32))) * factor
    return x ^ tf.bitwise.right_shift(x, tf.constant(16, tf.uint32))
