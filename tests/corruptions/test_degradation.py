"""Noise and blurs against NumPy and SciPy."""

import numpy as np
import pytest
from corruption_helpers import draw, varied
from scipy import ndimage, stats

from adjax.corruptions.degradation import gaussian_blurring, gaussian_noise, svd_blurring


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_noise_is_normal_of_its_deviation(channels, sigma):
    grey = np.full((16, 16, channels), 0.5, np.float32)
    noise = varied(gaussian_noise, grey, 60, sigma=sigma) - 0.5
    assert stats.kstest(noise.ravel(), stats.norm(scale=sigma).cdf).pvalue > 1e-4
    assert noise.std() == pytest.approx(sigma, rel=0.02)


def test_noise_of_images_pixels_and_channels_is_independent():
    grey = np.full((4, 4, 3), 0.5, np.float32)
    noise = varied(gaussian_noise, grey, 4000, sigma=0.1).reshape(4000, -1)
    correlation = np.corrcoef(noise.T)[np.triu_indices(48, 1)]
    assert np.abs(correlation).max() < 0.08  # five standard errors
    in_order = np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]
    assert np.abs(in_order) < 0.01


def test_noise_is_added_and_clipped():
    image, seed = draw(40)
    grey = np.full_like(image, 0.5)
    noise = gaussian_noise(grey, seed, sigma=0.1).numpy() - grey  # never clipped: within 0.44
    noisy = gaussian_noise(image, seed, sigma=0.1).numpy()
    np.testing.assert_allclose(noisy, np.clip(image + noise, 0, 1), rtol=0, atol=1e-6)
    assert (noisy == 0).any()
    assert (noisy == 1).any()


@pytest.mark.parametrize(("sigma", "width"), [(1.0, 5), (0.5, 3), (2.0, 7)])
@pytest.mark.parametrize("channels", [1, 3])
def test_gaussian_blurring_against_scipy(sigma, width, channels):
    image, seed = draw(5, channels, size=11)
    desired = ndimage.gaussian_filter(image, sigma, axes=(1, 2), radius=width // 2, mode="reflect")
    blurred = gaussian_blurring(image, seed, sigma=sigma, width=width)
    np.testing.assert_allclose(blurred, desired, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rank", [1, 4, 9])
@pytest.mark.parametrize("shape", [(9, 9, 1), (9, 9, 3), (28, 28, 1), (9, 12, 1), (12, 9, 1)])
def test_svd_blurring_is_the_truncated_decomposition(rank, shape):
    image = np.random.default_rng(0).random((7, *shape), np.float32)
    matrix = np.moveaxis(image, -1, 1).astype(np.float64)
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    truncated = np.moveaxis((u[..., :rank] * s[..., None, :rank]) @ v[..., :rank, :], 1, -1)
    blurred = svd_blurring(image, draw(7)[1], rank=rank)
    np.testing.assert_allclose(blurred, np.clip(truncated, 0, 1), rtol=0, atol=1e-5)


def test_svd_blurring_of_flat_and_black_images_keeps_them():
    image = np.stack([np.full((8, 8, 3), level, np.float32) for level in (0, 0.5, 1)])
    blurred = svd_blurring(image, draw(3)[1], rank=4)
    np.testing.assert_allclose(blurred, image, rtol=0, atol=1e-6)
