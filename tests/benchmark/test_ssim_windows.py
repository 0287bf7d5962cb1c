"""The SSIM that ours is measured against computes the same."""

import jax
import numpy as np
import pytest

from adjax import losses
from adjax.benchmark.windows import dssim_by_windows


@pytest.mark.parametrize("channels", [1, 3])
def test_equals_ours(channels):
    rng = np.random.default_rng(channels)
    a, b = rng.random((2, 3, 14, 13, channels), np.float32)
    desired = jax.jit(losses.dssim)(a, b)
    np.testing.assert_allclose(jax.jit(dssim_by_windows)(a, b), desired, rtol=0, atol=1e-5)
