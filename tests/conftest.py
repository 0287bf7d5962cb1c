"""Strict settings for every test: no silent promotion or broadcasting, eight virtual devices."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
# Tests compile the same programs again and again: share them within a session, workers included.
if "ADJAX_TEST_COMPILATION_CACHE" not in os.environ:
    cache = tempfile.mkdtemp(prefix="adjax-test-")
    atexit.register(shutil.rmtree, cache, ignore_errors=True)
    os.environ["ADJAX_TEST_COMPILATION_CACHE"] = cache
os.environ["JAX_COMPILATION_CACHE_DIR"] = os.environ["ADJAX_TEST_COMPILATION_CACHE"]
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def repository():
    """The root of the checkout."""
    return ROOT
