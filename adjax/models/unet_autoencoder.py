"""The autoencoder of Minhas and Zelek, "Semi-supervised Anomaly Detection using AutoEncoders"
(2020): a U-Net whose kernels shrink towards its middle.

Layers of the authors' released code, with LeakyReLU 0.2 where the paper says ReLU, and with the
defaults of the library it is written for. The last layer is normalised and leaky like the others:
its range is not limited to [0, 1].
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from adjax.ops import BatchNorm, Conv, ConvTranspose

_FIRST = 11  # of stride 1; the others halve the image
_DOWN = (9, 7, 5, 3)
_UP = (5, 7, 9, 11)
# PyTorch's initialisation; of a transposed convolution, too, it counts the kernel's third axis.
_kernel_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class UNetAutoencoder(nn.Module):
    """Four halvings and back by transposed convolutions, every size concatenated with its encoder.

    Attributes:
      width: channels of every layer.
      batch_axis: mesh axis over which batch statistics are averaged, if any.
      dtype: that of activations; parameters, statistics and the reconstruction are float32.

    """

    width: int = 48
    batch_axis: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False):
        """Reconstruct `[B, H, W, C]`; H and W divisible by 16."""
        if any(size % 16 for size in image.shape[1:3]):
            raise ValueError("UNetAutoencoder needs height and width divisible by 16 px")
        norm = functools.partial(
            BatchNorm, not train, momentum=0.9, epsilon=1e-5, axis_name=self.batch_axis
        )

        def block(layer, x, features, kernel, stride):
            # Half a kernel in front; the even sizes of this network leave one less behind.
            half = kernel // 2
            padding = ((half, half - (stride > 1)),) * 2
            x = layer(features, (kernel,) * 2, (stride,) * 2, padding, kernel_init=_kernel_init)(x)
            return nn.leaky_relu(norm(dtype=x.dtype)(x), 0.2)

        x = block(Conv, image.astype(self.dtype), self.width, _FIRST, 1)
        skips = []
        for kernel in _DOWN:
            skips.append(x)
            x = block(Conv, x, self.width, kernel, 2)
        for kernel in _UP:
            x = block(ConvTranspose, x, self.width, kernel, 2)
            x = jnp.concatenate([x, skips.pop()], -1)
        x = block(Conv, x, image.shape[-1], 1, 1)
        return x.astype(image.dtype), {}
