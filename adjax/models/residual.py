"""A small student f_OS of style distillation: residual blocks at half resolution.

It is ours, no paper's: a twelfth of the arithmetic of an RNAN of two groups, for the same scores.
Like the RNAN it starts as the identity, which outlier exposure asks of it.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from adjax.ops import Conv, depth_to_space, space_to_depth

_conv = functools.partial(Conv, kernel_size=(3, 3), kernel_init=nn.initializers.he_normal())
_last_conv = functools.partial(_conv, kernel_init=nn.initializers.zeros_init())


class HalfResolutionResNet(nn.Module):
    """Image-to-image network without a bottleneck, around a global residual.

    Every 2 x 2 pixels become channels of one position, pre-activation residual blocks (He et al.
    2016) follow, and the channels become pixels again.

    Attributes:
      blocks: number of residual blocks.
      features: channels of their convolutions.
      dtype: that of activations; parameters and the reconstruction are float32.

    """

    blocks: int = 8
    features: int = 32
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Reconstruct `[B, H, W, C]`, of any height and width; `train` changes nothing."""
        height, width, channels = image.shape[1:]
        even = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
        x = space_to_depth(jnp.pad(image.astype(self.dtype), even, mode="edge"))
        x = _conv(self.features, name="head")(x)
        for number in range(self.blocks):
            x = _Block(name=f"block_{number}")(x)
        x = _last_conv(4 * channels, name="tail")(x)
        return image + depth_to_space(x)[:, :height, :width].astype(image.dtype), {}


class _Block(nn.Module):
    """`x + conv(relu(conv(relu(x))))`, 3 x 3, no normalisation; starts as the identity."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map `[B, H, W, F]` to the same shape."""
        y = _conv(x.shape[-1])(nn.relu(x))
        return x + _last_conv(x.shape[-1])(nn.relu(y))
