"""Shared by the tests of ops."""

import jax
import pytest


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
