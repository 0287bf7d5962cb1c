"""Variational autoencoders (Kingma and Welling, "Auto-Encoding Variational Bayes", 2014) with the
layers of two autoencoders.

Their code is read by two dense heads, the mean and the logarithm of the variance of a Gaussian.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from adjax.models import conv_autoencoder, ssim_autoencoder
from adjax.ops import Conv


class VAE(nn.Module):
    """An encoder with two heads, and a decoder.

    Attributes:
      encoder: `(image [B, H, W, C], train) -> features [B, ...]`.
      decoder: `(code [B, code_size], (H, W, C), train) -> reconstruction [B, H, W, C]` in [0, 1].
      code_size: length of the code.

    """

    encoder: nn.Module
    decoder: nn.Module
    code_size: int

    def setup(self) -> None:
        """Make the heads."""
        self.mean = nn.Dense(self.code_size)
        self.log_variance = nn.Dense(self.code_size)

    def encode(self, image: jax.Array, train: bool = False) -> tuple[jax.Array, jax.Array]:
        """Return mean and log variance of the code, float32 `[B, code_size]` each."""
        features = self.encoder(image, train)
        features = features.reshape(features.shape[0], -1).astype(jnp.float32)
        return self.mean(features), self.log_variance(features)

    def decode(
        self, code: jax.Array, image_shape: tuple[int, int, int], train: bool = False
    ) -> jax.Array:
        """Reconstruct float32 `[B, H, W, C]` in [0, 1] from codes `[B, code_size]`."""
        return self.decoder(code, image_shape, train)

    def __call__(self, image: jax.Array, noise: jax.Array | None = None, train: bool = False):
        """Reconstruct `[B, H, W, C]`.

        Args:
          image: what is encoded.
          noise: standard normal `[B, code_size]` that the code is drawn by; None: it is the mean.
          train: normalise by the statistics of the batch.

        """
        mean, log_variance = self.encode(image, train)
        code = mean if noise is None else mean + jnp.exp(log_variance / 2) * noise
        reconstruction = self.decode(code, image.shape[1:], train)
        return reconstruction, {"mean": mean, "log_variance": log_variance, "code": code}


def conv_vae(
    code_size: int = 16,
    widths: Sequence[int] = (32, 64, 128),
    batch_axis: str | None = None,
    dtype: DTypeLike = jnp.float32,
) -> VAE:
    """Return a VAE with the layers of `ConvAutoencoder`, for small images; arguments as there."""
    encoder = _ConvEncoder(widths, batch_axis, dtype)
    return VAE(encoder, _ConvDecoder(widths, batch_axis, dtype), code_size)


def ssim_vae(code_size: int = 100, extra_layers: int = 0, dtype: DTypeLike = jnp.float32) -> VAE:
    """Return a VAE with the layers of `SSIMAutoencoder`; arguments as there."""
    return VAE(_SSIMEncoder(extra_layers, dtype), _SSIMDecoder(extra_layers, dtype), code_size)


class _ConvEncoder(nn.Module):
    widths: Sequence[int]
    batch_axis: str | None
    dtype: DTypeLike

    @nn.compact
    def __call__(self, image, train):
        norm = conv_autoencoder.normalisation(train, self.batch_axis)
        return conv_autoencoder.halved(image.astype(self.dtype), self.widths, norm)


class _ConvDecoder(nn.Module):
    widths: Sequence[int]
    batch_axis: str | None
    dtype: DTypeLike

    @nn.compact
    def __call__(self, code, image_shape, train):
        height, width, channels = image_shape
        factor = 2 ** (len(self.widths) - 1)
        shape = height // factor, width // factor, self.widths[-1]
        x = nn.Dense(shape[0] * shape[1] * shape[2], dtype=self.dtype)(code)
        norm = conv_autoencoder.normalisation(train, self.batch_axis)
        x = conv_autoencoder.doubled(x.reshape(-1, *shape), self.widths, norm)
        x = Conv(channels, (3, 3), name="image")(x)
        return nn.sigmoid(x.astype(jnp.float32))


class _SSIMEncoder(nn.Module):
    extra_layers: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, image, train):
        layers = ssim_autoencoder.layers_of(image.shape, self.extra_layers)
        return ssim_autoencoder.strided(image.astype(self.dtype), layers)


class _SSIMDecoder(nn.Module):
    extra_layers: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, code, image_shape, train):
        layers = ssim_autoencoder.layers_of(image_shape, self.extra_layers)
        code = code.astype(self.dtype)[:, None, None]
        x = ssim_autoencoder.mirrored(code, image_shape[-1], layers)
        return nn.sigmoid(x.astype(jnp.float32))
