"""The networks of Akcay et al., "Skip-GANomaly: Skip Connected and Adversarially Trained
Encoder-Decoder Anomaly Detection" (2019): the U-Net of pix2pix and a discriminator with a code.

Layers of the authors' released code; kernels from N(0, 0.02), scales of batch normalisation from
N(1, 0.02). Images are in [-1, 1], the range of tanh.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from adjax.models.ganomaly import KERNEL_INIT, DCGANEncoder, batch_norm, check_size
from adjax.ops import Conv, ConvTranspose

_WIDEST = 8  # times the width of the first level


class SkipGANomaly(nn.Module):
    """Halvings down to one pixel and back, every size concatenated with its encoder.

    Attributes:
      width: channels of the first level; each further one has twice as many, up to eight times.
      batch_axis: mesh axis over which batch statistics are averaged, if any.
      dtype: that of activations; parameters, statistics and the reconstruction are float32.

    """

    width: int = 64
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Reconstruct `[B, S, S, C]` in [-1, 1]; S a power of two, at least 8."""
        check_size("SkipGANomaly", image)
        depth = image.shape[1].bit_length() - 1
        widths = [self.width * min(2**level, _WIDEST) for level in range(depth)]

        def resample(layer, x, features, name=None, use_bias=False):
            return layer(
                features, (4, 4), (2, 2), use_bias=use_bias, kernel_init=KERNEL_INIT, name=name
            )(x)

        x = image.astype(self.dtype)
        levels = []
        for level, features in enumerate(widths):
            x = resample(Conv, nn.leaky_relu(x, 0.2) if level else x, features)
            if 0 < level < depth - 1:
                x = batch_norm(self, train, x)
            levels.append(x)
        x = levels.pop()
        for features in reversed(widths[:-1]):
            x = batch_norm(self, train, resample(ConvTranspose, nn.relu(x), features))
            x = jnp.concatenate([levels.pop(), x], -1)
        x = resample(ConvTranspose, nn.relu(x), image.shape[-1], name="image", use_bias=True)
        return jnp.tanh(x.astype(image.dtype)), {}


class SkipGANomalyDiscriminator(nn.Module):
    """An encoder to a code, its features, and a weight each to one number.

    The released code makes that number by a 3 x 3 convolution of one padded pixel, of which the
    middle weights alone meet anything but padding: those are here.

    Attributes:
      code_size: number of features.
      width: channels of the largest level.
      batch_axis: mesh axis over which batch statistics are averaged, if any.
      dtype: that of activations; parameters, statistics and what is returned are float32.

    """

    code_size: int = 100
    width: int = 64
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Judge `[B, S, S, C]`: a logit of being real `[B]`, features `[B, code_size]`."""
        how = self.code_size, self.width, self.batch_axis, self.dtype
        features, _ = DCGANEncoder(*how, name="encoder")(image, train)
        logit = nn.Dense(1, use_bias=False, kernel_init=KERNEL_INIT, name="logit")(features)
        return logit[:, 0], features
