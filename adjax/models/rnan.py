"""Residual non-local attention network (RNAN), the student f_OS of style distillation.

Topology of Zhang et al., ICLR 2019, as in its reference code for denoising; the OE-SDN paper says
"we set the number of filters to 32 in all convolution layers" and nothing else, so the number of
groups, the global residual and the zero-initialised non-local output are defaults of ours. The
reference code normalises attention over queries; the paper's formula, and this file, over keys.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from adjax.ops import Conv, ConvTranspose, attention

# The initialisation of the reference code (PyTorch's default): a third of LeCun's variance.
_conv = functools.partial(
    Conv, kernel_init=nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
)


class RNAN(nn.Module):
    """Image-to-image network without a bottleneck: attention groups around a global residual.

    Attributes:
      groups: number of attention groups; 10 is the published denoiser's.
      nonlocal_groups: which of them attend over all positions; negative counts from the end.
      features: channels of every convolution.
      dtype: that of activations; parameters and the reconstruction are float32.

    """

    groups: int = 10
    nonlocal_groups: Sequence[int] = (0, -1)
    features: int = 32
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Reconstruct `[B, H, W, C]`; H and W even. `train` is accepted and changes nothing."""
        if any(not -self.groups <= g < self.groups for g in self.nonlocal_groups):
            raise ValueError(f"nonlocal_groups {self.nonlocal_groups} of {self.groups} groups")
        nonlocal_groups = {g % self.groups for g in self.nonlocal_groups}
        x = _conv(self.features, (3, 3), name="head")(image.astype(self.dtype))
        for group in range(self.groups):
            if group == self.groups - 1:
                x = _conv(self.features, (3, 3), name="body")(x)
            x = AttentionGroup(group in nonlocal_groups, name=f"group_{group}")(x)
        x = _conv(image.shape[-1], (3, 3), name="tail")(x)
        return image + x.astype(image.dtype), {}


class AttentionGroup(nn.Module):
    """Trunk and mask branch: `h = trunk * mask + r`, between residual blocks, and a convolution."""

    is_nonlocal: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map `[B, H, W, F]` to the same shape."""
        features = x.shape[-1]
        r = ResidualBlock()(x)
        trunk = ResidualBlock()(ResidualBlock()(r))
        mask = NonLocalBlock()(r) if self.is_nonlocal else r
        shallow = ResidualBlock()(mask)
        deep = _conv(features, (3, 3), (2, 2), ((1, 1), (1, 1)))(shallow)
        deep = ResidualBlock()(ResidualBlock()(deep))
        deep = ConvTranspose(features, (6, 6), (2, 2), ((2, 2), (2, 2)))(deep)
        mask = nn.sigmoid(_conv(features, (1, 1))(ResidualBlock()(deep + shallow)))
        x = ResidualBlock()(ResidualBlock()(trunk * mask + r))
        return _conv(features, (3, 3))(x)


class ResidualBlock(nn.Module):
    """`x + conv(relu(conv(x)))`, 3 x 3, no normalisation."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map `[B, H, W, F]` to the same shape."""
        y = nn.relu(_conv(x.shape[-1], (3, 3))(x))
        return x + _conv(x.shape[-1], (3, 3))(y)


class NonLocalBlock(nn.Module):
    """Attention of every position over all positions, added to its input; starts as identity."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map `[B, H, W, F]` to the same shape; work grows as (H W)^2, memory does not."""
        b, h, w, features = x.shape
        query, key, value = (
            nn.Dense(features // 2, dtype=x.dtype, name=name)(x).reshape(b, h * w, features // 2)
            for name in ("query", "key", "value")
        )
        y = attention(query, key, value).reshape(b, h, w, features // 2)
        zeros = nn.initializers.zeros_init()
        return x + nn.Dense(features, dtype=x.dtype, kernel_init=zeros, name="out")(y)
