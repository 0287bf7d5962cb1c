"""The autoencoder of Bergmann et al., "Improving Unsupervised Defect Segmentation by Applying
Structural Similarity to Autoencoders" (2019), for image patches of 128 px.

The encoder is the paper's Table 1, the decoder its mirror image of transposed convolutions. The
sigmoid at the end is a default of ours, for images in [0, 1]; so is the kernel of the additional
convolution for images of 256 px, which the MVTec AD paper (2019) mentions without its size.
"""

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
_CODE_KERNEL = 8


class SSIMAutoencoder(nn.Module):
    """Strided convolutions to a code without extent, and back by transposed ones.

    Attributes:
      code_size: length of the code; the paper's is 100.
      extra_layers: further 4 x 4 convolutions of stride 2 in front, each for images of twice the
        size: 0 for 128 px, 1 for 256 px.
      dtype: of the activations; parameters, reconstruction and code are float32.

    """

    code_size: int = 100
    extra_layers: int = 0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Reconstruct `[B, H, W, C]`, H = W = 128 x 2^extra_layers; `train` changes nothing."""
        size = 128 * 2**self.extra_layers
        if image.shape[1:3] != (size, size):
            raise ValueError(f"SSIMAutoencoder needs images of {size} x {size} px")
        layers = (_STEM,) * self.extra_layers + _LAYERS
        x = image.astype(self.dtype)
        for features, kernel, stride in layers:
            x = Conv(features, (kernel,) * 2, (stride,) * 2)(x)
            x = nn.leaky_relu(x, 0.2)
        code = Conv(self.code_size, (_CODE_KERNEL,) * 2, padding="VALID")(x)
        x = ConvTranspose(layers[-1][0], (_CODE_KERNEL,) * 2, padding="VALID")(code)
        # A transposed layer gives what its convolution was given.
        features_before = (image.shape[-1], *(features for features, _, _ in layers[:-1]))
        for features, (_, kernel, stride) in zip(
            reversed(features_before), reversed(layers), strict=True
        ):
            x = nn.leaky_relu(x, 0.2)
            x = ConvTranspose(features, (kernel,) * 2, (stride,) * 2)(x)
        return nn.sigmoid(x.astype(image.dtype)), {"code": code[:, 0, 0].astype(image.dtype)}
