"""Attention against softmax attention written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adjax.ops import attention

pytestmark = pytest.mark.usefixtures("backend")

TOLERANCE = 2e-5  # float32, values of order one


def operands():
    return tuple(np.random.default_rng(0).standard_normal((3, 2, 7, 4), np.float32))


def softmax_attention(query, key, value):
    """NumPy in float64."""
    logits = np.einsum("btf,bsf->bts", query.astype(np.float64), key)
    weight = np.exp(logits - logits.max(-1, keepdims=True))
    return np.einsum("bts,bsf->btf", weight / weight.sum(-1, keepdims=True), value)


def loss(attend, query, key, value):
    return jnp.sin(attend(query, key, value)).sum()


def plain(query, key, value):
    weight = jax.nn.softmax(jnp.einsum("btf,bsf->bts", query, key), axis=-1)
    return jnp.einsum("bts,bsf->btf", weight, value)


def check_value_and_gradients():
    inputs = operands()
    output = jax.jit(lambda *x: attention(*x))(*inputs)
    np.testing.assert_allclose(output, softmax_attention(*inputs), rtol=0, atol=TOLERANCE)
    ours = jax.jit(jax.grad(lambda *x: loss(attention, *x), (0, 1, 2)))(*inputs)
    oracle = jax.jit(jax.grad(lambda *x: loss(plain, *x), (0, 1, 2)))(*inputs)
    for actual, desired in zip(ours, oracle, strict=True):
        np.testing.assert_allclose(actual, desired, rtol=0, atol=TOLERANCE)


def test_equals_softmax_attention():
    check_value_and_gradients()


def test_form_for_other_platforms_equals_softmax_attention(other_platform):
    check_value_and_gradients()


def test_large_logits_stay_finite():
    query, key, value = operands()
    query *= 1e4
    evaluate = jax.value_and_grad(lambda *x: loss(attention, *x), (0, 1, 2))
    total, gradients = jax.jit(evaluate)(query, key, value)
    # One key takes all the weight.
    winners = np.einsum("btf,bsf->bts", query, key).argmax(-1)
    desired = np.sin(np.take_along_axis(value, winners[..., None], 1)).sum()
    assert float(total) == pytest.approx(desired, abs=1e-4)
    for gradient in gradients:
        assert np.isfinite(gradient).all()
