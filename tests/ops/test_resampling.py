"""Resampling against NumPy."""

import jax
import numpy as np
import pytest

from adjax.ops import max_pool, upsample_nearest


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_upsampling_repeats_pixels(factor):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5), np.float32)
    desired = x.repeat(factor, axis=1).repeat(factor, axis=2)
    actual = jax.jit(upsample_nearest, static_argnums=1)(x, factor)
    np.testing.assert_array_equal(actual, desired)


@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
def test_pooling_takes_the_largest_of_four(size):
    x = np.random.default_rng(0).permutation(2 * 3 * size[0] * size[1]).astype(np.float32)
    x = x.reshape(2, *size, 3)
    rows, columns = size[0] // 2, size[1] // 2
    blocks = x[:, : 2 * rows, : 2 * columns].reshape(2, rows, 2, columns, 2, 3)
    np.testing.assert_array_equal(jax.jit(max_pool)(x), blocks.max((2, 4)))
    gradient = jax.grad(lambda x: (max_pool(x) * 3).sum())(x)
    largest = np.isin(x, blocks.max((2, 4)))
    np.testing.assert_array_equal(gradient, np.where(largest, 3, 0))


def test_pooled_ties_share_the_gradient():
    gradient = jax.grad(lambda x: max_pool(x).sum())(np.zeros((1, 2, 2, 1), np.float32))
    np.testing.assert_array_equal(gradient, np.full((1, 2, 2, 1), 0.25, np.float32))
