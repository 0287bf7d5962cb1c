"""Rotated crops, translation and rotation against SciPy; no corner is black."""

import numpy as np
import pytest
import tensorflow as tf
from corruption_helpers import CROPS, draw
from scipy import ndimage, stats

from adjax.corruptions import image_function
from adjax.corruptions.crops import rotated_crops, translation_rotation
from adjax.corruptions.random import random_bits, uniform, uniform_integer

STILL = {"translation": 0.0, "angle": 0, "mirror": False}


def read(image, x, y):
    """SciPy's image `[H, W, C]` at places, mirrored outside."""
    return np.stack(
        [
            ndimage.map_coordinates(c, [y, x], order=1, mode="reflect")
            for c in np.moveaxis(image, -1, 0)
        ],
        -1,
    )


def grid(size):
    """Columns and rows of a square's pixels from its centre."""
    place = np.arange(size) - (size - 1) / 2
    return np.meshgrid(place, place)


@pytest.mark.parametrize("name", CROPS)
@pytest.mark.parametrize(("channels", "size"), [(1, 12), (3, 20)])
def test_crops_are_images_and_the_same_in_any_batch(name, channels, size):
    image, seed = draw(17, channels, 20)

    def cut(image, seed):
        return image_function("crops", name)(image, seed, size=size, **CROPS[name])

    made = cut(image, seed).numpy()
    assert made.shape == (17, size, size, channels)
    assert made.dtype == np.float32
    for chosen in (np.array([3]), np.array([16, 2, 5])):
        np.testing.assert_array_equal(cut(image[chosen], seed[chosen]), made[chosen])
    signature = [tf.TensorSpec([None, 20, 20, channels]), tf.TensorSpec([None, 3], tf.int32)]
    np.testing.assert_array_equal(tf.function(cut, signature)(image, seed), made)
    assert (cut(np.ones_like(image), seed).numpy() > 0.999).all()


@pytest.mark.parametrize(("height", "width", "size"), [(40, 40, 20), (30, 50, 16), (24, 24, 24)])
def test_rotated_crops_against_scipy(height, width, size):
    image = np.random.default_rng(0).random((20, height, width, 2), np.float32)
    _, seed = draw(20)
    made = rotated_crops(image, seed, size=size).numpy()
    angle = np.deg2rad(uniform_integer(seed, 360).numpy())
    place = uniform(seed, 3).numpy()[:, 1:]
    for k in range(20):
        cos, sin = np.cos(angle[k]), np.sin(angle[k])
        x, y = grid(size)
        x, y = cos * x - sin * y, sin * x + cos * y
        room_x, room_y = (max(0, (n - 1) / 2 - x.max()) for n in (width, height))
        x = x + (width - 1) / 2 + (2 * place[k, 0] - 1) * room_x
        y = y + (height - 1) / 2 + (2 * place[k, 1] - 1) * room_y
        if size < 24:  # nothing is read outside
            assert min(x.min(), y.min(), width - 1 - x.max(), height - 1 - y.max()) > -1e-9
        np.testing.assert_allclose(made[k], read(image[k], x, y), rtol=0, atol=1e-4)


def test_rotated_crops_come_from_everywhere():
    """A crop's middle tells where it is from: the picture is one of its own coordinates."""
    place = np.stack(np.meshgrid(*[np.arange(64) / 63] * 2), -1).astype(np.float32)
    made = rotated_crops(np.repeat(place[None], 3000, 0), draw(3000)[1], size=9).numpy()
    middle = made[:, 4, 4] * 63
    assert middle.min() < 5
    assert middle.max() > 58
    assert np.abs(np.corrcoef(middle.T)[0, 1]) < 0.08
    x, y = np.moveaxis(made[:, 4, 8] - made[:, 4, 0], -1, 0)
    turn = np.arctan2(y, x) / (2 * np.pi) % 1
    assert stats.kstest((turn * 360 + 0.5) % 360 / 360, stats.uniform.cdf).pvalue > 1e-4


def test_still_images_are_kept_or_scaled():
    image, seed = draw(4, 3, 16)
    still = translation_rotation(image, seed, size=16, **STILL)
    np.testing.assert_allclose(still, image, rtol=0, atol=1e-6)
    half = translation_rotation(image, seed, size=8, **STILL)
    mean = image.reshape(4, 8, 2, 8, 2, 3).mean((2, 4))
    np.testing.assert_allclose(half, mean, rtol=0, atol=1e-5)


def test_translation_and_rotation_against_scipy():
    image, seed = draw(20, 2, 24)
    made = translation_rotation(image, seed, size=24, translation=0.25, angle=90, mirror=True)
    angle = np.deg2rad((uniform_integer(seed, 1801).numpy() - 900) / 10)
    side = 1 - 2 * (random_bits(seed, 2).numpy()[:, 1] % 2).astype(int)
    move = (2 * uniform(seed, 4).numpy()[:, 2:] - 1) * 6
    assert 0 < (side > 0).sum() < 20
    for k in range(20):
        cos, sin = np.cos(angle[k]), np.sin(angle[k])
        x, y = grid(24)
        x = x * side[k]
        x, y = cos * x - sin * y + move[k, 0] + 11.5, sin * x + cos * y + move[k, 1] + 11.5
        np.testing.assert_allclose(made[k], read(image[k], x, y), rtol=0, atol=1e-4)


def test_no_mirroring_unless_asked_for():
    image, seed = draw(40, 1, 16)
    still, mirrored = (
        translation_rotation(image, seed, size=16, **STILL | {"mirror": mirror}).numpy()
        for mirror in (False, True)
    )
    np.testing.assert_allclose(still, image, rtol=0, atol=1e-6)
    flipped = np.abs(mirrored - image[:, :, ::-1]).max((1, 2, 3)) < 1e-6
    kept = np.abs(mirrored - image).max((1, 2, 3)) < 1e-6
    assert (flipped ^ kept).all()
    assert 10 < flipped.sum() < 30
