"""Blending solves Poisson's equation; patches come from objects, lie on objects, and are scaled."""

import numpy as np
import pytest
import tensorflow as tf
from corruption_helpers import CORRUPTION, draw

from adjax.corruptions.nsa_like import nsa_like
from adjax.corruptions.poisson import blend
from adjax.inputs import Stream, train_batches

NSA = CORRUPTION["nsa_like"]
SIZE, NUMBER = 64, 24


def images(seed, low=0, high=256, size=SIZE, channels=1):
    rng = np.random.default_rng(seed)
    shape = (NUMBER, size, size, channels)
    return rng.integers(low, high, shape).astype(np.float32) / np.float32(255)


def solved(under, patch, mixed):
    """Solve the equation of one rectangle and channel, as a dense system: `[H, W]` twice."""
    height, width = under.shape
    matrix, right = np.eye(under.size), under.astype(np.float64).ravel()
    for i in range(1, height - 1):
        for j in range(1, width - 1):
            row = i * width + j
            right[row] = 0
            for di, dj in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                matrix[row, (i + di) * width + j + dj] = -1
                new = float(patch[i, j]) - float(patch[i + di, j + dj])
                old = float(under[i, j]) - float(under[i + di, j + dj])
                right[row] += new if not mixed or abs(new) > abs(old) else old
            matrix[row, row] = 4
    return np.linalg.solve(matrix, right).reshape(under.shape)


@pytest.mark.parametrize("mixed", [False, True])
def test_blending_solves_the_equation(mixed):
    rng = np.random.default_rng(0)
    under, patch = (rng.random((3, 11, 11, 2), np.float32) for _ in range(2))
    size = np.array([(11, 11), (3, 8), (6, 4)], np.int32)
    made = blend(tf.constant(under), tf.constant(patch), tf.constant(size), mixed=mixed).numpy()
    for k, (height, width) in enumerate(size):
        for channel in range(2):
            whole = made[k, ..., channel]
            parts = (a[k, :height, :width, channel] for a in (under, patch))
            np.testing.assert_allclose(whole[:height, :width], solved(*parts, mixed), atol=2e-6)
            whole[1 : height - 1, 1 : width - 1] = under[k, 1 : height - 1, 1 : width - 1, channel]
            np.testing.assert_array_equal(whole, under[k, ..., channel])


def make(image, source=None, **changes):
    return nsa_like(image, draw(len(image))[1], source=source, **NSA | changes).numpy()


def test_a_patch_that_is_brighter_only_changes_nothing():
    image = images(0, 50, 150)
    made = make(image, image[:, ::1] + np.float32(0.2), patches=1, factor_low=1.0, factor_high=1.0)
    flat = np.full_like(image, 0.4)
    np.testing.assert_allclose(make(flat, flat + np.float32(0.3)), flat, atol=0.5 / 255)
    assert (made != image).any((1, 2, 3)).all()


def extents(made, image):
    """Height and width of what was changed in each image, as parts of the side."""
    found = []
    for one in (made != image).any(-1):
        places = np.argwhere(one)
        found.append((places.max(0) - places.min(0) + 3) / len(one))  # with the border
    return np.array(found)


def test_sizes_are_within_bounds():
    image, source = images(0), images(1)
    for low, high in ((0.1, 0.15), (0.25, 0.4)):
        found = extents(make(image, source, patches=1, size_low=low, size_high=high), image)
        assert found.min() >= low - 2 / SIZE
        assert found.max() <= high


def test_patches_are_scaled():
    stripes = np.zeros((NUMBER, SIZE, SIZE, 1), np.float32)
    stripes[:, ::2] = 1  # period of two pixels, which halving makes even
    flat = np.zeros_like(stripes)
    sizes = {"patches": 1, "size_low": 0.2, "size_high": 0.4, "spread": 0.0}
    contrast = [
        make(flat, stripes, factor_low=k, factor_high=k, **sizes).std((1, 2, 3)).mean()
        for k in (0.5, 1.0)
    ]
    assert contrast[0] < 0.2 * contrast[1]


def test_further_patches_come_by_the_toss_of_a_coin():
    image, source = images(0), images(1)
    one, two = (make(image, source, patches=n, size_high=0.1) for n in (1, 2))
    more = (one != two).any((1, 2, 3))
    assert 0.2 < more.mean() < 0.8


def test_patches_are_of_objects_and_on_objects():
    image, source = images(0, 0, 100), images(1, 0, 100)
    image[:, :, SIZE // 2 :] = source[:, : SIZE // 2] = 200 / 255
    whole = {"background": 200, "contrast": 60, "patches": 1, "size_high": 0.15}
    changed = make(image, source, **whole) != image
    columns = [np.argwhere(one)[:, 1].mean() for one in changed if one.any()]
    assert len(columns) > 0.9 * NUMBER
    assert max(columns) < 0.7 * SIZE
    blank = np.full_like(image, 200 / 255)
    np.testing.assert_array_equal(make(image, blank, **whole), image)


def batches(part=(slice(None), slice(None)), size=40):
    table = np.random.default_rng(2).integers(0, 256, (20, size, size, 3), np.uint8)
    members = [Stream(np.arange(10 * k, 10 * k + 10), k) for k in range(2)]
    return list(train_batches(table, members, 6, range(3), part=part, corruption=("nsa_like", NSA)))


def test_any_slice_of_a_batch_can_be_made_alone():
    for whole, part in zip(batches(), batches((slice(1, 2), slice(2, 5))), strict=True):
        for key in ("image", "corrupted"):
            np.testing.assert_array_equal(part[key], whole[key][1:2, 2:5])
