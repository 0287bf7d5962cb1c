"""The networks of Akcay et al., "GANomaly: Semi-Supervised Anomaly Detection via Adversarial
Training" (2018): encoder, decoder and a second encoder in a row, and a discriminator.

Layers of the authors' released code: DCGAN's blocks of 4 x 4 convolutions of stride 2 without
biases down to 4 x 4 pixels, and back; kernels from N(0, 0.02), scales of batch normalisation from
N(1, 0.02). Images are in [-1, 1], the range of tanh.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from adjax.ops import BatchNorm, Conv, ConvTranspose

KERNEL_INIT = nn.initializers.normal(0.02)
_LEAST = 4  # pixels a side of what is convolved to a code


def scale_init(key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32) -> jax.Array:
    """Draw scales of batch normalisation from N(1, 0.02)."""
    return 1 + KERNEL_INIT(key, shape, dtype)


class DCGANEncoder(nn.Module):
    """Strided convolutions to 4 x 4 pixels, and one of these to a code.

    Attributes:
      code_size: length of the code.
      width: channels of the first level; each further one has twice as many.
      batch_axis: mesh axis over which batch statistics are averaged, if any.
      dtype: that of activations; parameters, statistics and what is returned are float32.

    """

    code_size: int = 100
    width: int = 64
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Encode `[B, S, S, C]`: code `[B, code_size]`, and its features `[B, 4, 4, channels]`.

        Raises:
          ValueError: if S is not a power of two, or below 8.

        """
        check_size("DCGANEncoder", image)
        x, features = image.astype(self.dtype), self.width
        while x.shape[1] > _LEAST:
            x = Conv(features, (4, 4), (2, 2), use_bias=False, kernel_init=KERNEL_INIT)(x)
            if features > self.width:
                x = batch_norm(self, train, x)
            x, features = nn.leaky_relu(x, 0.2), 2 * features
        size = self.code_size, (_LEAST, _LEAST)
        code = Conv(*size, padding="VALID", use_bias=False, kernel_init=KERNEL_INIT, name="code")(x)
        return code.astype(image.dtype)[:, 0, 0], x.astype(image.dtype)


class DCGANDecoder(nn.Module):
    """A code to 4 x 4 pixels, and transposed convolutions to an image in [-1, 1].

    Attributes:
      width: channels of the last level before the image; each smaller one has twice as many.
      batch_axis: mesh axis over which batch statistics are averaged, if any.
      dtype: that of activations; parameters, statistics and the image are float32.

    """

    width: int = 64
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, code: jax.Array, size: int, channels: int, train: bool = False):
        """Decode `[B, N]` to `[B, size, size, channels]`; `size` a power of two, at least 8."""

        def grow(x, features, name=None, **how):
            return ConvTranspose(
                features, (4, 4), use_bias=False, kernel_init=KERNEL_INIT, name=name, **how
            )(x)

        x, features = code.astype(self.dtype)[:, None, None], self.width * size // (2 * _LEAST)
        x = nn.relu(batch_norm(self, train, grow(x, features, padding="VALID")))
        while features > self.width:
            features //= 2
            x = nn.relu(batch_norm(self, train, grow(x, features, strides=(2, 2))))
        x = grow(x, channels, name="image", strides=(2, 2))
        return jnp.tanh(x.astype(code.dtype))


class GANomaly(nn.Module):
    """The generator: an autoencoder, and a second encoder for its reconstructions.

    Attributes:
      code_size: length of both codes.
      width: channels of the largest level of both encoders and the decoder.
      batch_axis: mesh axis over which batch statistics are averaged, if any.
      dtype: that of activations; parameters, statistics and what is returned are float32.

    """

    code_size: int = 100
    width: int = 64
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Reconstruct `[B, S, S, C]` in [-1, 1]; S a power of two, at least 8.

        Returns:
          `(reconstruction, {"code": [B, N], "code_of_reconstruction": [B, N]})`.

        """
        how = {"width": self.width, "batch_axis": self.batch_axis, "dtype": self.dtype}
        code, _ = DCGANEncoder(self.code_size, name="encoder", **how)(image, train)
        decoder = DCGANDecoder(name="decoder", **how)
        reconstruction = decoder(code, image.shape[1], image.shape[-1], train)
        again, _ = DCGANEncoder(self.code_size, name="second_encoder", **how)(reconstruction, train)
        return reconstruction, {"code": code, "code_of_reconstruction": again}


class GANomalyDiscriminator(nn.Module):
    """An encoder to one number; its features are the map that the number is made of.

    Attributes:
      width: channels of the largest level.
      batch_axis: mesh axis over which batch statistics are averaged, if any.
      dtype: that of activations; parameters, statistics and what is returned are float32.

    """

    width: int = 64
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Judge `[B, S, S, C]`: a logit of being real `[B]`, features `[B, 4, 4, channels]`."""
        encoder = DCGANEncoder(1, self.width, self.batch_axis, self.dtype, name="encoder")
        logit, features = encoder(image, train)
        return logit[:, 0], features


def batch_norm(module: Any, train: bool, x: jax.Array) -> jax.Array:
    """Normalise as the released code does: momentum 0.9, epsilon 1e-5, scales about 1.

    Call it in the compact method of a module that has a `batch_axis`.
    """
    axis = module.batch_axis
    return BatchNorm(not train, 0.9, 1e-5, axis, dtype=x.dtype, scale_init=scale_init)(x)


def check_size(network: str, image: jax.Array) -> None:
    """Raise `ValueError` unless images are square, of a power of two, at least 8 px."""
    height, width = image.shape[1:3]
    if height != width or height < 2 * _LEAST or height & (height - 1):
        raise ValueError(
            f"{network} needs square images of 8, 16, 32 ... px, these are {height} x {width}"
        )
