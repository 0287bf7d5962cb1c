"""Random numbers as JAX draws them: keys are pairs of words, which the Threefry hash mixes.

Rules here are JAX functions of plain arrays, which are translated in their turn.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.random import threefry_prng_impl

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def threefry2x32(key1: Any, key2: Any, x1: Any, x2: Any) -> Any:
    """Mix two words with a key: Threefry 2x32 in 20 rounds (Salmon et al. 2011)."""
    keys = key1, key2, key1 ^ key2 ^ np.uint32(0x1BD11BDA)
    x1, x2 = x1 + key1, x2 + key2
    for turn in range(5):
        for rotation in _ROTATIONS[turn % 2]:
            x1 = x1 + x2
            left = lax.shift_left(x2, jnp.uint32(rotation))
            x2 = x1 ^ (left | lax.shift_right_logical(x2, jnp.uint32(32 - rotation)))
        x1 = x1 + keys[(turn + 1) % 3]
        x2 = x2 + keys[(turn + 2) % 3] + np.uint32(turn + 1)
    return x1, x2


def _over(dimensions: int, function):
    for _ in range(dimensions):
        function = jax.vmap(function)
    return function


def random_seed(seeds: Any, *, impl: Any) -> Any:
    """Make keys of seeds."""
    return _over(seeds.ndim, threefry_prng_impl.seed)(seeds)


def random_split(keys: Any, *, shape: Any) -> Any:
    """Make several keys of each."""
    return _over(keys.ndim - 1, lambda key: threefry_prng_impl.split(key, shape))(keys)


def random_fold_in(keys: Any, data: Any) -> Any:
    """Make a key of each and a number."""
    shape = np.broadcast_shapes(keys.shape[:-1], data.shape)
    keys, data = jnp.broadcast_to(keys, (*shape, 2)), jnp.broadcast_to(data, shape)
    return _over(len(shape), threefry_prng_impl.fold_in)(keys, data)


def random_bits(keys: Any, *, bit_width: Any, shape: Any) -> Any:
    """Draw words for each key."""
    return _over(keys.ndim - 1, lambda key: threefry_prng_impl.random_bits(key, bit_width, shape))(
        keys
    )


# Coefficients of Giles, "Approximating the erfinv function" (2010), as XLA has them.
_CENTRAL = (
    *(2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087),
    *(-0.00125372503, -0.00417768164, 0.246640727, 1.50140941),
)
_OUTER = (
    *(-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773),
    *(-0.0076224613, 0.00943887047, 1.00167406, 2.83297682),
)


def erf_inv(x: Any) -> Any:
    """Invert the error function, by the polynomials that XLA has."""
    w = -jnp.log1p(-x * x)
    outer = jnp.sqrt(jnp.maximum(w, 5)) - 3
    return x * jnp.where(w < 5, _polynomial(w - 2.5, _CENTRAL), _polynomial(outer, _OUTER))


def _polynomial(x, coefficients):
    result = jnp.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        result = result * x + np.float32(coefficient)
    return result


FUNCTIONS = {
    "erf_inv": erf_inv,
    "random_bits": random_bits,
    "random_fold_in": random_fold_in,
    "random_seed": random_seed,
    "random_split": random_split,
    "threefry2x32": threefry2x32,
}
