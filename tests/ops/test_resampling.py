"""Resampling against NumPy."""

import jax
import numpy as np
import pytest

from adjax.ops import upsample_nearest


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_upsampling_repeats_pixels(factor):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5), np.float32)
    desired = x.repeat(factor, axis=1).repeat(factor, axis=2)
    actual = jax.jit(upsample_nearest, static_argnums=1)(x, factor)
    np.testing.assert_array_equal(actual, desired)
