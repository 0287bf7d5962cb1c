"""Distances between images against TensorFlow, scikit-image and NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import structural_similarity

from adjax import losses

# Window and sigma that scikit-image allows together: its radius is 3.5 sigma, rounded.
SKIMAGE_WINDOWS = ((11, 1.5), (7, 0.8))


@pytest.fixture(params=[1, 3], ids=["grey", "colour"])
def pair(request):
    """Two batches of images that have structure in common."""
    rng = np.random.default_rng(request.param)
    a = rng.random((2, 17, 13, request.param), np.float32)
    b = np.clip(a + rng.normal(0, 0.2, a.shape), 0, 1).astype(np.float32)
    return a, b


def skimage_ssim(a, b, sigma):
    """SSIM maps in float64."""
    maps = [
        structural_similarity(
            x, y, sigma=sigma, gaussian_weights=True, use_sample_covariance=False,
            data_range=1.0, channel_axis=-1, full=True,
        )[1]
        for x, y in zip(a.astype(np.float64), b.astype(np.float64), strict=True)
    ]  # fmt: skip
    return np.stack(maps)


def numpy_distance(a, b, window, sigma, ssim_weight, squared_weight):
    """The composite distance, window by window, in float64."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    offset = np.arange(window) - window // 2
    weight = np.exp(-(offset[:, None] ** 2 + offset[None] ** 2) / (2 * sigma**2))
    weight /= weight.sum()

    def mean(x):
        views = np.lib.stride_tricks.sliding_window_view(x, (window, window), (1, 2))
        return (views * weight).sum((-2, -1))

    mean_a, mean_b = mean(a), mean(b)
    variance_a, variance_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    ssim = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
    ssim /= (mean_a**2 + mean_b**2 + 1e-4) * (variance_a + variance_b + 9e-4)
    structure = ((1 - ssim) / 2).mean((1, 2, 3))
    return ssim_weight * structure + squared_weight * ((a - b) ** 2).mean((1, 2, 3))


@pytest.mark.parametrize(("window", "sigma"), [(11, 1.5), (7, 1.5)])
def test_ssim_equals_tensorflow(pair, window, sigma):
    a, b = pair
    actual = losses.ssim(a, b, window=window, sigma=sigma)
    assert actual.shape == (2, 18 - window, 14 - window, a.shape[-1])
    desired = tf.image.ssim(a, b, 1.0, filter_size=window, filter_sigma=sigma)
    np.testing.assert_allclose(actual.mean((1, 2, 3)), desired, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("window", "sigma"), SKIMAGE_WINDOWS)
def test_ssim_equals_scikit_image(pair, window, sigma):
    half = window // 2
    desired = skimage_ssim(*pair, sigma)[:, half:-half, half:-half]
    actual = losses.ssim(*pair, window=window, sigma=sigma)
    np.testing.assert_allclose(actual, desired, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("window", "sigma"), SKIMAGE_WINDOWS)
def test_ssim_of_size_same_mirrors_images_without_repeating_their_edge(pair, window, sigma):
    """As NumPy's "reflect"; scikit-image repeats the edge, so only its interior is the same."""
    half = window // 2
    border = ((0, 0), (half, half), (half, half), (0, 0))
    mirrored = (np.pad(x, border, "reflect") for x in pair)
    desired = skimage_ssim(*mirrored, sigma)[:, half:-half, half:-half]
    actual = losses.ssim(*pair, window=window, sigma=sigma, padding="same")
    assert actual.shape == pair[0].shape
    np.testing.assert_allclose(actual, desired, rtol=0, atol=1e-5)
    interior = (slice(None), slice(half, -half), slice(half, -half))
    np.testing.assert_allclose(
        actual[interior], skimage_ssim(*pair, sigma)[interior], rtol=0, atol=1e-5
    )


def test_ssim_in_the_dark_and_of_bright_plain_images():
    """Closed form of constant images: only the luminance term is left."""
    for level in (0.0, 0.5, 1.0):
        a, b = np.full((1, 11, 11, 1), level, np.float32), np.zeros((1, 11, 11, 1), np.float32)
        # Float32 leaves 1e-7 of a variance of zero, which C2 = 9e-4 divides.
        expected = pytest.approx(1e-4 / (level**2 + 1e-4), abs=1e-5, rel=1e-3)
        assert losses.ssim(a, b).item() == expected


def test_dssim_is_zero_of_equal_and_one_of_opposite_images():
    board = np.indices((16, 16)).sum(0)[None, ..., None] % 2 * np.float32(1)
    assert np.abs(losses.dssim(board, board)).max() < 1e-6
    assert losses.dssim(board, 1 - board).min() > 0.99


def test_dssim_lies_between_zero_and_one(pair):
    a, b = pair
    for other in (b, 1 - a, np.zeros_like(a)):
        dissimilarity = np.asarray(losses.dssim(a, other, window=7, padding="same"))
        assert dissimilarity.shape == a.shape
        assert dissimilarity.min() >= 0
        assert dissimilarity.max() <= 1
        np.testing.assert_allclose(
            dissimilarity,
            (1 - np.asarray(losses.ssim(a, other, window=7, padding="same"))) / 2,
            rtol=0,
            atol=1e-7,
        )


def test_errors_equal_numpy(pair):
    a, b = pair
    np.testing.assert_allclose(losses.squared_error(a, b), (a - b) ** 2, rtol=1e-6)
    np.testing.assert_array_equal(losses.absolute_error(a, b), np.abs(a - b))
    np.testing.assert_allclose(
        losses.mean_squared_error(a, b), ((a - b) ** 2).mean((1, 2, 3)), rtol=1e-5
    )
    np.testing.assert_allclose(
        losses.mean_absolute_error(a, b), np.abs(a - b).mean((1, 2, 3)), rtol=1e-5
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"window": 11, "sigma": 1.5, "ssim_weight": 1.0, "squared_weight": 1.0},
        {"window": 5, "sigma": 0.9, "ssim_weight": 0.3, "squared_weight": 4.0},
        {"window": 7, "sigma": 1.5, "ssim_weight": 0.0, "squared_weight": 2.0},
        {"window": 7, "sigma": 1.5, "ssim_weight": 2.0, "squared_weight": 0.0},
    ],
)
def test_distance_is_the_weighted_sum_of_its_parts(pair, settings):
    actual = losses.Distance(**settings)(*pair)
    np.testing.assert_allclose(actual, numpy_distance(*pair, **settings), rtol=1e-5)


def test_distance_by_default_is_dssim_plus_mean_square(pair):
    desired = numpy_distance(*pair, window=11, sigma=1.5, ssim_weight=1, squared_weight=1)
    np.testing.assert_allclose(losses.Distance()(*pair), desired, rtol=1e-5)


@pytest.fixture(scope="module")
def gradients():
    """Compiled gradients of the distance of one grey image of 16 x 16 in both arguments."""
    distance = losses.Distance()
    return jax.jit(jax.grad(lambda a, b: distance(a, b).sum(), (0, 1)))


def test_gradient_equals_finite_differences(gradients):
    rng = np.random.default_rng(0)
    a, b, *directions = rng.random((8, 1, 16, 16, 1), np.float32)
    in_a, in_b = gradients(a, b)

    def distance(a, b):
        return numpy_distance(a, b, window=11, sigma=1.5, ssim_weight=1, squared_weight=1)

    for direction in directions:
        step = 1e-5 * (direction.astype(np.float64) - 0.5)
        for gradient, slope in (
            (in_a, distance(a + step, b) - distance(a - step, b)),
            (in_b, distance(a, b + step) - distance(a, b - step)),
        ):
            assert slope / 2e-5 == pytest.approx(
                (np.asarray(gradient) * step).sum() / 1e-5, rel=1e-3, abs=1e-5
            )


@pytest.mark.parametrize("image", [0.0, 0.5, 1.0, None], ids=["black", "grey", "white", "random"])
def test_gradient_vanishes_at_equal_images(gradients, image):
    shape = (1, 16, 16, 1)
    if image is None:
        image = np.random.default_rng(0).random(shape)
    image = np.broadcast_to(image, shape).astype(np.float32)
    for gradient in gradients(image, image):
        assert np.abs(gradient).max() < 1e-6


def test_gradients_are_finite_at_constant_images(gradients):
    black, white = np.zeros((1, 16, 16, 1), np.float32), np.ones((1, 16, 16, 1), np.float32)
    for gradient in (*gradients(black, white), *gradients(white, black)):
        assert np.isfinite(gradient).all()
    # To brighten black is to come closer to white, to darken white is to come closer to black.
    assert (gradients(black, white)[0] < 0).all()
    assert (gradients(white, black)[0] > 0).all()


def test_an_image_smaller_than_the_window_raises():
    image = jnp.zeros((1, 10, 12, 1))
    with pytest.raises(ValueError, match="smaller than the 11 px"):
        losses.ssim(image, image)
    with pytest.raises(ValueError, match="smaller than the 11 px"):
        losses.Distance()(image.transpose(0, 2, 1, 3), image.transpose(0, 2, 1, 3))
    assert losses.ssim(image, image, window=9).shape == (1, 2, 4, 1)


def test_unequal_shapes_raise():
    grey, colour = jnp.zeros((1, 12, 12, 1)), jnp.zeros((1, 12, 12, 3))
    with pytest.raises(ValueError, match="one shape"):
        losses.ssim(grey, colour)


def test_unknown_padding_raises():
    image = jnp.zeros((1, 12, 12, 1))
    with pytest.raises(ValueError, match="'full'"):
        losses.ssim(image, image, padding="full")
