"""Scratches, drops and mixtures against plain loops."""

import numpy as np
import pytest
from corruption_helpers import CORRUPTION, DROPS, SCRATCH, draw
from scipy import ndimage, stats

from adjax.corruptions import image_function
from adjax.corruptions.degradation import gaussian_noise
from adjax.corruptions.drops import drops
from adjax.corruptions.mixtures import _one_of
from adjax.corruptions.random import numbered_normal, split
from adjax.corruptions.scratch import _draw, scratch
from adjax.corruptions.stain import stain

WHITE = np.ones((200, 256, 256, 1), np.float32)


def painted(function, parameters, number=200):
    made = function(WHITE[:number], draw(number)[1], **parameters).numpy()[..., 0]
    return 255 * made, made != 1


def curves_from(row, column, length):
    """Pixel sets of the twelve scratches that begin at a place, each a plain loop."""
    for curve in (
        lambda k: 2 * k,
        lambda k: 16 * np.sin(4 * k * np.pi / 180),
        lambda k: 10 * k**0.5,
    ):
        for across in (-1, 1):
            for down in (-1, 1):
                mask = np.zeros((256, 256), bool)
                for k in range(length):
                    y, x = row + down * int(np.round(curve(k))), column + across * k
                    for dy in (-1, 0, 1):
                        for dx in (-1, 0, 1):
                            if 0 <= y + dy < 256 and 0 <= x + dx < 256:
                                mask[y + dy, x + dx] = True
                yield mask


def test_scratches_are_the_published_curves():
    _, mask = painted(scratch, SCRATCH | {"deviation": 0.0}, 60)
    x, y, drawn, _ = _draw(split(draw(60)[1], 2)[0], (256, 256), 150, 150)
    kinds = np.zeros(12, int)
    for k in range(60):
        length = int(drawn[k].numpy().sum())
        curves = curves_from(int(y[k, 0]), int(x[k, 0]), length)
        kinds += [(mask[k] == curve).all() for curve in curves]
    assert kinds.sum() == 60
    assert (kinds > 0).sum() >= 10


def test_scratches_start_in_the_middle_and_have_their_lengths():
    x, y, drawn, colour = _draw(draw(4000)[1], (256, 256), 10, 220)
    for start in (x[:, 0].numpy(), y[:, 0].numpy()):
        assert (start.min(), start.max()) == (42, 213)
        assert stats.kstest((start - 41.5) / 172, stats.uniform.cdf).pvalue > 1e-4
    length = drawn.numpy().sum(1)
    assert (length >= x[:, 0].numpy() // 4).all()
    assert length.max() <= 64
    assert (colour.numpy().min(), colour.numpy().max()) == (10, 220)


def test_pixels_of_scratches_are_normal():
    level, mask = painted(scratch, SCRATCH)
    values = level[mask]
    assert values.mean() == pytest.approx(150, abs=0.5)
    assert values.std() == pytest.approx(20, rel=0.02)
    dark = painted(scratch, SCRATCH | {"colour_low": 10, "colour_high": 10})
    assert dark[0][dark[1]].min() == 0


def test_scratches_are_grey_in_colour_images():
    made = scratch(np.ones((5, 64, 64, 3), np.float32), draw(5)[1], **SCRATCH).numpy()
    np.testing.assert_array_equal(made, made[..., :1].repeat(3, -1))


def test_drops_are_small_discs_of_one_level():
    level, mask = painted(drops, DROPS)
    np.testing.assert_allclose(level[mask], 220, rtol=0, atol=1e-3)
    row, column = np.mgrid[:256, :256]
    radii = []
    for drop in mask:
        assert ndimage.label(drop)[1] == 1
        y, x = row[drop].mean(), column[drop].mean()
        distance = np.hypot(row - y, column - x)
        radii.append(np.sqrt(drop.sum() / np.pi))
        # Centres nearly coincide: it is one disc, to half a pixel.
        assert distance[drop].max() < distance[~drop].min() + 1.2
    # The greatest of ten radii, 3 to 6, where a disc holds what is nearer than its radius.
    assert 5 < np.mean(radii) < 6.1
    assert max(radii) < 6.3


@pytest.mark.parametrize("scatter", [0.0, 2.0])
def test_drops_lie_in_the_image_and_scatter(scatter):
    _, mask = painted(drops, DROPS | {"scatter": scatter})
    assert not mask[:, [0, -1]].any()
    assert not mask[:, :, [0, -1]].any()
    assert (mask.sum((1, 2)).mean() > 300) == (scatter > 0)  # a disc has 113 at most


def test_drops_are_the_union_of_discs():
    """One disc of one radius is a plain disc about a whole pixel."""
    parameters = DROPS | {"number": 1, "radius_high": 0.01, "scatter": 0.0}
    _, mask = painted(drops, parameters, 20)
    disc = np.hypot(*np.mgrid[-2:3, -2:3]) < 3
    for drop in mask:
        top, left = np.argwhere(drop).min(0)
        np.testing.assert_array_equal(drop[top : top + 5, left : left + 5], disc)
        assert drop.sum() == disc.sum()


def test_one_of_applies_each_function_to_its_share():
    image, seed = draw(3000, size=2)
    functions = [lambda x, _: x * 0 + 0.25, lambda x, _: x, lambda x, _: 1 - x]
    made = _one_of(image, seed, (0.6, 0.1, 0.3), functions).numpy()
    kind = np.where(
        (made == 0.25).all((1, 2, 3)), 0, np.where((made == image).all((1, 2, 3)), 1, 2)
    )
    np.testing.assert_array_equal(made[kind == 2], 1 - image[kind == 2])
    assert stats.chisquare(np.bincount(kind), [1800, 300, 900]).pvalue > 1e-4


@pytest.mark.parametrize(
    ("mixture", "place", "part", "function"),
    [
        ("structural", 0, "stain", stain),
        ("structural", 1, "scratch", scratch),
        ("structural", 2, "drops", drops),
        ("stain_or_gaussian", 0, "stain", stain),
        ("stain_or_gaussian", 1, "gaussian", gaussian_noise),
    ],
)
def test_mixtures_are_made_of_their_parts(mixture, place, part, function):
    image, seed = draw(6, size=48)
    parameters = CORRUPTION[mixture]
    parts = np.eye(len(parameters["parts"]))[place]
    mix = image_function("corruption", mixture)
    made = mix(image, seed, **parameters | {"parts": tuple(parts.tolist())})
    desired = function(image, split(seed, 2)[1], **parameters[part])
    np.testing.assert_array_equal(made, desired)


def test_numbered_draws_are_normal_and_follow_their_numbers():
    _, seed = draw(20)
    number = np.random.default_rng(0).integers(0, 2**31, (20, 1000)).astype(np.int32)
    number[:, -1] = number[:, 0]
    draws = numbered_normal(seed, number).numpy()
    assert stats.kstest(draws[:, :-1].ravel(), stats.norm.cdf).pvalue > 1e-4
    np.testing.assert_array_equal(draws[:, -1], draws[:, 0])
    assert (draws != numbered_normal(seed[::-1], number).numpy()).mean() > 0.99
