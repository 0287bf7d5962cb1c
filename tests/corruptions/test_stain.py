"""Stains against the published recipe drawn slowly, and the statistics of their draws."""

import itertools

import naive_stain
import numpy as np
import pytest
import tensorflow as tf
from corruption_helpers import STAIN, draw
from scipy import ndimage, stats
from skimage.draw import ellipse_perimeter, line

from adjax.corruptions.random import split
from adjax.corruptions.stain import Stains, draw_stains, fill_polygon, outline, stain

TURN = 2 * np.pi / 4096
DRAWN = ("size_low", "size_high", "colour_low", "colour_high", "irregularity")


def stains(number, size=256, **changes):
    """The draws that `stain` makes of the seeds of `draw`, as NumPy arrays."""
    seed = split(draw(number)[1], 2)[0]
    parameters = {name: (STAIN | changes)[name] for name in DRAWN}
    return Stains(*(part.numpy() for part in draw_stains(seed, (size, size), **parameters)))


def ellipses(rows):
    """Stains of irregularity 0 by rows of (semi_x, semi_y, angle)."""
    semi_x, semi_y, angle = np.array(rows, np.int32).T
    zero = np.zeros_like(angle)
    jitter = np.zeros((len(rows), 39, 2), np.int32)
    return Stains(zero, semi_x, semi_y, angle, zero, zero, jitter)


def masks(drawn, size=96):
    """The masks of stains about the middle of a square: `[N, size, size]`."""
    return fill_polygon(outline(drawn) + np.int32(size // 2), (size, size)).numpy()


def test_stains_are_those_of_the_slow_recipe():
    drawn = stains(40)
    overlaps = []
    for k, mask in enumerate(masks(drawn)):
        pixels = naive_stain.rim(drawn.semi_x[k], drawn.semi_y[k], TURN * drawn.angle[k])
        points = naive_stain.kept(pixels)
        points = points + drawn.jitter[k, : len(points)]
        desired = naive_stain.filled(naive_stain.curve(points) + 48, 96)
        overlaps.append(naive_stain.overlap(mask, desired))
    assert min(overlaps) > 0.95
    assert np.mean(overlaps) > 0.999


def test_ellipses_are_those_of_scikit_image():
    """Nearly: its turned rims are up to a pixel off the ellipse, thin ones more."""
    rows = [(a, b, t) for a, b in ((12, 9), (20, 20), (30, 18)) for t in (0, 300, 1300, 3333)]
    overlaps = []
    for (a, b, t), mask in zip(rows, masks(ellipses(rows)), strict=True):
        row, column = ellipse_perimeter(0, 0, b, a, orientation=TURN * t)
        vertices = naive_stain.curve(naive_stain.kept(np.stack([column, row], -1)))
        overlaps.append(naive_stain.overlap(mask, naive_stain.filled(vertices + 48, 96)))
    assert min(overlaps) > 0.87
    assert np.mean(overlaps) > 0.94


@pytest.mark.parametrize("shape", [(40, 40), (30, 40)])
def test_fill_is_the_even_odd_rule_with_lines(shape):
    vertex = np.random.default_rng(0).integers(-8, 48, (30, 9, 2)).astype(np.int32)
    vertex[:, -1] = vertex[:, 0]
    mask = fill_polygon(vertex, shape).numpy()
    for corners, actual in zip(vertex + 8, mask, strict=True):
        drawn = np.zeros((56, 56), bool)
        for (x, y), (to_x, to_y) in itertools.pairwise(corners):
            drawn[line(y, x, to_y, to_x)] = True
        # Beside lines that are far from diagonal the pixels of a line are a matter of rounding.
        beside = ndimage.binary_dilation(drawn, np.ones((3, 3)))
        sure = ~beside[8 : 8 + shape[0], 8 : 8 + shape[1]]
        desired = naive_stain.filled(corners, 56)[8 : 8 + shape[0], 8 : 8 + shape[1]]
        np.testing.assert_array_equal(actual[sure], desired[sure])
        assert actual[desired].all()


def test_fill_of_a_square_a_line_and_a_point():
    square = [(1, 1), (4, 1), (4, 3), (1, 3), (1, 1)]
    line = [(0, 0), (3, 3), (0, 0), (0, 0), (0, 0)]
    point = [(2, 2)] * 5
    mask = fill_polygon(np.array([square, line, point], np.int32), (6, 6)).numpy()
    np.testing.assert_array_equal(np.argwhere(mask[0]).min(0), (1, 1))
    np.testing.assert_array_equal(np.argwhere(mask[0]).max(0), (3, 4))
    assert mask[0].sum() == 12
    np.testing.assert_array_equal(np.argwhere(mask[1]), [(k, k) for k in range(4)])
    np.testing.assert_array_equal(np.argwhere(mask[2]), [(2, 2)])


def test_draws_have_the_published_ranges():
    drawn = stains(4000)
    for values, low, high in (
        (drawn.colour, 10, 220),
        (drawn.semi_x, 2, 30),
        (drawn.semi_y, 2, 30),
        (drawn.angle, 0, 4095),
    ):
        bins = min(high - low + 1, 256)
        count = np.bincount((values - low) * bins // (high - low + 1), minlength=bins)
        assert len(count) == bins
        assert stats.chisquare(count).pvalue > 1e-4
    reach = np.maximum(drawn.semi_x, drawn.semi_y)
    for values in (drawn.x, drawn.y):
        place = (values - reach + 0.5) / (256 - 2 * reach + 1)
        assert stats.kstest(place, stats.uniform.cdf).pvalue > 1e-4
    together = np.stack([drawn.colour, drawn.semi_x, drawn.semi_y, drawn.angle, drawn.x, drawn.y])
    correlation = np.corrcoef(together)[np.triu_indices(6, 1)]
    assert np.abs(correlation).max() < 0.07  # more than four standard errors


@pytest.mark.parametrize("irregularity", [0.0, 0.1, 0.5])
def test_points_move_by_the_irregularity_and_no_further(irregularity):
    drawn = stains(1000, irregularity=irregularity)
    furthest = np.floor(irregularity * (drawn.semi_x + drawn.semi_y) / 2).astype(int)
    moved = np.abs(drawn.jitter).max((1, 2))
    assert (moved <= furthest).all()
    assert (moved == furthest).mean() > 0.9
    large = drawn.jitter[furthest == furthest.max()].ravel()
    count = np.bincount(large + furthest.max(), minlength=2 * furthest.max() + 1)
    assert stats.chisquare(count).pvalue > 1e-4 or irregularity == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_stain_is_grey_with_noise_and_leaves_the_rest(channels):
    drawn = stains(40)
    level = np.full((40, 256, 256, channels), 255, np.float32)
    made = 255 * stain(level / 255, draw(40)[1], **STAIN).numpy()
    np.testing.assert_allclose(made, np.round(made), rtol=0, atol=1e-4)
    painted = (made != 255).all(-1)
    assert ((made != 255).any(-1) == painted).all()
    centred = masks(drawn)
    rest = []
    for k in range(40):
        row, column = np.nonzero(centred[k])
        row, column = row + drawn.y[k] - 48, column + drawn.x[k] - 48
        inside = (row >= 0) & (row < 256) & (column >= 0) & (column < 256)
        desired = np.zeros((256, 256), bool)
        desired[row[inside], column[inside]] = True
        np.testing.assert_array_equal(painted[k], desired)
        rest.append(made[k][desired].reshape(-1, channels) - drawn.colour[k])
    bright = np.concatenate([r for r, c in zip(rest, drawn.colour, strict=True) if c > 30])
    assert bright.std() == pytest.approx(255 * np.sqrt(STAIN["noise_variance"]), rel=0.03)
    assert abs(bright.mean()) < 0.1
    if channels == 3:
        assert np.abs(np.corrcoef(bright.T)[np.triu_indices(3, 1)]).max() < 0.03


def test_edges_are_blurred_by_a_gaussian_of_the_greater_semi_axis():
    """Black stains on white without noise show the weights."""
    parameters = STAIN | {"colour_low": 0, "colour_high": 0, "noise_variance": 0.0}
    white, seed = np.ones((24, 128, 128, 1), np.float32), draw(24)[1]
    sharp = 1 - stain(white, seed, **parameters).numpy()[..., 0]
    soft = 1 - stain(white, seed, **parameters | {"blur": 0.15}).numpy()[..., 0]
    drawn = stains(24, 128)
    for k, reach in enumerate(np.maximum(drawn.semi_x, drawn.semi_y)):
        desired = ndimage.gaussian_filter(sharp[k], 0.15 * reach, mode="constant")
        np.testing.assert_allclose(soft[k], desired, rtol=0, atol=1.2 / 255)


def test_ellipses_lie_in_the_image():
    """Without jitter the whole of every ellipse is seen, but for the last row and column."""
    white, seed = np.ones((200, 64, 64, 1), np.float32), draw(200)[1]
    parameters = STAIN | {"irregularity": 0.0, "size_high": 0.4}
    area = (stain(white, seed, **parameters).numpy() < 1).sum((1, 2, 3))
    whole = masks(stains(200, 64, irregularity=0.0, size_high=0.4)).sum((1, 2))
    assert (whole - area <= 16).all()
    assert (whole == area).mean() > 0.8


def test_rectangular_images_have_semi_axes_of_their_sides():
    _, seed = draw(500)
    drawn = draw_stains(seed, (64, 512), *(STAIN[name] for name in DRAWN))
    assert (drawn.semi_x.numpy().max(), drawn.semi_y.numpy().max()) == (61, 7)
    image = tf.ones((500, 64, 512, 1))
    assert (stain(image[:20], seed[:20], **STAIN).numpy() < 1).any((1, 2, 3)).all()
