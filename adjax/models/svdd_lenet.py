"""The LeNets of Deep SVDD (Ruff et al., "Deep One-Class Classification", 2018), and their
autoencoders.

Layers of the authors' released code. No layer has a bias and no normalisation has parameters: with
them a network could map every image to the centre of the sphere, whatever it shows. Their
transposed convolutions of stride 1 are convolutions with mirrored kernels, which are what is
learned here; flattening orders pixels before channels, theirs the other way round.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from adjax.ops import BatchNorm, Conv, max_pool

_KERNEL = (5, 5)
_SLOPE = 0.01
_START = 4  # pixels a side where decoding begins
_norm = functools.partial(BatchNorm, momentum=0.9, epsilon=1e-4, use_scale=False, use_bias=False)
_fan_in, _fan_out = (
    nn.initializers.variance_scaling(1 / 3, fan, "uniform") for fan in ("fan_in", "fan_out")
)
_glorot = nn.initializers.variance_scaling(2 / (1 + _SLOPE**2), "fan_avg", "uniform")


class LeNet(nn.Module):
    """5 x 5 convolutions, each normalised, leaky and pooled to half its size, then a dense code.

    Attributes:
      widths: channels of the convolutions.
      code_size: length of the code.
      glorot: convolutions begin with Glorot's variance for LeakyReLU, else with PyTorch's.
      batch_axis: mesh axis over which batch statistics are averaged, if any.
      dtype: that of activations; parameters, statistics and the code are float32.

    """

    widths: Sequence[int] = (8, 4)
    code_size: int = 32
    glorot: bool = False
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Encode `[B, H, W, C]` to `[B, code_size]`; H, W divisible by `2 ** len(widths)`."""
        if any(size % 2 ** len(self.widths) for size in image.shape[1:3]):
            raise ValueError(f"LeNet needs images divisible by {2 ** len(self.widths)} px")
        kernel_init = _glorot if self.glorot else _fan_in
        x = image.astype(self.dtype)
        for features in self.widths:
            x = Conv(features, _KERNEL, use_bias=False, kernel_init=kernel_init)(x)
            x = _norm(not train, axis_name=self.batch_axis, dtype=x.dtype)(x)
            # LeakyReLU keeps the order of numbers: after pooling it has a quarter of the work.
            x = nn.leaky_relu(max_pool(x), _SLOPE)
        dense = nn.Dense(
            self.code_size, use_bias=False, dtype=x.dtype, kernel_init=_fan_in, name="code"
        )
        return dense(x.reshape(x.shape[0], -1)).astype(image.dtype), {}


class LeNetAutoencoder(nn.Module):
    """A `LeNet`, under the name `encoder`, and its mirror image of upsampled convolutions.

    Attributes:
      widths: the `LeNet`'s; the decoder has them in reverse.
      code_size: the `LeNet`'s, a multiple of 16: the decoder begins with 4 x 4 pixels of it.
      glorot: see `LeNet`.
      normalise_code: whether the code is normalised before it is decoded.
      batch_axis: mesh axis over which batch statistics are averaged, if any.
      dtype: that of activations; parameters, statistics, reconstruction and code are float32.

    """

    widths: Sequence[int] = (8, 4)
    code_size: int = 32
    glorot: bool = False
    normalise_code: bool = False
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Reconstruct `[B, H, H, C]`; H between 4 and 8 times `2 ** len(widths)`."""
        levels = len(self.widths)
        sizes = [image.shape[1] >> level for level in reversed(range(levels + 1))]
        if image.shape[1] != image.shape[2] or not _START <= sizes[0] <= 2 * _START:
            raise ValueError(f"{levels} widths need square images of 4 to 8 times {2**levels} px")
        if self.code_size % _START**2:
            raise ValueError(f"code_size={self.code_size} is not a multiple of {_START**2}")
        encoder = LeNet(
            self.widths, self.code_size, self.glorot, self.batch_axis, self.dtype, name="encoder"
        )
        norm = functools.partial(_norm, not train, axis_name=self.batch_axis)
        code, _ = encoder(image, train)
        x = code.astype(self.dtype)
        if self.normalise_code:
            x = norm(dtype=x.dtype)(x)
        x = x.reshape(x.shape[0], _START, _START, -1)
        kernel_init = _glorot if self.glorot else _fan_out  # as for a transposed convolution
        for level, (features, size) in enumerate(
            zip((*reversed(self.widths), image.shape[-1]), sizes, strict=True)
        ):
            if level:
                x = norm(dtype=x.dtype)(x)
            x = nn.leaky_relu(x, _SLOPE)
            upsample = level > 0 or size > _START
            x = Conv(features, _KERNEL, use_bias=False, kernel_init=kernel_init, upsample=upsample)(
                x
            )
            if level:  # 14 of 16 pixels on MNIST, where 7 are not doubled from 4
                edge = (x.shape[1] - size) // 2
                x = x[:, edge : edge + size, edge : edge + size]
        return nn.sigmoid(x.astype(image.dtype)), {"code": code}
