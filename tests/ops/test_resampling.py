"""Resampling against NumPy."""

import jax
import numpy as np
import pytest
import tensorflow as tf

from adjax.ops import (
    depth_to_space,
    max_pool,
    space_to_depth,
    upsample_bilinear,
    upsample_nearest,
)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_upsampling_repeats_pixels(factor):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5), np.float32)
    desired = x.repeat(factor, axis=1).repeat(factor, axis=2)
    actual = jax.jit(upsample_nearest, static_argnums=1)(x, factor)
    np.testing.assert_array_equal(actual, desired)


def test_pixels_become_channels_and_pixels_again():
    x = np.random.default_rng(0).standard_normal((2, 4, 6, 3), np.float32)
    deep = jax.jit(space_to_depth)(x)
    np.testing.assert_array_equal(deep, tf.nn.space_to_depth(x, 2))
    np.testing.assert_array_equal(jax.jit(depth_to_space)(deep), x)


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


def test_one_of_pooled_ties_has_the_gradient():
    gradient = jax.grad(lambda x: max_pool(x).sum())(np.zeros((1, 2, 2, 1), np.float32))
    np.testing.assert_array_equal(gradient.reshape(-1), [1, 0, 0, 0])


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (8, 5)])
def test_interpolation_is_from_corner_to_corner(size):
    x = np.random.default_rng(0).standard_normal((2, *size, 3), np.float32)
    double = [2 * n for n in size]
    with tf.GradientTape() as tape:
        variable = tf.Variable(x)
        desired = tf.compat.v1.image.resize_bilinear(variable, double, align_corners=True)
        loss = tf.reduce_sum(desired**2)
    y = jax.jit(upsample_bilinear)(x)
    np.testing.assert_allclose(y, desired.numpy(), rtol=0, atol=1e-5)
    gradient = jax.grad(lambda x: (upsample_bilinear(x) ** 2).sum())(x)
    np.testing.assert_allclose(gradient, tape.gradient(loss, variable).numpy(), rtol=0, atol=1e-4)
