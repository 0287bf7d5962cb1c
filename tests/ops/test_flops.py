"""The count of floating-point operations against what each operation is known to need."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from adjax.ops import attention, conv, conv_transpose, count_flops

pytestmark = pytest.mark.usefixtures("backend")


def flops(function, *shapes):
    return count_flops(jax.make_jaxpr(function)(*(jnp.zeros(s) for s in shapes)).jaxpr)


def test_product():
    assert flops(lambda a, b: a @ b, (5, 7), (7, 3)) == 2 * 5 * 7 * 3


def test_batched_product():
    assert flops(lambda a, b: jnp.einsum("bij,bjk->bik", a, b), (4, 5, 7), (4, 7, 3)) == 840


def test_convolution_and_each_gradient_count_the_same():
    once = 2 * (2 * 4 * 4) * (3 * 3 * 5) * 6

    def stem(x, w):
        return conv(x, w, strides=(2, 2))

    def both_gradients(x, w):
        return jax.grad(lambda x, w: jnp.sin(stem(x, w)).sum(), (0, 1))(x, w)

    shapes = (2, 8, 8, 5), (3, 3, 5, 6)
    assert flops(stem, *shapes) == once
    assert flops(both_gradients, *shapes) == 3 * once


def test_zeros_of_a_transposed_convolution_do_not_count():
    up = flops(lambda y, w: conv_transpose(y, w, strides=(2, 2)), (2, 4, 4, 6), (4, 4, 5, 6))
    assert up == 2 * (2 * 4 * 4) * (4 * 4 * 5) * 6


def test_a_loop_counts_every_turn():
    def powers(x):
        return lax.fori_loop(0, 6, lambda _, y: y @ x, x)

    assert flops(powers, (3, 3)) == 6 * 2 * 27
    assert flops(lambda xs: lax.map(lambda x: x @ x, xs), (4, 3, 3)) == 4 * 2 * 27


def test_attention_counts_two_products():
    assert flops(attention, *[(2, 10, 4)] * 3) == 2 * 2 * 2 * 10 * 10 * 4
