"""Image functions in JAX, for `config.input = "device"`: made in the compiled step.

A function here is the device form of the one of the same name in another module of this room: the
same parameters, the same draws of the same seeds, and the same images. They are the same bit for
bit, but for sums of many terms (`gaussian_blurring`, `svd_blurring`), which agree to rounding.
"""

import jax
import jax.numpy as jnp
import numpy as np

from adjax.corruptions.draws import (
    normal_index,
    normal_quantiles,
    random_bits,
    turns,
    uniform,
    uniform_integer,
)

_BEYOND = np.float32(2.0**100)  # greater than any product here


def scaled(image: jax.Array) -> jax.Array:
    """Return uint8 images as float32 in [0, 1]: by table, as compilers divide in several ways."""
    return jnp.asarray(np.arange(256, dtype=np.float32) / np.float32(255))[image.astype(jnp.int32)]


def rotation(image: jax.Array, seed: jax.Array, *, angles: tuple[int, ...]) -> jax.Array:
    """Rotate each square image by one of `angles`, see `geometry.rotation`."""
    turned = jnp.stack([jnp.rot90(image, angle // 90, (1, 2)) for angle in angles], 1)
    drawn = uniform_integer(seed, len(angles))
    return jnp.take_along_axis(turned, drawn[:, None, None, None, None], 1)[:, 0]


def uniform_rotation(image: jax.Array, seed: jax.Array, *, low: int, high: int) -> jax.Array:
    """Rotate each image by any whole angle, see `geometry.uniform_rotation`."""
    angle = np.deg2rad(np.arange(low, high + 1))
    matrix = jnp.asarray(turns(angle), jnp.float32)[uniform_integer(seed, len(angle))]
    return _sample(image, matrix)


def horizontal_flip(image: jax.Array, seed: jax.Array) -> jax.Array:
    """Exchange left and right; the seeds do not matter."""
    return image[:, :, ::-1]


def vertical_flip(image: jax.Array, seed: jax.Array) -> jax.Array:
    """Exchange top and bottom; the seeds do not matter."""
    return image[:, ::-1]


def shearing(image: jax.Array, seed: jax.Array, *, minimum: float, maximum: float) -> jax.Array:
    """Shear each image along its rows, see `geometry.shearing`."""
    size, side = uniform(seed, 2).T
    factor = np.float32(minimum) + _rounded(np.float32(maximum - minimum) * size)
    factor = factor * jnp.where(side < 0.5, np.float32(-1), np.float32(1))
    one, zero = jnp.ones_like(factor), jnp.zeros_like(factor)
    return _sample(image, jnp.stack([one, factor, zero, one], -1).reshape(-1, 2, 2))


def gaussian_noise(image: jax.Array, seed: jax.Array, *, sigma: float) -> jax.Array:
    """Add normal noise, see `degradation.gaussian_noise`."""
    noise = jnp.asarray(np.float32(sigma) * normal_quantiles())
    drawn = noise[normal_index(seed, int(np.prod(image.shape[1:])))]
    return jnp.clip(image + drawn.reshape(image.shape), 0, 1)


def gaussian_blurring(image: jax.Array, seed: jax.Array, *, sigma: float, width: int) -> jax.Array:
    """Convolve with a Gaussian, see `degradation.gaussian_blurring`; the seeds do not matter."""
    half = min(width // 2, *image.shape[1:3])
    weight = np.exp(-np.square(np.arange(-half, half + 1)) / (2 * sigma**2))
    weight /= weight.sum()

    def along(size: int) -> jax.Array:
        """Weights `[size, size]` of pixels in blurred pixels, at the mirrored borders too."""
        mirrored = np.pad(np.eye(size), ((half, half), (0, 0)), "symmetric")
        return jnp.asarray(
            sum(w * mirrored[k : k + size] for k, w in enumerate(weight)), image.dtype
        )

    down, across = map(along, image.shape[1:3])
    blurred = jnp.einsum("ij,nkjc->nkic", across, image, precision="highest")
    return jnp.clip(jnp.einsum("ij,njkc->nikc", down, blurred, precision="highest"), 0, 1)


def svd_blurring(image: jax.Array, seed: jax.Array, *, rank: int) -> jax.Array:
    """Keep the largest singular values, see `degradation.svd_blurring`; the seeds do not matter."""
    matrix = image.transpose(0, 3, 1, 2)
    _, _, vectors = jnp.linalg.svd(matrix, full_matrices=False)
    kept = vectors[..., :rank, :]
    part = jnp.einsum("ncij,nckj->ncik", matrix, kept, precision="highest")
    matrix = jnp.einsum("ncik,nckj->ncij", part, kept, precision="highest")
    return jnp.clip(matrix.transpose(0, 2, 3, 1), 0, 1)


def rotated_crops(image: jax.Array, seed: jax.Array, *, size: int) -> jax.Array:
    """Cut one square crop out of each image, see `crops.rotated_crops`."""
    angle = np.deg2rad(np.arange(360))
    drawn = uniform_integer(seed, 360)
    reach = (size - 1) / 2 * (np.abs(np.cos(angle)) + np.abs(np.sin(angle)))
    place = uniform(seed, 3)[:, 1:]
    centre = []
    for k, pixels in enumerate(image.shape[2:0:-1]):
        room = jnp.asarray(np.maximum((pixels - 1) / 2 - reach, 0), jnp.float32)[drawn]
        centre.append(np.float32((pixels - 1) / 2) + _rounded((2 * place[:, k] - 1) * room))
    matrix = jnp.asarray(turns(angle), jnp.float32)[drawn]
    return _sample(image, matrix, jnp.stack(centre, -1), (size, size), mirrored=True)


def translation_rotation(
    image: jax.Array, seed: jax.Array, *, size: int, translation: float, angle: int, mirror: bool
) -> jax.Array:
    """Move and turn each image at random, see `crops.translation_rotation`."""
    height, width = image.shape[1:3]
    angles = np.deg2rad(np.arange(-10 * angle, 10 * angle + 1) / 10)
    turned = turns(angles) @ np.diag([width / size, height / size])
    turned = np.stack([turned, turned * [-1, 1]])
    side = (random_bits(seed, 2)[:, 1] % 2).astype(jnp.int32) * int(mirror)
    matrix = jnp.asarray(turned, jnp.float32)[side, uniform_integer(seed, len(angles))]
    furthest = translation * np.array([width, height], np.float32)
    move = _rounded((2 * uniform(seed, 4)[:, 2:] - 1) * furthest[None])
    centre = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
    return _sample(image, matrix, centre[None] + move, (size, size), mirrored=True)


def _sample(
    image: jax.Array,
    matrix: jax.Array,
    centre: jax.Array | None = None,
    shape: tuple[int, int] | None = None,
    *,
    mirrored: bool = False,
) -> jax.Array:
    """Read each image at other places, bilinearly; arguments and result as of `geometry.sample`.

    Outside the image it is black, or the image `mirrored`. Every product and sum is rounded as
    TensorFlow's kernel rounds it.
    """
    sides = image.shape[2:0:-1]  # width and height, as of places (x, y)
    if centre is None:
        centre = np.array([[(n - 1) / 2 for n in sides]], np.float32)
    height, width = shape or image.shape[1:3]
    middle = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
    moved = _rounded(matrix * middle[None, None])
    offset = centre - (moved[..., 0] + moved[..., 1])
    x, y = np.arange(width, dtype=np.float32)[None], np.arange(height, dtype=np.float32)[None]
    place = []
    for k, side in enumerate(sides):
        along = _rounded(matrix[:, k, :1] * x)[:, None] + _rounded(matrix[:, k, 1:] * y)[:, :, None]
        read = along + offset[:, k, None, None]
        place.append(_mirrored(read, side) if mirrored else read)
    near = [jnp.floor(p) for p in place]
    part = [p - n for p, n in zip(place, near, strict=True)]
    rest = [n + 1 - p for p, n in zip(place, near, strict=True)]
    flat = image.reshape(len(image), -1, image.shape[-1])

    def pixel(right: int, below: int) -> jax.Array:
        column, row = (n.astype(jnp.int32) + k for n, k in zip(near, (right, below), strict=True))
        index = jnp.clip(row, 0, sides[1] - 1) * sides[0] + jnp.clip(column, 0, sides[0] - 1)
        found = jnp.take_along_axis(flat, index.reshape(len(flat), -1, 1), 1)
        found = found.reshape(*index.shape, -1)
        inside = (column >= 0) & (column < sides[0]) & (row >= 0) & (row < sides[1])
        return jnp.where(inside[..., None], found, 0)

    def between(k: int, first: jax.Array, second: jax.Array) -> jax.Array:
        return _rounded(rest[k][..., None] * first) + _rounded(part[k][..., None] * second)

    rows = [between(0, pixel(0, below), pixel(1, below)) for below in (0, 1)]
    return jnp.clip(between(1, *rows), 0, 1)


def _mirrored(place: jax.Array, size: int) -> jax.Array:
    """Bring places on an axis into [0, size - 1], mirrored at the edges, their pixels repeated."""
    if size == 1:
        return jnp.zeros_like(place)
    before = place + 2 * size * jnp.floor(-place / (2 * size))
    before = jnp.where(before < -size, before + 2 * size, -before - 1)
    after = place - 2 * size * jnp.floor(place / (2 * size))
    after = jnp.where(after >= size, 2 * size - after - 1, after)
    found = jnp.where(place < 0, before, jnp.where(place > size - 1, after, place))
    return jnp.clip(found, 0, size - 1)


def _rounded(product: jax.Array) -> jax.Array:
    """Return a product as it is, rounded.

    Compilers may join a product and the sum that it goes into, which then rounds once. They do not
    know that no product is so great, so this keeps the two apart.
    """
    return jnp.minimum(product, _BEYOND)
