"""Attention over the positions of a feature map."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from adjax.ops.precision import precision_of_products

# Weights of one image held at once, 4 MiB: all of 1024 positions, 256 rows of 4096.
_WEIGHTS_AT_ONCE = 2**20
_LARGEST_HEAD, _HEAD_UNIT = 128, 8  # features that cuDNN's attention takes on every GPU with it


def attention(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Return `softmax(query key^T) value`, not scaled: `[B, T, F]` three times -> `[B, T, F]`.

    The weights `[T, T]` of an image are never kept for the backward pass, which computes them
    anew. Those of large images are computed a group of rows at a time and never held together. On
    CPU images are processed one by one, so that their weights stay in the cache; on other devices
    those of all small images of a batch are there at once. In bfloat16 on NVIDIA GPUs cuDNN has the
    whole in one kernel, and there are none. All else of large images, and on CPU, is float32.
    """
    is_small = query.shape[1] * key.shape[1] <= _WEIGHTS_AT_ONCE
    attend = functools.partial(
        _attend_one if is_small else _attend_by_rows, precision_of_products()
    )

    def default(query, key, value):
        if not is_small:
            return _in_float32(jax.vmap(attend), query, key, value)
        return jax.checkpoint(_attend_all)(query, key, value)

    def cpu(query, key, value):
        def one_by_one(*operands):
            return lax.map(lambda one: attend(*one), operands)

        return _in_float32(one_by_one, query, key, value)

    others = {"cuda": _attend_fused} if has_fused_attention(query.dtype, query.shape[-1]) else {}
    return lax.platform_dependent(query, key, value, cpu=cpu, default=default, **others)


def has_fused_attention(dtype: Any, features: int) -> bool:
    """Return whether cuDNN has attention for operands of a dtype on the GPU of this process."""
    takes = dtype == jnp.bfloat16 and features <= _LARGEST_HEAD and not features % _HEAD_UNIT
    if not takes or jax.default_backend() != "gpu":
        return False
    # Of an NVIDIA GPU it is "8.0" and the like; others have names.
    capability = str(jax.devices()[0].compute_capability)
    return capability.replace(".", "").isdigit() and float(capability) >= 8


def _attend_all(query, key, value, **options):
    q, k, v = (x[:, :, None] for x in (query, key, value))
    return jax.nn.dot_product_attention(q, k, v, scale=1.0, **options)[:, :, 0]


_attend_fused = functools.partial(_attend_all, implementation="cudnn")


def _in_float32(function, *operands):
    return function(*(x.astype(jnp.float32) for x in operands)).astype(operands[0].dtype)


def _attend_by_rows(precision, query, key, value):
    """Apply `_attend_one` to groups of queries in turn; the backward pass sums their gradients."""
    positions, features = query.shape
    groups = -(-positions * len(key) // _WEIGHTS_AT_ONCE)
    rows = -(-positions // groups)
    padded = jnp.pad(query, ((0, groups * rows - positions), (0, 0)))
    output = lax.map(
        lambda group: _attend_one(precision, group, key, value),
        padded.reshape(groups, rows, features),
    )
    return output.reshape(groups * rows, -1)[:positions]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend_one(precision, query, key, value):
    weight, total = _weights(precision, query, key)
    # Dividing the [T, F] result instead of the [T, T] weights saves a pass over the latter.
    return jnp.matmul(weight, value, precision=precision) / total


def _weights(precision, query, key):
    logits = jnp.matmul(query, key.T, precision=precision)
    weight = jnp.exp(logits - lax.stop_gradient(logits.max(axis=-1, keepdims=True)))
    return weight, weight.sum(axis=-1, keepdims=True)


def _attend_one_forward(precision, query, key, value):
    output = _attend_one(precision, query, key, value)
    return output, (query, key, value, output)


def _attend_one_backward(precision, kept, cotangent):
    query, key, value, output = kept
    product = functools.partial(jnp.matmul, precision=precision)

    def transposed_product(a, b):
        # `a^T b` by way of `(b^T a)^T`: a large `a` is slow to traverse by columns.
        return lax.optimization_barrier(product(b.T, a)).T  # XLA would simplify it away

    weight, total = _weights(precision, query, key)
    cotangent /= total
    towards = product(cotangent, value.T)
    slope = weight * (towards - (cotangent * output).sum(axis=-1, keepdims=True))
    return (
        product(slope, key),
        transposed_product(slope, query),
        transposed_product(weight, cotangent),
    )


_attend_one.defvjp(_attend_one_forward, _attend_one_backward)
