"""Bilinear maps under `vmap`: a member keeps a convolution of its own.

The rule that JAX has makes one grouped convolution of those of all members. Libraries are slow at
them, and of a weight gradient XLA makes one whose windows are as large as the images. So each
member is given a convolution here, while what lies between them is still widened to all members;
and where members share one of the two operands, they share one convolution with more images or
more channels.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import custom_batching, lax

_UNROLLED = 8  # members at most whose convolutions stand one after another in the program


def by_member(
    bilinear: Callable,
    a: jax.Array,
    b: jax.Array,
    wider_a: tuple[int, int],
    wider_b: tuple[int, int],
) -> jax.Array:
    """Return `bilinear(a, b)`; under `vmap`, one map a member or one wider map for all.

    Args:
      bilinear: of two arrays.
      a: an array.
      b: an array.
      wider_a: two axes, of `a` and of the result: members side by side along the first make results
        side by side along the second.
      wider_b: the same of `b`.

    """
    mapped = custom_batching.custom_vmap(bilinear)

    @mapped.def_vmap
    def rule(members, is_batched, a, b):
        if all(is_batched):
            return _one_by_one(bilinear, members, a, b, wider_a, wider_b), True
        if is_batched[0]:
            wide = by_member(bilinear, _side_by_side(a, wider_a[0]), b, wider_a, wider_b)
            return _apart(wide, wider_a[1], members), True
        wide = by_member(bilinear, a, _side_by_side(b, wider_b[0]), wider_a, wider_b)
        return _apart(wide, wider_b[1], members), True

    return mapped(a, b)


def _one_by_one(bilinear, members, a, b, wider_a, wider_b):
    def of_one(operands):
        return by_member(bilinear, *operands, wider_a, wider_b)

    if members > _UNROLLED:
        return lax.map(of_one, (a, b))
    return jnp.stack([of_one((a[i], b[i])) for i in range(members)])


def _side_by_side(array: jax.Array, axis: int) -> jax.Array:
    """Put members next to each other along an axis: `[P, ..., n, ...]` -> `[..., P * n, ...]`."""
    array = jnp.moveaxis(array, 0, axis)
    return array.reshape(*array.shape[:axis], -1, *array.shape[axis + 2 :])


def _apart(array: jax.Array, axis: int, members: int) -> jax.Array:
    """Undo `_side_by_side`."""
    shape = array.shape
    array = array.reshape(*shape[:axis], members, -1, *shape[axis + 1 :])
    return jnp.moveaxis(array, axis, 0)
