"""The U-Net of ITAE (Huang et al., arXiv 1911.10676), which restores an image that lost attributes.

The layers of a re-implementation by others (the paper's own code is not known): pairs of 3 x 3
convolutions with batch normalisation and ReLU, halved by maxima, enlarged by linear interpolation.
Its convolutions have a bias before the normalisation, which takes it away again; here they have
none. 13,390,720 parameters for grey images.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from adjax.ops import BatchNorm, Conv, max_pool, upsample_bilinear

# PyTorch's initialisation.
_kernel_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class ITAEUNet(nn.Module):
    """U-Net that sees the mean of the channels only, and gives all of them.

    Attributes:
      widths: channels at each size of the encoder, the image's own first.
      batch_axis: mesh axis over which batch statistics are averaged, if any.
      dtype: that of activations; parameters, statistics and the reconstruction are float32.

    """

    widths: Sequence[int] = (64, 128, 256, 512, 512)
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Restore `[B, H, W, C]` in [-1, 1]; H and W at least `2 ** (len(widths) - 1)`."""
        least = 2 ** (len(self.widths) - 1)
        if min(image.shape[1:3]) < least:
            raise ValueError(f"ITAEUNet of these widths needs images of at least {least} px")

        def double(x, features):
            for _ in range(2):
                x = Conv(features, (3, 3), use_bias=False, kernel_init=_kernel_init)(x)
                norm = BatchNorm(not train, momentum=0.9, axis_name=self.batch_axis, dtype=x.dtype)
                x = nn.relu(norm(x))
            return x

        first, *deeper = self.widths
        x = image.mean(-1, keepdims=True).astype(self.dtype)
        x, skips = double(x, first), []
        for features in deeper:
            skips.append(x)
            x = double(max_pool(x), features)
        for level, skip in reversed(list(enumerate(skips))):
            x = jnp.concatenate([skip, _fill(upsample_bilinear(x), skip.shape)], -1)
            x = double(x, self.widths[max(level - 1, 0)])
        x = Conv(image.shape[-1], (3, 3), use_bias=False, kernel_init=_kernel_init)(x)
        return jnp.tanh(x.astype(image.dtype)), {}


def _fill(x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Pad with zeros at the end where halving an odd size lost a row or a column."""
    missing = [n - have for n, have in zip(shape[1:3], x.shape[1:3], strict=True)]
    return jnp.pad(x, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
