"""Attention over the positions of a feature map."""

import jax
import jax.numpy as jnp
from jax import lax

# Weights of one image held at once, 4 MiB: all of 1024 positions, 256 rows of 4096.
_WEIGHTS_AT_ONCE = 2**20


def attention(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Return `softmax(query key^T) value`, not scaled: `[B, T, F]` three times -> `[B, T, F]`.

    The weights `[T, T]` of an image are recomputed in the backward pass. Those of large images are
    computed a group of rows at a time and never held together. On CPU images are processed one by
    one, so that their weights stay in the cache. Large images, and all on CPU, use float32.
    """
    is_small = query.shape[1] * key.shape[1] <= _WEIGHTS_AT_ONCE
    attend = _attend_one if is_small else _attend_by_rows

    def default(query, key, value):
        if not is_small:
            return _in_float32(jax.vmap(attend), query, key, value)
        q, k, v = (x[:, :, None] for x in (query, key, value))
        return jax.nn.dot_product_attention(q, k, v, scale=1.0)[:, :, 0]

    def cpu(query, key, value):
        def one_by_one(*operands):
            return lax.map(lambda one: attend(*one), operands)

        return _in_float32(one_by_one, query, key, value)

    return lax.platform_dependent(query, key, value, cpu=cpu, default=default)


def _in_float32(function, *operands):
    return function(*(x.astype(jnp.float32) for x in operands)).astype(operands[0].dtype)


def _attend_by_rows(query, key, value):
    """Apply `_attend_one` to groups of queries in turn; the backward pass sums their gradients."""
    positions, features = query.shape
    groups = -(-positions * len(key) // _WEIGHTS_AT_ONCE)
    rows = -(-positions // groups)
    padded = jnp.pad(query, ((0, groups * rows - positions), (0, 0)))
    output = lax.map(
        lambda group: _attend_one(group, key, value), padded.reshape(groups, rows, features)
    )
    return output.reshape(groups * rows, -1)[:positions]


@jax.custom_vjp
def _attend_one(query, key, value):
    weight, total = _weights(query, key)
    # Dividing the [T, F] result instead of the [T, T] weights saves a pass over the latter.
    return (weight @ value) / total


def _weights(query, key):
    logits = query @ key.T
    weight = jnp.exp(logits - lax.stop_gradient(logits.max(axis=-1, keepdims=True)))
    return weight, weight.sum(axis=-1, keepdims=True)


def _attend_one_forward(query, key, value):
    output = _attend_one(query, key, value)
    return output, (query, key, value, output)


def _attend_one_backward(kept, cotangent):
    query, key, value, output = kept
    weight, total = _weights(query, key)
    cotangent /= total
    slope = weight * (cotangent @ value.T - (cotangent * output).sum(axis=-1, keepdims=True))
    return slope @ key, _transposed_product(slope, query), _transposed_product(weight, cotangent)


def _transposed_product(a, b):
    """Return `a^T b` by way of `(b^T a)^T`, for a large `a` that is slow to traverse by columns."""
    return lax.optimization_barrier(b.T @ a).T  # XLA would simplify it away


_attend_one.defvjp(_attend_one_forward, _attend_one_backward)
