"""The autoencoder with skip connections (AESc) of Collin and De Vleeschouwer, "Improved anomaly
detection by training an autoencoder with skip connections on images corrupted with Stain-shaped
noise" (2020).

Topology and widths of the authors' released code (configuration d6 f5 n16), with the defaults of
the library it is written for: LeakyReLU 0.3, batch statistics with momentum 0.99 and epsilon 1e-3,
Glorot's initialisation. Without skip connections it is the plain autoencoder they compare with.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from adjax.ops import BatchNorm, Conv


class AESc(nn.Module):
    """Strided convolutions and back by nearest upsampling, encoder levels added to the decoder's.

    Attributes:
      depth: levels of the encoder, each of half the size and twice the channels of the one before.
      width: channels of the first level.
      kernel: width of all convolutions.
      skips: whether activations of the encoder are added to those of the decoder of their size.
      dropout_rates: one a level, applied in the encoder and in the decoder at that size; or none.
      mask: whether the last convolution has one more channel, the logit of a mask.
      batch_axis: mesh axis over which batch statistics are averaged, if any.
      dtype: that of activations; parameters, statistics and the reconstruction are float32.

    """

    depth: int = 6
    width: int = 16
    kernel: int = 5
    skips: bool = True
    dropout_rates: Sequence[float] = ()
    mask: bool = False
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False, dropout: bool = False):
        """Reconstruct `[B, H, W, C]`; H and W divisible by `2 ** depth`.

        Beside the reconstruction come the `code`, and with `mask` the `mask_logit` `[B, H, W]`.

        With `dropout` the generator "dropout" drops activations, in training or not. All images of
        a batch share what is dropped, so that none depends on those beside it.
        """
        if any(size % 2**self.depth for size in image.shape[1:3]):
            raise ValueError(f"AESc needs height and width divisible by {2**self.depth} px")
        rates = self.dropout_rates or (0.0,) * self.depth
        if len(rates) != self.depth:
            raise ValueError(f"{len(rates)} dropout_rates for {self.depth} levels")

        conv = functools.partial(
            Conv, kernel_size=(self.kernel,) * 2, kernel_init=nn.initializers.glorot_uniform()
        )
        halve, double = {"strides": (2, 2)}, {"upsample": True}

        def block(x, level, resample):
            x = conv(self.width * 2**level, **resample)(x)
            norm = BatchNorm(
                not train, momentum=0.99, epsilon=1e-3, axis_name=self.batch_axis, dtype=x.dtype
            )
            x = nn.leaky_relu(norm(x), 0.3)
            return nn.Dropout(rates[level], broadcast_dims=(0,), deterministic=not dropout)(x)

        x = image.astype(self.dtype)
        levels = []
        for level in range(self.depth):
            x = block(x, level, halve)
            levels.append(x)
        for level in reversed(range(self.depth - 1)):
            x = block(x, level, double)
            if self.skips:
                x += levels[level]
        channels = image.shape[-1]
        x = conv(channels + self.mask, name="image", **double)(x).astype(image.dtype)
        others = {"code": levels[-1].astype(image.dtype)}
        if self.mask:
            others["mask_logit"] = x[..., channels]
        return nn.sigmoid(x[..., :channels]), others
