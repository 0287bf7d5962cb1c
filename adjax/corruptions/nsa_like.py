"""Patches blended into images by Poisson's equation, after NSA (Schlüter et al., ECCV 2022).

Sizes, number and blending of patches are those of the authors' code. Ours are [D]: an object is
told from the background without a median filter, and places are tried 64 times instead of 200.
"""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from adjax.corruptions.painting import between, paint, window_pixels
from adjax.corruptions.poisson import blend
from adjax.corruptions.random import random_bits, split, standard_normal, uniform

_PLACES = 64  # tried for a patch; if none will do, the image stays as it is
_LEAST = 4  # px of a patch's sides, two of which are border
_SHAPE = 2  # of the gamma distribution of sizes
_QUANTILES = 2**16


class _Rectangle(NamedTuple):
    """One rectangle an image, int32 `[N]` all."""

    top: tf.Tensor
    left: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor


def nsa_like(
    image: tf.Tensor,
    seed: tf.Tensor,
    *,
    patches: int,
    size_low: float,
    size_high: float,
    spread: float,
    factor_low: float,
    factor_high: float,
    background: int,
    contrast: int,
    filled: float,
    overlap: float,
    mixed: bool,
    source: tf.Tensor | None = None,
) -> tf.Tensor:
    """Blend patches of other images into images: one, and each further one by the toss of a coin.

    Args:
      image: `[N, H, W, C]` in [0, 1].
      seed: int32 `[N, 3]`.
      patches: how many at most.
      size_low: least half side of what is cut out, and least side of what is pasted; of the image's
        side.
      size_high: the greatest of both.
      spread: scale of the gamma distribution that is added to `size_low`.
      factor_low: least factor by which a patch is scaled, of a normal draw around 1.
      factor_high: its greatest.
      background: grey level of the background, 0 to 255.
      contrast: grey levels from which on a pixel belongs to the object; 0: there is no background.
      filled: part of what is cut out that must be object, at least.
      overlap: part of what is covered that must be object, at least.
      mixed: keep the image's own gradients where they are the greater ones.
      source: `[N, H, W, C]`, the other images; None: the same images.

    Returns:
      `[N, H, W, C]`; pixels outside the patches are untouched, the others one of 256 grey levels.

    """
    source = image if source is None else source
    cut_out = _object_counts(source, background, contrast)
    window = max(_LEAST, int(size_high * max(image.shape[1:3])))
    for number, draws in enumerate(split(seed, patches)):
        coin, sizes, places = split(draws, 3)
        cut, pasted = _draw_sizes(
            sizes, image.shape[1:3], size_low, size_high, spread, factor_low, factor_high
        )
        tried = _draw_places(places, image.shape[1:3], cut, pasted)
        covered = _object_counts(image, background, contrast)
        fits = (_share(cut_out, tried[0]) >= filled) & (_share(covered, tried[1]) >= overlap)
        cut, pasted = (_choose(rectangle, tf.argmax(fits, 1)) for rectangle in tried)
        wanted = tf.reduce_any(fits, 1)
        if number:
            wanted &= uniform(coin, 1)[:, 0] < 0.5
        image = _pasted(image, source, cut, pasted, window, wanted, mixed)
    return image


def _draw_sizes(seed, size, low, high, spread, factor_low, factor_high):
    """Draw height and width in pixels of what is cut out and of what is pasted: int32 `[N, 2]`."""
    widths, factors = split(seed, 2)
    quantile = tf.cast(random_bits(widths, 2) % _QUANTILES, tf.int32)
    half = low + spread * tf.gather(tf.constant(_gamma_quantiles()), quantile)
    cut = 2 * tf.clip_by_value(half, low, high)
    factor = tf.clip_by_value(1 + 0.5 * standard_normal(factors, 1), factor_low, factor_high)
    pasted = tf.clip_by_value(factor * cut, low, high)
    least, most = [min(_LEAST, side) for side in size], list(size)
    side = tf.cast(most, tf.float32)
    return tuple(
        tf.clip_by_value(tf.cast(part * side, tf.int32), least, most) for part in (cut, pasted)
    )


def _draw_places(seed, size, cut, pasted) -> list[_Rectangle]:
    """Draw places to try for what is cut out and what is pasted: rectangles of `[N, 64]`."""
    bits = tf.split(random_bits(seed, 4 * _PLACES), 4, axis=1)
    tried = []
    for extent, (down, right) in zip((cut, pasted), (bits[:2], bits[2:]), strict=True):
        height, width = extent[:, :1], extent[:, 1:]
        top, left = between(down, 0, size[0] - height), between(right, 0, size[1] - width)
        tried.append(_Rectangle(top, left, *(tf.repeat(n, _PLACES, 1) for n in (height, width))))
    return tried


def _choose(rectangle: _Rectangle, index: tf.Tensor) -> _Rectangle:
    """Return one of the rectangles of each image: `[N, T]` -> `[N]`."""
    return _Rectangle(*(tf.gather(part, index, batch_dims=1) for part in rectangle))


def _object_counts(image: tf.Tensor, background: int, contrast: int) -> tf.Tensor:
    """Count pixels of the object above and to the left: int32 `[N, H + 1, W + 1]`."""
    level = tf.reduce_sum(tf.cast(tf.round(image * 255), tf.int32), -1)
    channels = image.shape[-1]
    distance = tf.abs(level - background * channels)
    is_object = tf.cast(distance >= contrast * channels, tf.int32)
    return tf.pad(tf.cumsum(tf.cumsum(is_object, 1), 2), ((0, 0), (1, 0), (1, 0)))


def _share(counts: tf.Tensor, tried: _Rectangle) -> tf.Tensor:
    """Return how much of each rectangle belongs to the object, in [0, 1]: `[N, T]`."""
    top, left, height, width = tried

    def at(row, column):
        return tf.gather_nd(counts, tf.stack([row, column], -1), batch_dims=1)

    bottom, right = top + height, left + width
    count = at(bottom, right) - at(top, right) - at(bottom, left) + at(top, left)
    return tf.cast(count, tf.float32) / tf.cast(height * width, tf.float32)


def _pasted(image, source, cut: _Rectangle, pasted: _Rectangle, window, wanted, mixed) -> tf.Tensor:
    """Blend what `cut` holds of the sources into `pasted`, in the images where it is `wanted`."""
    height, width = image.shape[1:3]
    # Windows of one size reach beyond the border where their rectangles lie at it.
    wide = tf.pad(image, ((0, 0), (0, window), (0, window), (0, 0)))
    pixel = window_pixels(pasted.top, pasted.left, (window, window), width + window)
    pixel = tf.reshape(pixel, (-1, window * window))
    shape = (-1, window, window, image.shape[3])
    flat = tf.reshape(wide, (-1, (height + window) * (width + window), image.shape[3]))
    under = tf.reshape(tf.gather(flat, pixel, batch_dims=1), shape)
    patch = _scaled(source, cut, pasted, window)
    size = tf.stack([pasted.height, pasted.width], 1)
    blended = tf.reshape(blend(under, patch, size, mixed=mixed), (-1, *pixel.shape[1:], shape[-1]))
    place = tf.range(window)
    inner = [(place > 0) & (place < n[:, None] - 1) for n in (pasted.height, pasted.width)]
    inside = inner[0][:, :, None] & inner[1][:, None] & wanted[:, None, None]
    weight = tf.cast(tf.reshape(inside, tf.shape(pixel)), tf.float32)
    return paint(wide, pixel, weight, blended)[:, :height, :width]


def _scaled(source, cut: _Rectangle, pasted: _Rectangle, window: int) -> tf.Tensor:
    """Bring what is cut out to the size of what is pasted, bilinearly: `[N, M, M, C]`."""
    rows, columns = (
        _neighbours(first, old, new, window)
        for first, old, new in (
            (cut.top, cut.height, pasted.height),
            (cut.left, cut.width, pasted.width),
        )
    )

    def between_two(near, far, part):
        return near + part * (far - near)

    def row(index):
        whole = tf.gather(source, index, batch_dims=1)
        near, far = (tf.gather(whole, columns[k], axis=2, batch_dims=1) for k in range(2))
        return between_two(near, far, columns[2][:, None, :, None])

    return between_two(row(rows[0]), row(rows[1]), rows[2][:, :, None, None])


def _neighbours(first, old, new, window):
    """Return the two pixels between which each pixel of a window lies, and how far: `[N, M]`."""
    step = tf.cast(old, tf.float32) / tf.cast(new, tf.float32)
    place = (tf.range(window, dtype=tf.float32) + 0.5) * step[:, None] - 0.5
    place = tf.clip_by_value(place, 0, tf.cast(old - 1, tf.float32)[:, None])
    near = tf.cast(tf.floor(place), tf.int32)
    far = tf.minimum(near + 1, old[:, None] - 1)
    return first[:, None] + near, first[:, None] + far, place - tf.floor(place)


@functools.cache
def _gamma_quantiles() -> np.ndarray:
    """Return the middles of 2^16 equally likely intervals of the gamma distribution, ascending."""
    from scipy.special import gammaincinv  # here: not needed by runs without patches

    probability = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    return gammaincinv(_SHAPE, probability).astype(np.float32)
