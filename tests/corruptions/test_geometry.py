"""Rotations, flips and shears against NumPy and SciPy."""

import numpy as np
import pytest
from corruption_helpers import draw, varied
from scipy import ndimage, stats

from adjax.corruptions.geometry import (
    horizontal_flip,
    rotation,
    shearing,
    uniform_rotation,
    vertical_flip,
)
from adjax.corruptions.random import uniform

RIGHT_ANGLES = (90, 180, 270)


def sampled(image, matrix):
    """SciPy's image `[H, W, C]` read at `matrix @ (row, column)` from the centre, black outside."""
    centre = (np.array(image.shape[:2]) - 1) / 2
    offset = centre - np.asarray(matrix) @ centre
    channels = [
        ndimage.affine_transform(x, matrix, offset, order=1, mode="grid-constant")
        for x in np.moveaxis(image, -1, 0)
    ]
    return np.stack(channels, -1)


def rotated_by_scipy(image, degrees):
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return sampled(image, [[cos, sin], [-sin, cos]])


def turns(image, rotated):
    """Quarter turns that lead from each image to the rotated one; -1 if none does."""
    turn = np.full(len(image), -1)
    for k in range(4):
        turn[(np.rot90(image, k, (1, 2)) == rotated).all((1, 2, 3))] = k
    return turn


@pytest.mark.parametrize("channels", [1, 3])
def test_rotation_is_a_quarter_half_or_three_quarter_turn(channels):
    image, seed = draw(200, channels)
    assert set(turns(image, rotation(image, seed, angles=RIGHT_ANGLES).numpy())) == {1, 2, 3}


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_rotation_by_one_angle(angle):
    image, seed = draw(5)
    rotated = rotation(image, seed, angles=(angle,)).numpy()
    np.testing.assert_array_equal(turns(image, rotated), angle // 90)


def test_the_three_turns_are_equally_likely():
    image, seed = draw(3000)
    rotated = rotation(image, seed, angles=RIGHT_ANGLES).numpy()
    count = np.bincount(turns(image, rotated), minlength=4)
    assert count[0] == 0
    assert stats.chisquare(count[1:]).pvalue > 1e-4


def test_seeds_decide_the_turn():
    image, seed = draw(64)
    one, other = (
        turns(image, rotation(image, s, angles=RIGHT_ANGLES).numpy())
        for s in (seed, seed + np.array([1, 0, 0], np.int32))
    )
    assert 5 < (one == other).sum() < 40  # 21 on average


@pytest.mark.parametrize("channels", [1, 3])
def test_flips(channels):
    image, seed = draw(9, channels)
    np.testing.assert_array_equal(horizontal_flip(image, seed), image[:, :, ::-1])
    np.testing.assert_array_equal(vertical_flip(image, seed), image[:, ::-1])


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_uniform_rotation_by_a_right_angle_is_a_turn(quarter):
    image, seed = draw(3)
    rotated = uniform_rotation(image, seed, low=90 * quarter, high=90 * quarter)
    np.testing.assert_allclose(rotated, np.rot90(image, quarter, (1, 2)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("angle", [30, 77, 200, 330])
@pytest.mark.parametrize("channels", [1, 3])
def test_uniform_rotation_against_scipy(angle, channels):
    image, seed = draw(3, channels, size=9)
    rotated = uniform_rotation(image, seed, low=angle, high=angle)
    desired = [rotated_by_scipy(x, angle) for x in image]
    np.testing.assert_allclose(rotated, desired, rtol=0, atol=1e-4)


def test_uniform_rotation_draws_every_angle_equally_often():
    image = draw(1)[0][0]
    rotated = varied(uniform_rotation, image, 4000, low=40, high=49).reshape(4000, -1)
    angles = [rotated_by_scipy(image, angle).ravel() for angle in range(40, 50)]
    distance = np.abs(rotated[:, None] - np.stack(angles)).max(-1)
    assert distance.min(1).max() < 1e-4
    assert stats.chisquare(np.bincount(distance.argmin(1), minlength=10)).pvalue > 1e-4


@pytest.mark.parametrize("factor", [0.1, 0.25, 0.6])
@pytest.mark.parametrize("channels", [1, 3])
def test_shearing_against_scipy(factor, channels):
    image, seed = draw(16, channels, size=9)
    sheared = shearing(image, seed, minimum=factor, maximum=factor).numpy()
    sides = uniform(seed, 2).numpy()[:, 1] < 0.5
    assert 0 < sides.sum() < 16
    for x, actual, side in zip(image, sheared, sides, strict=True):
        shear = -factor if side else factor
        desired = sampled(x, [[1, 0], [shear, 1]])
        np.testing.assert_allclose(actual, desired, rtol=0, atol=1e-5)


def test_shearing_draws_from_both_sides_and_the_whole_range():
    """On a ramp the sheared value of the first row tells the factor."""
    ramp = np.tile(np.arange(21, dtype=np.float32) / 20, (21, 1))[..., None]
    sheared = varied(shearing, ramp, 3000, minimum=0.1, maximum=0.3)
    factor = (sheared[:, 0, 10, 0] * 20 - 10) / -10
    side, size = np.sign(factor), np.abs(factor)
    assert stats.binomtest(int((side > 0).sum()), 3000).pvalue > 1e-4
    assert stats.kstest(size, stats.uniform(0.1, 0.2).cdf).pvalue > 1e-4
    assert np.abs(np.corrcoef(side, size)[0, 1]) < 0.08  # a deviation of four standard errors
