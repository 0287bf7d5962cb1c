"""The draws of `random` without TensorFlow, of arrays of NumPy as of JAX: the same bits.

Whole numbers of 32 bits, sums and products that wrap, and tables: nothing rounds, whoever computes.
"""

import functools
import math
from typing import Any

import numpy as np

_GOLDEN = 0x9E3779B9  # 2^32 over the golden ratio: keeps equal words apart
_ROUNDS = 8  # of the cipher that permutes
_CIPHER = 0xFFFFFFFC, 0x7369F885192C0EF5  # its constants


def random_bits(seed: Any, words: int = 1) -> Any:
    """Hash seeds to random bits: int32 `[N, 3]` -> uint32 `[N, words]`."""
    counter = np.array([(k * _GOLDEN) % 2**32 for k in range(1, words + 1)], np.uint32)
    return _mix(_hash(seed)[:, None] + counter[None])


def uniform_integer(seed: Any, below: int) -> Any:
    """Draw uniform integers in [0, below): int32 seeds `[N, 3]` -> int32 `[N]`."""
    return (random_bits(seed)[:, 0] % np.uint32(below)).astype(np.int32)


def uniform(seed: Any, number: int) -> Any:
    """Draw uniformly from [0, 1): int32 seeds `[N, 3]` -> float32 `[N, number]`."""
    return (random_bits(seed, number) >> 8).astype(np.float32) * np.float32(2.0**-24)


def normal_index(seed: Any, number: int) -> Any:
    """Draw places in the table of `normal_quantiles`: int32 seeds `[N, 3]` -> `[N, number]`."""
    bits = random_bits(seed, -(-number // 2))[..., None]
    # The lower half of a word comes first.
    halves = (bits >> np.array([0, 16], np.uint32)[None, None]) & 0xFFFF
    return halves.reshape(len(seed), -1)[:, :number].astype(np.int32)


@functools.cache
def normal_quantiles() -> np.ndarray:
    """Return the middles of 2^16 equally likely intervals of the standard normal, ascending."""
    from scipy.special import ndtri  # here: not needed by runs without noise

    return ndtri((np.arange(2**16) + 0.5) / 2**16).astype(np.float32)


def turns(angle: np.ndarray) -> np.ndarray:
    """Return matrices that read an image turned counter-clockwise: radians `[A] -> [A, 2, 2]`.

    A table to draw from: cosines computed for a batch would depend on its size in the last bit.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos, -sin, sin, cos], -1).reshape(-1, 2, 2)


def permutation(seed: np.ndarray, size: int) -> np.ndarray:
    """Return the places of 0 to `size - 1` in a pseudo-random permutation, int64 `[size]`.

    That of `random.permuted_index`, all of it at once: TensorFlow's `RandomIndexShuffle`, the block
    cipher Simon, repeated where its result is none of these places.

    Args:
      seed: int32 `[3]`, names the permutation.
      size: how many.

    """
    if size == 1:
        return np.zeros(1, np.int64)
    bits = math.ceil(math.log2(size - 1))
    word = max(bits + bits % 2, 16) // 2
    place = _enciphered(random_bits(seed[None], 3)[0], word)
    # In each round a place that is none goes on by as many repetitions as all others made so far.
    while (place[:size] >= size).any():
        place = np.where(place < size, place, place[place])
    return place[np.arange(size) % len(place)]


def _enciphered(key: np.ndarray, word: int) -> np.ndarray:
    """Return what all numbers of `2 * word` bits are enciphered to, int64 `[4 ** word]`."""
    mask, (constant, sequence) = 2**word - 1, _CIPHER

    def turned(x, by: int):
        return ((x << by) & mask) | (x >> (word - by))

    def mixed(x):
        return (turned(x, 1) & turned(x, 8)) ^ turned(x, 2)

    keys = [int(part) & mask for part in key]
    for k in range(3, _ROUNDS):
        last, bit = keys[-1], sequence >> (k - 3) & 1
        found = constant ^ bit ^ keys[k - 3] ^ turned(last, word - 3) ^ turned(last, word - 4)
        keys.append(found & mask)
    number = np.arange(4**word)
    kind = np.min_scalar_type(mask)
    left, right = (number >> word).astype(kind), (number & mask).astype(kind)
    for first, second in zip(keys[::2], keys[1::2], strict=True):
        left ^= mixed(right) ^ kind.type(first)
        right ^= mixed(left) ^ kind.type(second)
    return (left.astype(np.int64) << word) | right


def _hash(seed):
    """Hash each seed to one word: int32 `[N, 3]` -> uint32 `[N]`."""
    seed = seed.astype(np.uint32)
    state = seed[:, 0] & 0
    for k in range(3):
        state = _mix((state ^ seed[:, k]) + np.uint32(_GOLDEN))
    return state


def _mix(x):
    """Scatter every bit by the finaliser of MurmurHash3, a bijection of uint32."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ (x >> shift)) * np.uint32(factor)
    return x ^ (x >> 16)
