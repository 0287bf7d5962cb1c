"""The residual networks of f-AnoGAN (Schlegl et al. 2019), which are those of Gulrajani et al.,
"Improved Training of Wasserstein GANs" (2017), for images of 64 px.

Topology and initialisation of the authors' released code, widths 512, 256, 128, 64 there. A block
is norm, ReLU, convolution, norm, ReLU, convolution beside a 1 x 1 convolution, and doubles the
image in front of the first or halves it behind the second. The generator and the encoder normalise
by the batch, the critic by the image.

Each width is a block, so maps begin at `size / 2 ** len(widths)` px: 4 x 4 for 64 px and four
widths, or 32 px and three. Where that is no whole number the next one is taken: the generator makes
a larger image and its border is cut off, critic and encoder see a black border of the same width.
So images of 28 px are made in 32 px by three blocks, the outer 2 px are dropped.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from adjax.ops import BatchNorm, Conv, conv, upsample_nearest

_GLOROT = nn.initializers.glorot_uniform()
_HE = nn.initializers.variance_scaling(2.0, "fan_avg", "uniform")  # their name for it
_BLACK = -1.0


class ResNetGenerator(nn.Module):
    """A dense layer to the smallest map, then blocks that double it.

    Attributes:
      shape: an image's, `(H, W, C)`.
      widths: channels, of the smallest map first.
      batch_axis: mesh axis over which batch statistics are averaged, if any.
      dtype: that of activations; parameters, statistics and images are float32.

    """

    shape: tuple[int, int, int]
    widths: Sequence[int] = (512, 256, 128, 64)
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array, train: bool = False):
        """Make images `[B, H, W, C]` in [-1, 1] from latents `[B, Z]`."""
        height, width, channels = self.shape
        rows, columns = (_smallest(size, len(self.widths)) for size in (height, width))
        first = self.widths[0]
        dense = nn.Dense(rows * columns * first, dtype=self.dtype, kernel_init=_GLOROT, name="map")
        x = dense(z.astype(self.dtype)).reshape(z.shape[0], rows, columns, first)
        for features in self.widths:
            x = _UpBlock(features, train, self.batch_axis)(x)
        x = nn.relu(_batch_norm(x, train, self.batch_axis))
        x = Conv(channels, (3, 3), kernel_init=_HE, name="image")(x)
        top, left = (x.shape[1] - height) // 2, (x.shape[2] - width) // 2
        x = x[:, top : top + height, left : left + width]
        return jnp.tanh(x.astype(z.dtype)), {}


class ResNetCritic(nn.Module):
    """A convolution, blocks that halve the image, and a dense layer.

    Attributes:
      widths: those of the generator whose images it sees; blocks have them from the last to the
        first, each the width that the next begins with.
      dtype: that of activations; parameters and what is returned are float32.

    """

    widths: Sequence[int] = (512, 256, 128, 64)
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array):
        """Return values `[B]` of images `[B, H, W, C]`; features `[B, F]` are the last map."""
        flat = _halve(image.astype(self.dtype), self.widths, _image_norm)
        value = nn.Dense(1, dtype=flat.dtype, kernel_init=_GLOROT, name="value")(flat)
        return value[:, 0].astype(image.dtype), {"features": flat.astype(image.dtype)}


class ResNetEncoder(nn.Module):
    """The critic's body, but normalised by the batch, and a dense layer to a latent.

    Attributes:
      latent_size: Z.
      widths: see `ResNetCritic`.
      batch_axis: see `ResNetGenerator`.
      dtype: that of activations; parameters, statistics and latents are float32.

    """

    latent_size: int = 128
    widths: Sequence[int] = (512, 256, 128, 64)
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Encode images `[B, H, W, C]` as latents `[B, Z]` in [-1, 1]."""

        def norm(x):
            return _batch_norm(x, train, self.batch_axis)

        flat = _halve(image.astype(self.dtype), self.widths, norm)
        dense = nn.Dense(self.latent_size, dtype=flat.dtype, kernel_init=_GLOROT, name="latent")
        return jnp.tanh(dense(flat).astype(image.dtype)), {}


class _UpBlock(nn.Module):
    features: int
    train: bool
    batch_axis: str | None

    @nn.compact
    def __call__(self, x):
        shape = self.features, (1, 1)
        # 1 x 1 and doubling commute: on the small map it is a quarter of the work.
        beside = upsample_nearest(Conv(*shape, kernel_init=_GLOROT, name="beside")(x))
        x = nn.relu(_batch_norm(x, self.train, self.batch_axis))
        x = Conv(self.features, (3, 3), use_bias=False, kernel_init=_HE, upsample=True)(x)
        x = nn.relu(_batch_norm(x, self.train, self.batch_axis))
        return beside + Conv(self.features, (3, 3), kernel_init=_HE)(x)


def _halve(x: jax.Array, widths: Sequence[int], norm) -> jax.Array:
    """Add the body of critic and encoder to the calling module: images to flat features."""
    x = _with_border(x, len(widths))
    x = Conv(widths[-1], (3, 3), kernel_init=_GLOROT, name="stem")(x)
    for features in (*reversed(widths[:-1]), widths[0]):
        beside = Conv(features, (1, 1), kernel_init=_GLOROT)(_pooled(x))
        y = nn.relu(norm(x))
        y = Conv(x.shape[-1], (3, 3), use_bias=False, kernel_init=_HE)(y)
        y = nn.relu(norm(y))
        x = beside + _ConvPool(features)(y)
    return x.reshape(x.shape[0], -1)


class _ConvPool(nn.Module):
    """A 3 x 3 convolution and the mean over 2 x 2, as one of 4 x 4 and stride 2."""

    features: int

    @nn.compact
    def __call__(self, x):
        shape = (3, 3, x.shape[-1], self.features)
        w = self.param("kernel", _HE, shape, jnp.float32).astype(x.dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        for axis in (0, 1):
            before, after = ([(0, 0)] * 4 for _ in range(2))
            before[axis], after[axis] = (1, 0), (0, 1)
            w = (jnp.pad(w, before) + jnp.pad(w, after)) / 2
        y = conv(x, w, (2, 2), ((1, 1), (1, 1)))
        return y + bias.astype(y.dtype).reshape(1, 1, 1, -1)


def _pooled(x: jax.Array) -> jax.Array:
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).mean((2, 4))


def _batch_norm(x: jax.Array, train: bool, axis: str | None) -> jax.Array:
    return BatchNorm(not train, momentum=0.99, epsilon=1e-3, axis_name=axis, dtype=x.dtype)(x)


def _image_norm(x: jax.Array) -> jax.Array:
    """Normalise by all values of an image, with a scale and a shift a channel."""
    axes = {"reduction_axes": (1, 2, 3), "feature_axes": -1}
    return nn.LayerNorm(epsilon=1e-5, **axes, dtype=x.dtype)(x)


def _smallest(size: int, blocks: int) -> int:
    return -(-size // 2**blocks)


def _with_border(image: jax.Array, blocks: int) -> jax.Array:
    missing = [_smallest(size, blocks) * 2**blocks - size for size in image.shape[1:3]]
    pads = [(0, 0), *((n // 2, n - n // 2) for n in missing), (0, 0)]
    return jnp.pad(image, pads, constant_values=_BLACK) if any(missing) else image
