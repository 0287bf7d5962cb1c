"""Strict settings for every test: no silent promotion or broadcasting, eight virtual devices."""

import atexit
import contextlib
import ctypes
import gc
import os
import shutil
import sys
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


@pytest.fixture(scope="session")
def repository():
    """The root of the checkout."""
    return ROOT


@pytest.fixture(autouse=True, scope="module")
def _programs_of_one_module():
    """Let go of compiled programs and data between modules: a worker would grow to gigabytes.

    What is compiled again is found in the cache on the disk.
    """
    yield
    for module in ("adjax.training.programs", "adjax.datasets.category", "adjax.datasets.tables"):
        for value in vars(sys.modules.get(module, sys)).values():
            getattr(value, "cache_clear", lambda: None)()
    if plan := sys.modules.get("adjax.sweeps.plan"):
        plan._METHODS.clear()
    jax.clear_caches()
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # where the C library has it
        ctypes.CDLL(None).malloc_trim(0)
