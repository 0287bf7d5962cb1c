"""Floating-point operations that a network asks for, whatever computes them.

XLA counts what it compiles: the zeros of a transposed convolution too, a loop's body once, a
library call not at all. Speeds of different paths are compared by this count instead: two for each
multiply-add of a convolution, dense layer or attention.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from adjax.models.rnan import NonLocalBlock
from adjax.ops import Conv, ConvTranspose

# A backward pass makes two products, for activations and for weights, of each one forward.
TRAINING_FACTOR = 3


def forward_flops(model: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Operations of `model` on one image `[H, W, C]`."""
    total = 0

    def count(next_call, args, kwargs, context):
        nonlocal total
        y = next_call(*args, **kwargs)
        if context.method_name == "__call__":
            total += 2 * _multiply_adds(context.module, args[0], y)
        return y

    with nn.intercept_methods(count):
        image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
        jax.eval_shape(model.init, jax.random.key(0), image)
    return total


def _multiply_adds(layer: nn.Module, x, y) -> int:
    if isinstance(layer, Conv):
        return y.size * math.prod(layer.kernel_size) * x.shape[-1]
    if isinstance(layer, ConvTranspose):
        return x.size * math.prod(layer.kernel_size) * y.shape[-1]
    if isinstance(layer, nn.Dense):
        return x.size * y.shape[-1]
    if isinstance(layer, NonLocalBlock):  # query key^T, and weights times value
        positions, features = math.prod(x.shape[1:3]), x.shape[-1] // 2
        return 2 * len(x) * positions**2 * features
    return 0
