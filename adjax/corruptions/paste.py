"""Pasted patches: a piece of another normal image, of the same one, or a grey stain. Ours [D].

The shapes are those of stains. What is pasted is normal somewhere else, so that a network must know
what belongs where (after CutPaste and NSA, without the blending of the latter). All sums are of
whole numbers, so that they do not depend on the batch.
"""

from typing import NamedTuple

import tensorflow as tf

from adjax.corruptions.painting import between, paint, window_pixels
from adjax.corruptions.random import random_bits, split, uniform
from adjax.corruptions.stain import Blob, draw_stains, fill

_PLACES = 2  # drawn for a shape, of which the one with more texture is taken
_REACH = 16  # px to either side of a place, in which texture is measured


class _Kinds(NamedTuple):
    """Draws `[N]` of what is pasted, and how."""

    is_other: tf.Tensor  # bool: out of another image
    is_grey: tf.Tensor  # bool: a stain
    is_soft: tf.Tensor  # bool: with a soft edge
    is_level: tf.Tensor  # bool: brought to the mean of what it covers


def paste(
    image: tf.Tensor,
    seed: tf.Tensor,
    *,
    size_low: float,
    size_high: float,
    irregularity: float,
    blur: float,
    parts: tuple[float, float, float],
    soft: float,
    level: float,
    colour_low: int,
    colour_high: int,
    source: tf.Tensor | None = None,
) -> tf.Tensor:
    """Paste one patch into each image, where it has more texture of two places.

    Args:
      image: `[N, H, W, C]` in [0, 1].
      seed: int32 `[N, 3]`.
      size_low: least semi-axis of the shape, see `stain.stain`.
      size_high: its greatest.
      irregularity: of the shape's rim.
      blur: deviation of a soft edge, a fraction of the greater semi-axis.
      parts: probabilities of a patch of another image, of one of the same image, of a grey stain.
      soft: part of the patches that have a soft edge.
      level: part of those out of images whose mean is brought to that of what they cover.
      colour_low: least grey level of a stain, 0 to 255.
      colour_high: its greatest.
      source: `[N, H, W, C]`, the other images; None: the same images.

    Returns:
      `[N, H, W, C]`; pixels outside the patch are untouched, the others one of 256 grey levels.

    """
    shape, kind, place, origin = split(seed, 4)
    size = image.shape[1:3]
    centre = _textured_place(image, place)
    stains = draw_stains(shape, size, size_low, size_high, colour_low, colour_high, irregularity)
    reach = tf.maximum(stains.semi_x, stains.semi_y)
    x, y = (tf.clip_by_value(centre[:, k], reach, size[1 - k] - reach) for k in range(2))
    stains = stains._replace(x=x, y=y)
    blob = fill(stains, size, size_low, size_high, irregularity, blur)
    kinds = _draw_kinds(kind, parts, soft, level)
    weight = tf.where(kinds.is_soft[:, None], blob.soft, blob.hard)
    texture = _texture(image, image if source is None else source, origin, blob, kinds.is_other)
    under = _pixels(image, blob.pixel)
    brought = texture + _difference_of_means(under, texture, blob.hard)
    texture = tf.where(kinds.is_level[:, None, None], brought, texture)
    grey = tf.cast(stains.colour, tf.float32)[:, None, None] / 255
    return paint(image, blob.pixel, weight, tf.where(kinds.is_grey[:, None, None], grey, texture))


def _draw_kinds(seed, parts, soft, level) -> _Kinds:
    draws = uniform(seed, 3)
    return _Kinds(
        is_other=draws[:, 0] < parts[0],
        is_grey=draws[:, 0] >= parts[0] + parts[1],
        is_soft=draws[:, 1] < soft,
        is_level=draws[:, 2] < level,
    )


def _textured_place(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return the place (x, y) of those drawn around which grey levels vary most: `[N, 2]`."""
    height, width = image.shape[1:3]
    level = tf.cast(tf.round(image[..., 0] * 255), tf.int32)
    down = tf.pad(tf.abs(level[:, 1:] - level[:, :-1]), ((0, 0), (0, 1), (0, 0)))
    right = tf.pad(tf.abs(level[:, :, 1:] - level[:, :, :-1]), ((0, 0), (0, 0), (0, 1)))
    total = tf.pad(tf.cumsum(tf.cumsum(down + right, 1), 2), ((0, 0), (1, 0), (1, 0)))
    bits = random_bits(seed, 2 * _PLACES)
    x, y = between(bits[:, :_PLACES], 0, width - 1), between(bits[:, _PLACES:], 0, height - 1)
    top, bottom = tf.maximum(y - _REACH, 0), tf.minimum(y + _REACH, height)
    left, right = tf.maximum(x - _REACH, 0), tf.minimum(x + _REACH, width)

    def at(row, column):
        return tf.gather_nd(total, tf.stack([row, column], -1), batch_dims=1)

    texture = at(bottom, right) - at(top, right) - at(bottom, left) + at(top, left)
    best = tf.argmax(texture, 1)[:, None]
    return tf.squeeze(tf.gather(tf.stack([x, y], -1), best, batch_dims=1), 1)


def _texture(image, source, seed, blob: Blob, is_other) -> tf.Tensor:
    """Return what a window holds somewhere else, `[N, K, C]`, of another image or the same."""
    size = image.shape[1:3]
    bits = random_bits(seed, 2)
    top, left = (between(bits[:, k], 0, size[k] - blob.window[k]) for k in range(2))
    pixel = tf.reshape(window_pixels(top, left, blob.window, size[1]), tf.shape(blob.pixel))
    return tf.where(is_other[:, None, None], _pixels(source, pixel), _pixels(image, pixel))


def _pixels(image: tf.Tensor, pixel: tf.Tensor) -> tf.Tensor:
    """Return pixels by their numbers, `[N, K, C]`."""
    flat = tf.reshape(image, (-1, image.shape[1] * image.shape[2], image.shape[3]))
    return tf.gather(flat, pixel, batch_dims=1)


def _difference_of_means(under, texture, weight) -> tf.Tensor:
    """Return how much brighter what is covered is than the patch, on average: `[N, 1, 1]`."""
    levels = tf.cast(tf.round((under - texture) * 255), tf.int64)
    counted = tf.cast(weight, tf.int64)[..., None]
    total = tf.reduce_sum(levels * counted, (1, 2))
    count = tf.maximum(tf.reduce_sum(counted, (1, 2)) * levels.shape[2], 1)
    return tf.cast(total / count / 255, tf.float32)[:, None, None]
