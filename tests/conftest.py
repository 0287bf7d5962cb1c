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
# Most of a test is compilation. Without optimisations by LLVM it takes two thirds of the time, and
# XLA makes the same programs; `make test-all` runs them as users do.
LEVEL = os.environ.get("ADJAX_TEST_OPTIMIZATION", "0")
os.environ["XLA_FLAGS"] = (
    f"--xla_force_host_platform_device_count=8 --xla_backend_optimization_level={LEVEL}"
)
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
    """Let go of compiled programs and data between modules: a worker would grow to gigabytes."""
    yield
    let_go()


@pytest.fixture(autouse=True)
def _memory_of_one_test():
    """Let go of them within a module too, after a test that has grown by much."""
    yield
    if resident() > _LEAST[0] + GROWTH:
        let_go()


GROWTH = 200  # MB
_LEAST = [10**6]  # MB that the worker had when it had last let go


def let_go():
    """Forget compiled programs and data; what is compiled again is found in the disk's cache."""
    for module in ("adjax.training.programs", "adjax.datasets.category", "adjax.datasets.tables"):
        for value in vars(sys.modules.get(module, sys)).values():
            getattr(value, "cache_clear", lambda: None)()
    if plan := sys.modules.get("adjax.sweeps.plan"):
        plan._METHODS.clear()
        plan._METHODS_OF_RUNS.clear()
    jax.clear_caches()
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # where the C library has it
        ctypes.CDLL(None).malloc_trim(0)
    _LEAST[0] = resident()


def resident() -> int:
    """MB of memory that this process has; 0 where Linux does not say it."""
    statm = Path("/proc/self/statm")
    pages = int(statm.read_text().split()[1]) if statm.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20
