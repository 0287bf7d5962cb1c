"""Depthwise convolution against SciPy, channel by channel, in both of its forms."""

import jax
import numpy as np
import pytest
from scipy.signal import correlate2d

from adjax.ops import depthwise


def naive(x, w, stride):
    """Every channel by itself, padded as TensorFlow pads "SAME"."""
    batch, height, width, channels = x.shape
    kernel = w.shape[0]
    pads = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in (height, width)]
    x = np.pad(x, ((0, 0), *((p // 2, p - p // 2) for p in pads), (0, 0)))
    return np.stack(
        [
            [correlate2d(x[b, :, :, c], w[:, :, 0, c], "valid") for c in range(channels)]
            for b in range(batch)
        ]
    ).transpose(0, 2, 3, 1)[:, ::stride, ::stride]


@pytest.mark.parametrize(
    ("height", "width", "kernel", "stride"),
    [(8, 8, 3, 1), (8, 6, 3, 2), (7, 9, 5, 2), (7, 9, 5, 1), (2, 1, 5, 2), (5, 4, 1, 1)],
)
def test_equals_a_correlation_of_each_channel(height, width, kernel, stride):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, height, width, 3), np.float32)
    w = rng.standard_normal((kernel, kernel, 1, 3), np.float32)
    y = jax.jit(depthwise, static_argnums=2)(x, w, (stride, stride))
    np.testing.assert_allclose(y, naive(x, w, stride), rtol=0, atol=1e-5)


def test_other_platforms_take_the_convolution_of_their_library(other_platform):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 7, 8, 3), np.float32)
    w = rng.standard_normal((5, 5, 1, 3), np.float32)
    np.testing.assert_allclose(depthwise(x, w, (2, 2)), naive(x, w, 2), rtol=0, atol=1e-5)
