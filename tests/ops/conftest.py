"""Shared by the tests of ops."""

import jax
import pytest

from adjax.ops import convolution_backend, native_library


@pytest.fixture
def other_platform(monkeypatch):
    """Lower everything as for GPU and TPU; after the test, make sure that this was done."""
    chosen = []

    def default_form(*operands, default, **platforms):
        assert set(platforms) == {"cpu"}
        chosen.append(default)
        return default(*operands)

    jax.clear_caches()
    monkeypatch.setattr(jax.lax, "platform_dependent", default_form)
    yield
    jax.clear_caches()
    assert chosen


@pytest.fixture(scope="module", params=["xla", "onednn"])
def backend(request):
    """What computes on CPU: a test that uses this holds for both."""
    if request.param == "onednn" and native_library() is None:
        pytest.skip("adjax_native is not installed: make native")
    with convolution_backend(request.param):
        yield request.param
