"""The DCGAN of Radford et al., "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks" (2016), as AnoGAN takes it.

Layers as in a public re-implementation of AnoGAN for images of 64 px: widths 512, 256, 128, 64,
kernels of 5 x 5, ReLU in the generator, LeakyReLU 0.2 in the discriminator, weights drawn from
N(0, 0.02), statistics with momentum 0.9. Other sizes have as many layers as halve (double) the
image to its smallest map: two for 28 px (7 x 7), three for 32 px (4 x 4), five for 128 px.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from adjax.ops import BatchNorm, Conv, ConvTranspose

_INIT = nn.initializers.normal(0.02)


class DCGenerator(nn.Module):
    """A dense layer to the smallest map, then transposed convolutions that double it.

    Attributes:
      shape: an image's, `(H, W, C)`; H and W divisible by `2 ** len(widths)`.
      widths: channels of the maps, the smallest map first.
      kernel: width of the convolutions.
      batch_axis: mesh axis over which batch statistics are averaged, if any.
      dtype: that of activations; parameters, statistics and images are float32.

    """

    shape: tuple[int, int, int]
    widths: Sequence[int] = (512, 256, 128, 64)
    kernel: int = 5
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array, train: bool = False):
        """Make images `[B, H, W, C]` in [-1, 1] from latents `[B, Z]`."""

        def activate(x):
            norm = BatchNorm(not train, momentum=0.9, axis_name=self.batch_axis, dtype=x.dtype)
            return nn.relu(norm(x))

        *size, channels = self.shape
        height, width = _smallest_map(size, len(self.widths))
        first, *others = self.widths
        x = nn.Dense(
            height * width * first, use_bias=False, dtype=self.dtype, kernel_init=_INIT, name="map"
        )(z.astype(self.dtype))
        x = activate(x.reshape(-1, height, width, first))
        double = functools.partial(
            ConvTranspose, kernel_size=(self.kernel,) * 2, strides=(2, 2), kernel_init=_INIT
        )
        for features in others:
            x = activate(double(features, use_bias=False)(x))
        x = double(channels, name="image")(x)
        return jnp.tanh(x.astype(z.dtype)), {}


class DCDiscriminator(nn.Module):
    """Convolutions that halve the image, no statistics after the first, and a dense layer.

    Attributes:
      widths: channels of the maps, the largest map first.
      kernel: width of the convolutions.
      batch_axis: see `DCGenerator`.
      dtype: that of activations; parameters, statistics and what is returned are float32.

    """

    widths: Sequence[int] = (64, 128, 256, 512)
    kernel: int = 5
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Return logits `[B]` of images `[B, H, W, C]` being real; features are the last map."""
        _smallest_map(image.shape[1:3], len(self.widths))
        x = image.astype(self.dtype)
        for number, features in enumerate(self.widths):
            x = Conv(
                features,
                (self.kernel,) * 2,
                (2, 2),
                use_bias=number == 0,
                kernel_init=_INIT,
            )(x)
            if number:
                norm = BatchNorm(not train, momentum=0.9, axis_name=self.batch_axis, dtype=x.dtype)
                x = norm(x)
            x = nn.leaky_relu(x, 0.2)
        flat = x.reshape(x.shape[0], -1)
        logit = nn.Dense(1, dtype=x.dtype, kernel_init=_INIT, name="logit")(flat)
        return logit[:, 0].astype(image.dtype), {"features": x.astype(image.dtype)}


def _smallest_map(size: Sequence[int], layers: int) -> tuple[int, int]:
    if any(pixels % 2**layers for pixels in size):
        raise ValueError(f"{layers} widths need height and width divisible by {2**layers} px")
    height, width = size
    return height // 2**layers, width // 2**layers
