"""L1 contrast normalisation against its formula in NumPy, float64."""

import jax
import numpy as np
import pytest

from adjax.methods.contrast import extremes, l1_contrast, normalise


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((7, 6, 5, 3), np.float32)


def naive(image):
    """Of one image."""
    centred = image.astype(float) - image.astype(float).mean()
    return centred / abs(centred).mean()


def test_every_image_by_its_own_mean_and_l1_norm(images):
    expected = np.stack([naive(image) for image in images])
    np.testing.assert_allclose(l1_contrast(images), expected, atol=1e-5)
    np.testing.assert_allclose(l1_contrast(images[2]), expected[2], atol=1e-5)


def test_brightness_and_contrast_of_an_image_do_not_matter(images):
    changed = images * np.float32(0.3) + np.float32(0.2)
    np.testing.assert_allclose(l1_contrast(changed), l1_contrast(images), atol=1e-4)


def test_image_of_one_colour_becomes_zeros(images):
    # 0.1 is no binary fraction: the mean of many is not exactly 0.1.
    images = np.stack([np.full_like(images[0], 0.1), images[0]])
    contrast = jax.jit(l1_contrast)(images)
    assert not np.any(contrast[0])
    assert np.any(contrast[1])


def test_extremes_do_not_depend_on_how_images_come(images):
    low, high = extremes([images])
    contrast = np.stack([naive(image) for image in images])
    assert low == pytest.approx(contrast.min(), abs=1e-5)
    assert high == pytest.approx(contrast.max(), abs=1e-5)
    assert extremes(iter([images[:3], images[3:6], images[6:]])) == (low, high)


def test_training_images_span_the_unit_interval(images):
    unit = normalise(images, *extremes([images]))
    assert float(unit.min()) == pytest.approx(0, abs=1e-6)
    assert float(unit.max()) == pytest.approx(1, abs=1e-6)


def test_images_without_contrast_have_extremes_too(images):
    constant = np.full_like(images, 0.4)
    low, high = extremes([constant])
    assert high > low
    assert np.isfinite(normalise(constant, low, high)).all()


def test_no_images_have_no_extremes():
    with pytest.raises(ValueError, match="no images"):
        extremes(())
