"""Strict settings for every test: no silent promotion or broadcasting, eight virtual devices."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
)

import jax
import pytest

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def repository():
    """The root of the checkout."""
    return __import__("pathlib").Path(__file__).resolve().parent.parent
