"""Compiler options: by platform, with an escape hatch, and nothing that a jaxlib does not know."""

import jax
import numpy as np
import pytest

from adjax.ops import compiler, compiler_options

DETERMINISTIC = {"xla_gpu_deterministic_ops": True}


@pytest.fixture(autouse=True)
def fresh_cache(monkeypatch):
    monkeypatch.delenv("ADJAX_COMPILER_OPTIONS", raising=False)
    compiler._cpu_knows.cache_clear()
    yield
    compiler._cpu_knows.cache_clear()


def test_no_options_for_speed_when_switched_off(monkeypatch):
    monkeypatch.setenv("ADJAX_COMPILER_OPTIONS", "0")
    assert compiler_options() == {}
    assert compiler_options("gpu") == DETERMINISTIC  # is no matter of speed


@pytest.mark.parametrize("platform", ["gpu", "cuda", "rocm"])
def test_gpus_are_deterministic_unless_told_otherwise(monkeypatch, platform):
    assert compiler_options(platform) == DETERMINISTIC
    assert compiler_options(platform, deterministic=False) == {}
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    assert compiler_options() == DETERMINISTIC


@pytest.mark.parametrize("deterministic", [True, False])
def test_options_of_gpus_are_for_gpus(deterministic):
    assert compiler_options("tpu", deterministic) == {}
    assert compiler_options("cpu", deterministic) in ({}, compiler._CPU_OPTIONS)


def test_no_options_that_xla_does_not_know(monkeypatch):
    monkeypatch.setattr(compiler, "_CPU_OPTIONS", {"xla_no_such_option": "1"})
    assert compiler_options() == {}


@pytest.mark.parametrize("platform", ["", "gpu"])
def test_options_are_accepted_by_jit(platform):
    """Any XLA reads the names of all platforms, so this one tells those of GPUs too."""
    options = compiler_options(platform)
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    product = jax.jit(lambda x: x @ x.T, compiler_options=options)(matrix)
    np.testing.assert_array_equal(product, matrix @ matrix.T)
