"""EfficientNet-Lite0, a classifier of ImageNet for small devices, as an extractor of features.

The layers of Google's released code (`efficientnet/lite` of its TPU models; Tan and Le 2019 without
squeeze-and-excitation and with ReLU6): 4,652,008 parameters with its 1000 classes, 3,371,008
without. It is never trained here, so its statistics are those of its training, always.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from adjax.ops import BatchNorm, Conv, depthwise

FEATURES = 1280
# Blocks in a row, kernel, stride of the first, expansion, channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class EfficientNetLite0(nn.Module):
    """Convolutions to a 32nd of the image's size, averaged over positions.

    Attributes:
      classes: outputs of the linear layer at the end; 0: there is none.

    """

    classes: int = 0

    @nn.compact
    def __call__(self, image: jax.Array):
        """Compute features of images.

        Args:
          image: float32 `[B, H, W, 3]` in [0, 1], scaled here as in the network's training.

        Returns:
          `(features float32 [B, 1280] from 0 to 6, others)`: `layers`, the outputs of all blocks,
          and with classes `logits` `[B, classes]`.

        """
        x = (255 * image - 127) / 128
        x = Conv(32, (3, 3), (2, 2), use_bias=False, name="stem")(x)
        x = _relu6(_norm("stem_norm")(x))
        layers = [x]
        for repeats, kernel, stride, expansion, features in _STAGES:
            for repeat in range(repeats):
                name = f"block{len(layers) - 1}"
                block = _Block(kernel, 1 if repeat else stride, expansion, features, name=name)
                layers.append(block(layers[-1]))
        x = Conv(FEATURES, (1, 1), use_bias=False, name="head")(layers[-1])
        x = _relu6(_norm("head_norm")(x)).mean((1, 2))
        if not self.classes:
            return x, {"layers": layers}
        return x, {"layers": layers, "logits": nn.Dense(self.classes, name="classifier")(x)}


class _Block(nn.Module):
    """An inverted residual: wide, each channel by itself, narrow."""

    kernel: int
    stride: int
    expansion: int
    features: int

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        x = image
        if self.expansion > 1:
            wide = self.expansion * image.shape[-1]
            x = Conv(wide, (1, 1), use_bias=False, name="expand")(x)
            x = _relu6(_norm("expand_norm")(x))
        shape = (self.kernel, self.kernel, 1, x.shape[-1])
        w = self.param("depthwise", nn.initializers.lecun_normal(), shape, jnp.float32)
        x = _relu6(_norm("depthwise_norm")(depthwise(x, w, (self.stride,) * 2)))
        x = Conv(self.features, (1, 1), use_bias=False, name="project")(x)
        x = _norm("project_norm")(x)
        return x + image if x.shape == image.shape else x


def _norm(name: str) -> BatchNorm:
    return BatchNorm(use_running_average=True, epsilon=1e-3, name=name)


def _relu6(x: jax.Array) -> jax.Array:
    return jnp.clip(x, 0, 6)
