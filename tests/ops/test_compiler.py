"""Compiler options: an escape hatch, and nothing that a jaxlib does not know."""

import jax
import numpy as np
import pytest

from adjax.ops import compiler, compiler_options


@pytest.fixture(autouse=True)
def fresh_cache():
    compiler_options.cache_clear()
    yield
    compiler_options.cache_clear()


def test_no_options_when_switched_off(monkeypatch):
    monkeypatch.setenv("ADJAX_COMPILER_OPTIONS", "0")
    assert compiler_options() == {}


def test_no_options_on_accelerators(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiler_options() == {}


def test_no_options_that_xla_does_not_know(monkeypatch):
    monkeypatch.setattr(compiler, "_CPU_OPTIONS", {"xla_no_such_option": "1"})
    assert compiler_options() == {}


def test_options_are_accepted_by_jit(monkeypatch):
    monkeypatch.delenv("ADJAX_COMPILER_OPTIONS", raising=False)
    options = compiler_options()
    assert options in ({}, compiler._CPU_OPTIONS)
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    product = jax.jit(lambda x: x @ x.T, compiler_options=options)(matrix)
    np.testing.assert_array_equal(product, matrix @ matrix.T)
