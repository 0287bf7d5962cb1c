"""The bottleneck autoencoder f_AE of style distillation (the teacher).

The paper shows its architecture only as a figure; this one is ours, calibrated on MNIST to the
published AUROC of the autoencoder alone.
"""

import functools
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from adjax.ops import BatchNorm, Conv


class ConvAutoencoder(nn.Module):
    """Strided convolutions to a dense code and back by nearest-neighbour upsampling.

    Attributes:
      code_size: length of the code.
      widths: channels of the encoder's convolutions; all but the last halve the image.
      batch_axis: mesh axis over which batch statistics are averaged, if any.
      dtype: that of activations; parameters, statistics and the reconstruction are float32.

    """

    code_size: int = 16
    widths: Sequence[int] = (32, 64, 128)
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Reconstruct `[B, H, W, C]`; H and W divisible by `2 ** (len(widths) - 1)`."""
        norm = normalisation(train, self.batch_axis)
        x = halved(image.astype(self.dtype), self.widths, norm)
        shape = x.shape
        code = nn.Dense(self.code_size, dtype=x.dtype, name="code")(x.reshape(x.shape[0], -1))
        x = nn.Dense(shape[1] * shape[2] * shape[3], dtype=x.dtype)(code).reshape(shape)
        x = doubled(x, self.widths, norm)
        x = Conv(image.shape[-1], (3, 3), name="image")(x)
        return nn.sigmoid(x.astype(image.dtype)), {"code": code}


def normalisation(train: bool, batch_axis: str | None) -> Callable[..., nn.Module]:
    """Return the constructor of the layers that normalise."""
    return functools.partial(BatchNorm, not train, momentum=0.9, axis_name=batch_axis)


def halved(x: jax.Array, widths: Sequence[int], norm: Callable[..., nn.Module]) -> jax.Array:
    """Add the encoder's layers to the calling module: `[B, H, W, C]` to the last map."""
    *strided, last = widths
    for features in strided:
        x = _block(x, norm, features, kernel=4, stride=2)
    return _block(x, norm, last)


def doubled(x: jax.Array, widths: Sequence[int], norm: Callable[..., nn.Module]) -> jax.Array:
    """Add the decoder's layers but the last to the calling module: the way back of `halved`."""
    *strided, _ = widths
    x = _block(x, norm, strided[-1])
    for features in (*reversed(strided[:-1]), strided[0]):
        x = _block(x, norm, features, upsample=True)
    return x


def _block(x, norm, features, kernel=3, stride=1, upsample=False):
    size, strides = (kernel, kernel), (stride, stride)
    x = Conv(features, size, strides, use_bias=False, upsample=upsample)(x)
    return nn.leaky_relu(norm(dtype=x.dtype)(x), 0.2)
