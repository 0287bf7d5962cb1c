"""Changes of test images, and the table of what they do to fixed thresholds."""

import numpy as np
import pytest
from pixel_helpers import a_test_set

from adjax.evaluation.pixel_metrics import count_pixels, pixel_metrics
from adjax.evaluation.robustness import CHANGES, STRENGTHS, change_images, robustness_table
from adjax.evaluation.thresholds import pixel_rates, quantile

IMAGE = np.random.default_rng(0).random((5, 12, 10, 3), np.float32) * 0.4 + 0.3


def test_every_change_has_strengths():
    assert CHANGES.keys() == STRENGTHS.keys()


@pytest.mark.parametrize("change", CHANGES)
def test_strength_zero_changes_nothing(change):
    np.testing.assert_allclose(change_images(IMAGE, change, 0.0), IMAGE, rtol=0, atol=1e-6)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("whole", [False, True])
def test_same_seed_same_images_in_any_batch(change, whole):
    image = np.rint(IMAGE * 255).astype(np.uint8) if whole else IMAGE
    before = image.copy()
    changed = change_images(image, change, 0.3, seed=4)
    np.testing.assert_array_equal(image, before)
    assert changed.dtype == image.dtype
    assert changed.shape == image.shape
    parts = [change_images(image[i : i + 2], change, 0.3, seed=4, first=i) for i in (0, 2, 4)]
    np.testing.assert_array_equal(np.concatenate(parts), changed)
    other = change_images(image, change, 0.3, seed=5)
    assert (other == changed).all() == (change in ("brightness", "contrast"))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("strength", [-0.9, 0.9])
def test_changed_images_are_images(change, strength):
    changed = change_images(IMAGE, change, strength)
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_uint8_images_change_like_floats():
    whole = np.rint(IMAGE * 255).astype(np.uint8)
    changed = change_images(whole, "brightness", 0.1).astype(int) - whole
    assert set(np.unique(changed)) <= {25, 26}


def test_brightness_and_contrast():
    brighter = change_images(IMAGE, "brightness", 0.2)
    np.testing.assert_allclose(brighter, IMAGE + np.float32(0.2), atol=1e-6)
    flatter = change_images(IMAGE, "contrast", -0.5)
    np.testing.assert_allclose(flatter.mean((1, 2, 3)), IMAGE.mean((1, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(flatter.std((1, 2, 3)), IMAGE.std((1, 2, 3)) / 2, rtol=1e-4)


def test_gradient_is_a_ramp_that_spans_its_strength():
    ramp = change_images(np.full((50, 16, 16, 1), 0.5, np.float32), "gradient", 0.4)[..., 0] / 0.5
    assert ramp.min() == pytest.approx(0.6, abs=1e-5)
    assert ramp.max() == pytest.approx(1.4, abs=1e-5)
    np.testing.assert_allclose(ramp.max((1, 2)), 1.4, atol=1e-5)
    np.testing.assert_allclose(np.diff(ramp, 2, axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(np.diff(ramp, 2, axis=2), 0, atol=1e-5)
    # in directions of every quadrant
    slopes = ramp[:, 1, 0] > ramp[:, 0, 0], ramp[:, 0, 1] > ramp[:, 0, 0]
    assert len(set(zip(*map(list, slopes), strict=True))) == 4


def test_noise_has_its_deviation():
    grey = np.full((4, 64, 64, 1), 0.5, np.float32)
    added = change_images(grey, "noise", 0.05) - grey
    assert added.std() == pytest.approx(0.05, rel=0.05)
    assert abs(added.mean()) < 0.002
    assert abs(np.corrcoef(added[0].ravel(), added[1].ravel())[0, 1]) < 0.05


def test_rows_of_the_table():
    maps, masks = a_test_set(images=7)
    image = (maps / maps.max())[..., None]
    sizes = []

    def score_maps(image):
        sizes.append(len(image))
        return image[..., 0]

    thresholds = {"quantile": quantile(image[:2, ..., 0], 0.99), "fixed": 0.5}
    strengths = {"brightness": (0.2,), "noise": (0.05, 0.1)}
    rows = robustness_table(
        score_maps, image, masks, thresholds, strengths=strengths, seed=3, batch_size=3
    )
    assert sizes == [3, 3, 1] * 4
    assert [(row["change"], row["strength"]) for row in rows] == [
        ("none", 0.0),
        ("brightness", 0.2),
        ("noise", 0.05),
        ("noise", 0.1),
    ]
    assert rows[0]["f1"] == {
        n: r["f1"] for n, r in pixel_rates(image[..., 0], masks, thresholds).items()
    }
    assert rows[0]["pixel_auroc"] == pixel_metrics(image[..., 0], masks)["pixel_auroc"]
    noisy = change_images(image, "noise", 0.1, seed=3)[..., 0]
    assert rows[3]["f1"] == {n: r["f1"] for n, r in pixel_rates(noisy, masks, thresholds).items()}
    assert count_pixels(noisy, masks).regions > 0
    # A detector that sees brightness keeps its order of pixels, but no fixed threshold survives.
    assert rows[1]["pixel_auroc"] > 0.9 * rows[0]["pixel_auroc"]
    assert rows[1]["f1"]["fixed"] < 0.8 * rows[0]["f1"]["fixed"]
