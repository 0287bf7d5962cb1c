"""The autoencoder of Bergmann et al., "Improving Unsupervised Defect Segmentation by Applying
Structural Similarity to Autoencoders" (2019), for image patches of 128 px.

The encoder is the paper's Table 1, the decoder its mirror image of transposed convolutions. The
sigmoid at the end is ours, for images in [0, 1]; so is the kernel of the additional convolution for
images of 256 px, which the MVTec AD paper (2019) mentions without its size.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from adjax.ops import Conv, ConvTranspose

# (features, kernel, stride) of the encoder down to 8 x 8, where the code is read.
_STEM = (32, 4, 2)
_LAYERS = (
    (32, 4, 2),
    (32, 4, 2),
    (32, 3, 1),
    (64, 4, 2),
    (64, 3, 1),
    (128, 4, 2),
    (64, 3, 1),
    (32, 3, 1),
)
CODE_KERNEL = 8


class SSIMAutoencoder(nn.Module):
    """Strided convolutions to a code without extent, and back by transposed ones.

    Attributes:
      code_size: length of the code; the paper's is 100.
      extra_layers: further 4 x 4 convolutions of stride 2 in front, each for images of twice the
        size: 0 for 128 px, 1 for 256 px.
      dtype: that of activations; parameters, reconstruction and code are float32.

    """

    code_size: int = 100
    extra_layers: int = 0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Reconstruct `[B, H, W, C]`, H = W = 128 x 2^extra_layers; `train` changes nothing."""
        layers = layers_of(image.shape, self.extra_layers)
        x = strided(image.astype(self.dtype), layers)
        code = Conv(self.code_size, (CODE_KERNEL,) * 2, padding="VALID")(x)
        x = mirrored(code, image.shape[-1], layers)
        return nn.sigmoid(x.astype(image.dtype)), {"code": code[:, 0, 0].astype(image.dtype)}


def layers_of(shape: Sequence[int], extra_layers: int) -> tuple[tuple[int, int, int], ...]:
    """Return (features, kernel, stride) of the encoder's layers for a shape `[..., H, W, C]`.

    Raises:
      ValueError: if H and W are not 128 x 2^extra_layers.

    """
    size = 128 * 2**extra_layers
    if tuple(shape[-3:-1]) != (size, size):
        raise ValueError(f"SSIMAutoencoder needs images of {size} x {size} px")
    return (_STEM,) * extra_layers + _LAYERS


def strided(x: jax.Array, layers: Sequence[tuple[int, int, int]]) -> jax.Array:
    """Add the encoder's layers to the calling module: `[B, H, W, C]` to `[B, 8, 8, 32]`."""
    for features, kernel, stride in layers:
        x = Conv(features, (kernel,) * 2, (stride,) * 2)(x)
        x = nn.leaky_relu(x, 0.2)
    return x


def mirrored(code: jax.Array, channels: int, layers: Sequence[tuple[int, int, int]]) -> jax.Array:
    """Add the decoder's layers to the calling module: `[B, 1, 1, code size]` to `[B, H, W, C]`."""
    x = ConvTranspose(layers[-1][0], (CODE_KERNEL,) * 2, padding="VALID")(code)
    # A transposed layer gives what its convolution was given.
    features_before = (channels, *(features for features, _, _ in layers[:-1]))
    for features, (_, kernel, stride) in zip(
        reversed(features_before), reversed(layers), strict=True
    ):
        x = nn.leaky_relu(x, 0.2)
        x = ConvTranspose(features, (kernel,) * 2, (stride,) * 2)(x)
    return x
