"""The choice between XLA and oneDNN, and what oneDNN does besides float32 convolutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adjax.errors import UserError
from adjax.ops import backend, conv, convolution_backend, native_library

needs_native = pytest.mark.skipif(native_library() is None, reason="make native installs it")


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def compiled_text(name, dtype=jnp.float32):
    x, w = (jnp.asarray(normal(0, *shape), dtype) for shape in ((2, 6, 6, 3), (3, 3, 3, 4)))
    with convolution_backend(name):
        return jax.jit(lambda x, w: conv(x, w)).lower(x, w).as_text()


@needs_native
def test_the_context_decides():
    assert "AdjaxConvolve" in compiled_text("onednn")
    assert "AdjaxConvolve" in compiled_text("auto")
    assert "AdjaxConvolve" not in compiled_text("xla")


@needs_native
def test_a_dtype_that_onednn_does_not_know_stays_with_xla():
    assert "AdjaxConvolve" not in compiled_text("onednn", jnp.float16)


def test_without_the_package_auto_is_xla_and_onednn_is_refused(monkeypatch):
    monkeypatch.setattr(backend, "native_library", lambda: None)
    assert "AdjaxConvolve" not in compiled_text("auto")
    with pytest.raises(UserError, match=r"config.ops.convolution='onednn'.*pip install ./native"):
        convolution_backend("onednn")


@needs_native
@pytest.mark.parametrize("batch", [1, 6, 31])
def test_bfloat16_rounds_once_an_output(batch):
    x, w, g = (
        jnp.asarray(normal(k, *shape), jnp.bfloat16)
        for k, shape in enumerate(((batch, 8, 8, 16), (3, 3, 16, 16), (batch, 4, 4, 16)))
    )

    def evaluate(x, w, g):
        y, backward = jax.vjp(lambda x, w: conv(x, w, strides=(2, 2)), x, w)
        return y, *backward(g)

    with convolution_backend("onednn"):
        actual = jax.jit(evaluate)(x, w, g)
    with convolution_backend("xla"):
        exact = jax.jit(evaluate)(*(a.astype(jnp.float32) for a in (x, w, g)))
    for a, e in zip(actual, exact, strict=True):
        assert a.dtype == jnp.bfloat16
        error = np.abs(a.astype(jnp.float32) - e)
        np.testing.assert_array_less(error, 2.0**-8 * np.abs(e) + 1e-4)


@needs_native
def test_the_same_call_gives_the_same_bytes():
    x, g = jnp.asarray(normal(0, 12, 9, 9, 8)), jnp.asarray(normal(1, 12, 9, 9, 8))
    with convolution_backend("onednn"):
        gradient = jax.jit(lambda x, g: jax.vjp(lambda w: conv(x, w), jnp.ones((3, 3, 8, 8)))[1](g))
        first = gradient(x, g)[0]
        for _ in range(20):
            np.testing.assert_array_equal(gradient(x, g)[0], first)
