"""Attention over the positions of a feature map."""

import jax
import jax.numpy as jnp
from jax import lax

from adjax.ops.backend import chosen_library


def attention(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """`softmax(query key^T) value`, not scaled: `[B, T, F]` three times -> `[B, T, F]`.

    The weights `[T, T]` of an image are recomputed in the backward pass. On CPU the images go one
    by one, so that their weights stay in the cache, and are computed in float32; with
    `adjax_native` a few rows at a time, differentiable once.
    """

    def default(query, key, value):
        q, k, v = (x[:, :, None] for x in (query, key, value))
        return jax.nn.dot_product_attention(q, k, v, scale=1.0)[:, :, 0]

    def cpu(query, key, value):
        operands = tuple(x.astype(jnp.float32) for x in (query, key, value))
        if library is None:
            output = lax.map(jax.checkpoint(_attend_one), operands)
        else:
            output = library.attention(*operands)
        return output.astype(query.dtype)

    library = chosen_library()

    return lax.platform_dependent(query, key, value, cpu=cpu, default=default)


def _attend_one(operands):
    query, key, value = operands
    logits = query @ key.T
    weight = jnp.exp(logits - lax.stop_gradient(logits.max(axis=-1, keepdims=True)))
    # Dividing the [T, F] result instead of the [T, T] weights saves a pass over the latter.
    return (weight @ value) / weight.sum(axis=-1, keepdims=True)
