"""Stains: irregular grey ellipses, after Collin and De Vleeschouwer (ICPR 2020, their code).

Some pixels of the rim of an ellipse are moved at random and joined by a cubic curve; what it
encloses is filled. Roundings do not depend on the batch: whole numbers, sums that are exact, and
tables in the place of functions.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from adjax.corruptions.painting import between, paint, window_corner, window_pixels
from adjax.corruptions.random import random_bits, split, standard_normal

_NOMINAL = 20  # points of a rim: of its n pixels, every floor(n / 20)-th is kept
_POINTS = 39  # so many at most (n = 39)
_FINER = 10  # points of the curve a point of the rim
_ANGLES = 4096  # rotations that are drawn from


class Stains(NamedTuple):
    """Draws of stains, one an image; lengths in pixels, int32 `[N]` where not said."""

    colour: tf.Tensor  # grey level
    semi_x: tf.Tensor  # semi-axes, along columns and rows before the rotation
    semi_y: tf.Tensor
    angle: tf.Tensor  # in parts of 1/4096 of a turn
    x: tf.Tensor  # centre: column
    y: tf.Tensor  # and row
    jitter: tf.Tensor  # [N, 39, 2], of the points of the rim


class Blob(NamedTuple):
    """Windows of K pixels around stains, one an image."""

    pixel: tf.Tensor  # int32 [N, K], numbers of the window's pixels, row by row of the image
    hard: tf.Tensor  # [N, K], 1 where the stain is, else 0
    soft: tf.Tensor  # [N, K], the same with a softened edge
    window: tuple[int, int]  # height and width of the windows


def stain(
    image: tf.Tensor,
    seed: tf.Tensor,
    *,
    size_low: float,
    size_high: float,
    colour_low: int,
    colour_high: int,
    irregularity: float,
    blur: float,
    noise_variance: float,
) -> tf.Tensor:
    """Put one stain into each image, its ellipse all inside.

    Args:
      image: `[N, H, W, C]` in [0, 1].
      seed: int32 `[N, 3]`.
      size_low: least semi-axis, a fraction of the image's width (and height); a pixel at least.
      size_high: greatest semi-axis, less than half.
      colour_low: least grey level, 0 to 255; a stain is grey in colour images too.
      colour_high: greatest grey level.
      irregularity: points of the rim move by up to this fraction of the mean semi-axis.
      blur: deviation of the Gaussian that softens the edge, a fraction of the greater semi-axis.
      noise_variance: of the stain's texture, independent in every pixel and channel.

    Returns:
      `[N, H, W, C]`; pixels outside the stain are untouched, the others one of 256 grey levels.

    """
    size, channels = image.shape[1:3], image.shape[3]
    draws, noise = split(seed, 2)
    stains = draw_stains(draws, size, size_low, size_high, colour_low, colour_high, irregularity)
    blob = fill(stains, size, size_low, size_high, irregularity, blur)
    area = blob.window[0] * blob.window[1]
    texture = tf.reshape(standard_normal(noise, area * channels), (-1, area, channels))
    grey = tf.cast(stains.colour, tf.float32)[:, None, None] / 255
    return paint(image, blob.pixel, blob.soft, grey + float(np.sqrt(noise_variance)) * texture)


def fill(
    stains: Stains,
    size: Sequence[int],
    size_low: float,
    size_high: float,
    irregularity: float,
    blur: float,
) -> Blob:
    """Return which pixels of images of `size` (H, W) stains cover; parameters as of `stain`."""
    reach = max(_semi_axes(size_low, size_high, n)[1] for n in size)
    softening = int(np.ceil(4 * blur * reach))
    # Twice what points may move: the curve between them goes a little further.
    half = reach + 2 * int(irregularity * reach) + 1 + softening
    window = tuple(min(2 * half + 1, n) for n in size)
    corner = [
        window_corner(centre, width, n)
        for centre, width, n in zip((stains.y, stains.x), window, size, strict=True)
    ]
    centre = tf.stack([stains.x - corner[1], stains.y - corner[0]], -1)
    hard = soft = tf.cast(fill_polygon(outline(stains) + centre[:, None], window), tf.float32)
    if blur > 0:
        soft = _blurred(hard, tf.maximum(stains.semi_x, stains.semi_y), blur, reach)
    area = window[0] * window[1]
    pixel = window_pixels(*corner, window, size[1])
    return Blob(*(tf.reshape(part, (-1, area)) for part in (pixel, hard, soft)), window)


def draw_stains(
    seed: tf.Tensor,
    size: Sequence[int],
    size_low: float,
    size_high: float,
    colour_low: int,
    colour_high: int,
    irregularity: float,
) -> Stains:
    """Draw one stain an image of `size` (H, W); the parameters are those of `stain`."""
    bits = random_bits(seed, 6 + 2 * _POINTS)
    colour = between(bits[:, 0], colour_low, colour_high)
    semi_x = between(bits[:, 1], *_semi_axes(size_low, size_high, size[1]))
    semi_y = between(bits[:, 2], *_semi_axes(size_low, size_high, size[0]))
    reach = tf.maximum(semi_x, semi_y)
    mean = tf.cast(semi_x + semi_y, tf.float64) / 2
    furthest = tf.cast(tf.floor(irregularity * mean), tf.int32)[:, None]
    jitter = between(bits[:, 6:], -furthest, furthest)
    return Stains(
        colour=colour,
        semi_x=semi_x,
        semi_y=semi_y,
        angle=between(bits[:, 3], 0, _ANGLES - 1),
        x=between(bits[:, 4], reach, size[1] - reach),
        y=between(bits[:, 5], reach, size[0] - reach),
        jitter=tf.reshape(jitter, (-1, _POINTS, 2)),
    )


def outline(stains: Stains) -> tf.Tensor:
    """Polygon of each stain: int32 `[N, 400, 2]`, (x, y) from its centre; its end repeats."""
    point, count = _rim(stains)
    point += tf.cast(stains.jitter, tf.float64)
    x, y = tf.unstack(point, axis=-1)
    # Grows with the polar angle as atan2 does, and takes no function that rounds.
    norm = tf.maximum(tf.abs(x) + tf.abs(y), 1)
    around = tf.where(x >= 0, y / norm, tf.where(y >= 0, 2 - y / norm, -2 - y / norm))
    number = tf.range(_POINTS)
    around = tf.where(number < count[:, None], around, tf.constant(np.inf, tf.float64))
    order = tf.pad(tf.argsort(around, stable=True), ((0, 0), (0, 1)))
    closed = tf.where(tf.range(_POINTS + 1) < count[:, None], order, order[:, :1])
    point = tf.gather(point, closed, batch_dims=1)
    curve = tf.linalg.matmul(tf.gather(tf.constant(_interpolation()), count), point)
    return tf.cast(tf.floor(curve + 0.5), tf.int32)


def _semi_axes(low: float, high: float, size: int) -> tuple[int, int]:
    """Least and greatest semi-axis in pixels."""
    return max(1, int(low * size)), max(1, int(high * size))


def _rim(stains: Stains) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the points kept of the rims of ellipses, drawn on the grid of pixels.

    A rim has, where it is flatter than 45 degrees, the nearest pixel in every column, elsewhere in
    every row: an unbroken line of pixels. Half of it is the other half seen through the centre.

    Returns:
      Points (x, y) from the centre, float64 `[N, 39, 2]`, and how many of them count, int32 `[N]`.

    """
    angle = 2 * np.pi * np.arange(_ANGLES) / _ANGLES
    cos = tf.gather(tf.constant(np.cos(angle)), stains.angle)
    sin = tf.gather(tf.constant(np.sin(angle)), stains.angle)
    square_x = tf.cast(stains.semi_x, tf.float64) ** 2
    square_y = tf.cast(stains.semi_y, tf.float64) ** 2
    # The ellipse is z' S^-1 z = 1 with S = [[xx, xy], [xy, yy]].
    xx = square_x * cos**2 + square_y * sin**2
    yy = square_x * sin**2 + square_y * cos**2
    xy = (square_x - square_y) * sin * cos
    # It falls at 45 degrees at S (1, 1) / sqrt(rising) and rises so at S (1, -1) / sqrt(falling).
    plus, minus = tf.sqrt(xx + 2 * xy + yy), tf.sqrt(xx - 2 * xy + yy)
    first_x, last_x = tf.math.ceil((xy - xx) / minus), tf.floor((xx + xy) / plus)
    first_y, last_y = tf.floor((xy + yy) / plus), tf.math.ceil((xy - yy) / minus)
    columns, rows = last_x - first_x + 1, first_y - last_y + 1
    half = columns + rows
    step = tf.maximum(tf.floor(2 * half / _NOMINAL), 1)
    index = step[:, None] * tf.range(_POINTS, dtype=tf.float64)
    along = index % half[:, None]
    sign = tf.where(index < half[:, None], tf.constant(1, tf.float64), -1)

    def opposite(along, own, other):
        """Return the greater coordinate on the rim where the one that goes along is given."""
        root = tf.sqrt(tf.maximum(own - along**2, 0) * (square_x * square_y)[:, None]) / own
        return tf.floor((xy[:, None] * along / own + root) + 0.5)

    column = first_x[:, None] + along
    row = first_y[:, None] - (along - columns[:, None])
    flat = tf.stack([column, opposite(column, xx[:, None], yy)], -1)
    steep = tf.stack([opposite(row, yy[:, None], xx), row], -1)
    point = tf.where((along < columns[:, None])[..., None], flat, steep)
    count = tf.cast(tf.math.ceil(2 * half / step), tf.int32)
    return sign[..., None] * point, count


@functools.cache
def _interpolation() -> np.ndarray:
    """Weights of points in the curve through them: float64 `[40, 400, 40]`.

    Row `[count]` is for `count` points and the first one again: a cubic spline that is not
    periodic (its third derivative has no jump at the second and the last but one point), at ten
    times as many places; what remains of the 400 repeats the end. Weights are multiples of 2^-40:
    their sums with whole numbers are exact, in any order.
    """
    from scipy.interpolate import CubicSpline  # here: not needed by runs without stains

    size = _POINTS + 1
    weight = np.zeros((size, _FINER * size, size))
    for count in range(3, size):
        places = np.linspace(0, count, _FINER * (count + 1))
        spline = CubicSpline(np.arange(count + 1), np.eye(count + 1))
        weight[count, : len(places), : count + 1] = spline(places)
        weight[count, len(places) :, count] = 1
    return np.round(weight * 2.0**40) / 2.0**40


def fill_polygon(vertex: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Fill polygons, lines included, by the even-odd rule.

    Args:
      vertex: int32 `[N, V, 2]`, (x, y), the last equal to the first.
      shape: `(H, W)` of the grid, static.

    Returns:
      bool `[N, H, W]`.

    """
    line = _pixels_of_lines(vertex)
    # Lines outside go to a margin of one pixel. They pass no pixel of the grid on their way, so
    # which of them are enclosed does not change.
    x = tf.clip_by_value(line[..., 0], -1, shape[1]) + 1
    y = tf.clip_by_value(line[..., 1], -1, shape[0]) + 1
    next_x, next_y = tf.roll(x, -1, 1), tf.roll(y, -1, 1)
    height, width = shape[0] + 2, shape[1] + 2
    first = tf.range(tf.shape(x)[0])[:, None] * height

    def count(value, x, y):
        index = (first + y) * width + x
        total = tf.math.unsorted_segment_sum(value, index, tf.shape(x)[0] * height * width)
        return tf.reshape(total, (-1, height, width))

    # A step from one row to the next crosses the upper of them where it touches it.
    crossing = count(
        tf.cast(y != next_y, tf.int32), tf.where(y < next_y, x, next_x), tf.minimum(y, next_y)
    )
    inside = tf.cumsum(crossing, 2) % 2 == 1
    drawn = count(tf.ones_like(x), x, y) > 0
    return (inside | drawn)[:, 1:-1, 1:-1]


def _pixels_of_lines(vertex: tf.Tensor) -> tf.Tensor:
    """Join vertices `[N, V, 2]` by pixels `[N, L, 2]`, each a neighbour of the last or the same."""
    start, delta = vertex[:, :-1, None], (vertex[:, 1:] - vertex[:, :-1])[:, :, None]
    length = tf.maximum(tf.reduce_max(tf.abs(delta), -1, keepdims=True), 1)
    longest = tf.reduce_max(length)
    step = tf.minimum(tf.range(tf.maximum(longest, 1))[:, None], length)
    pixel = start + (2 * delta * step + length) // (2 * length)
    return tf.reshape(pixel, (tf.shape(vertex)[0], -1, 2))


def _blurred(mask: tf.Tensor, radius: tf.Tensor, blur: float, reach: int) -> tf.Tensor:
    """Blur masks by Gaussians of deviation `blur * radius`, zero outside.

    Args:
      mask: `[N, h, w]` of 0 and 1.
      radius: int32 `[N]`, from 0 to `reach`.
      blur: deviation a pixel of radius.
      reach: greatest radius.

    Returns:
      `[N, h, w]`.

    """
    row, column = mask.shape[1:]
    table = tf.constant(_gaussians(blur, reach, max(row, column)))
    kernel = tf.gather(table, radius)

    def band(width):
        place = np.arange(width)
        return tf.gather(kernel, np.abs(place[:, None] - place), axis=1)

    return band(row) @ mask @ band(column)


@functools.lru_cache(maxsize=8)
def _gaussians(blur: float, reach: int, width: int) -> np.ndarray:
    """Weights at distances 0 to width - 1, a row a radius: `[reach + 1, width]`.

    Cut off at four deviations. Multiples of 2^-12, so that blurring a mask is exact in any order.
    """
    distance = np.arange(width)
    table = np.zeros((reach + 1, width), np.float32)
    for radius in range(1, reach + 1):
        sigma = blur * radius
        weight = np.exp(-np.square(distance) / (2 * sigma**2)) * (distance <= 4 * sigma)
        weight = np.round(weight / (2 * weight.sum() - weight[0]) * 2**12) / 2**12
        weight[0] = 1 - 2 * weight[1:].sum()
        table[radius] = weight
    return table
