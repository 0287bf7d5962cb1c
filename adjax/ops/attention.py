"""Attention over the positions of a feature map."""

import jax
import jax.numpy as jnp
from jax import lax


def attention(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """`softmax(query key^T) value`, not scaled: `[B, T, F]` three times -> `[B, T, F]`.

    The weights `[T, T]` of an image are recomputed in the backward pass. On CPU the images go one
    by one, so that their weights stay in the cache, and are computed in float32.
    """

    def default(query, key, value):
        q, k, v = (x[:, :, None] for x in (query, key, value))
        return jax.nn.dot_product_attention(q, k, v, scale=1.0)[:, :, 0]

    def cpu(query, key, value):
        operands = tuple(x.astype(jnp.float32) for x in (query, key, value))
        return lax.map(lambda one: _attend_one(*one), operands).astype(query.dtype)

    return lax.platform_dependent(query, key, value, cpu=cpu, default=default)


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
    """`a^T b` by way of `(b^T a)^T`, for a large `a` that is slow to walk through by columns."""
    return lax.optimization_barrier(b.T @ a).T  # XLA would simplify it away


_attend_one.defvjp(_attend_one_forward, _attend_one_backward)
