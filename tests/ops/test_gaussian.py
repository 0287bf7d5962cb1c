"""The Gaussian filter is SciPy's."""

import jax
import numpy as np
import pytest
from scipy import ndimage

from adjax.ops import gaussian_filter


@pytest.fixture
def maps():
    """Two maps, of more columns than rows."""
    return np.random.default_rng(0).random((2, 20, 31), np.float32)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5, 9.0])
def test_smoothing_is_scipys(maps, sigma):
    desired = [ndimage.gaussian_filter(one.astype(float), sigma) for one in maps]
    np.testing.assert_allclose(
        jax.jit(gaussian_filter, static_argnums=1)(maps, sigma), desired, atol=1e-6
    )


def test_none_leaves_maps_as_they_are(maps):
    assert gaussian_filter(maps, 0.0) is maps
