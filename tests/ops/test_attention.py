"""Attention against softmax attention written out."""

import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adjax.ops import attention
from adjax.ops.attention import has_fused_attention
from adjax.training.estimates import peak_bytes

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


@pytest.fixture
def few_weights(monkeypatch):
    """Hold so few weights that the seven queries go in three groups, the last filled up."""
    module = sys.modules[attention.__module__]
    monkeypatch.setattr(module, "_WEIGHTS_AT_ONCE", 20)


@pytest.mark.usefixtures("few_weights")
def test_rows_in_groups_equal_softmax_attention():
    check_value_and_gradients()


@pytest.mark.usefixtures("few_weights")
def test_rows_in_groups_on_other_platforms_equal_softmax_attention(other_platform):
    check_value_and_gradients()


def gradients(query, key, value):
    return jax.grad(lambda *x: loss(attention, *x), (0, 1, 2))(query, key, value)


def test_memory_of_a_large_image_is_bounded():
    """At 64 x 64 positions the weights of one image would take 64 MiB."""
    shapes = [jax.ShapeDtypeStruct((2, 4096, 16), jnp.float32)] * 3
    traced = jax.make_jaxpr(gradients)(*shapes).jaxpr
    assert peak_bytes(traced) < 2 * 4096 * 4096 * 4 / 2  # a quarter of the dense form's least
    compiled = jax.jit(gradients).lower(*shapes).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 32 * 2**20


def test_small_images_keep_their_program():
    """At 32 x 32 positions an image's weights are held together, in one product."""
    shapes = [jax.ShapeDtypeStruct((2, 1024, 16), jnp.float32)] * 3
    text = jax.jit(attention).lower(*shapes).as_text()
    assert "1024x1024" in text
    large = [jax.ShapeDtypeStruct((2, 4096, 16), jnp.float32)] * 3
    text = jax.jit(attention).lower(*large).as_text()
    assert "256x4096" in text
    assert "4096x4096" not in text


def test_weights_are_not_kept_for_the_backward_pass():
    check_residuals()


def test_weights_are_not_kept_on_other_platforms_either(other_platform):
    check_residuals()


def check_residuals():
    inputs = operands()
    _, backward = jax.vjp(attention, *inputs)
    kept = [np.size(leaf) for leaf in jax.tree.leaves(backward)]
    assert max(kept) <= inputs[0].size  # the weights have 7 / 4 of it


@pytest.mark.parametrize(
    ("dtype", "features", "platform", "capability", "has"),
    [
        (jnp.bfloat16, 16, "gpu", "9.0", True),
        (jnp.bfloat16, 128, "gpu", "8.0", True),
        (jnp.bfloat16, 136, "gpu", "9.0", False),
        (jnp.bfloat16, 12, "gpu", "9.0", False),
        (jnp.bfloat16, 16, "gpu", "7.5", False),
        (jnp.bfloat16, 16, "gpu", "gfx90a", False),
        (jnp.float32, 16, "gpu", "9.0", False),
        (jnp.bfloat16, 16, "cpu", "", False),
        (jnp.bfloat16, 16, "tpu", "", False),
    ],
)
def test_fused_attention_is_asked_for_where_cudnn_has_it(
    monkeypatch, dtype, features, platform, capability, has
):
    device = types.SimpleNamespace(compute_capability=capability)
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    monkeypatch.setattr(jax, "devices", lambda: [device])
    assert has_fused_attention(jnp.dtype(dtype), features) == has


def test_fused_attention_is_one_branch_of_the_program(monkeypatch):
    """What cuDNN would be given is the same attention, by a name that JAX knows."""
    branches = {}

    def take(*operands, default, **platforms):
        branches.update(platforms)
        return operands[0]

    module = sys.modules[attention.__module__]
    monkeypatch.setattr(module, "has_fused_attention", lambda *_: True)
    monkeypatch.setattr(jax.lax, "platform_dependent", take)
    asked = {}

    def dot_product_attention(query, key, value, **options):
        asked.update(options)
        return query

    attention(*(x.astype(jnp.bfloat16) for x in operands()))
    monkeypatch.setattr(jax.nn, "dot_product_attention", dot_product_attention)
    assert set(branches) == {"cpu", "cuda"}
    assert branches["cuda"](*operands()).shape == operands()[0].shape
    assert asked == {"scale": 1.0, "implementation": "cudnn"}
