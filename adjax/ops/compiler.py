"""Compiler options of our programs, in one place."""

import functools
import os

import jax

# jaxlib 0.10 sends convolutions to YNNPACK, whose kernels are slower than Eigen's for the shapes of
# this project. This list leaves it single dot products and reductions only, which speeds up a
# softmax; with ELTWISE added, weight gradients slow down again. `ADJAX_COMPILER_OPTIONS=0` in front
# of `make bench` shows the difference.
_CPU_OPTIONS = {
    "xla_cpu_experimental_ynn_fusion_type": (
        "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
    ),
}
_GPUS = ("gpu", "cuda", "rocm")
# Sums by atomic additions are in no fixed order, and of several kernels the fastest of the moment
# is chosen: without both, equal programs give equal bytes.
_DETERMINISTIC = {"xla_gpu_deterministic_ops": True}


def compiler_options(platform: str = "", deterministic: bool = True) -> dict[str, str | bool]:
    """Return options for `jax.jit(..., compiler_options=...)`.

    On CPU they make programs faster; there are none with a jaxlib that does not know them, or if
    the environment variable `ADJAX_COMPILER_OPTIONS` is `0`. A CPU and a TPU give the same bytes
    without any.

    Args:
      platform: of the devices that the program is for, as JAX calls it; empty: the default ones.
      deterministic: whether a GPU is to give the same bytes at every run, which costs some speed.

    """
    platform = platform or jax.default_backend()
    if platform in _GPUS:
        return dict(_DETERMINISTIC) if deterministic else {}
    if platform != "cpu" or os.environ.get("ADJAX_COMPILER_OPTIONS") == "0" or not _cpu_knows():
        return {}
    return dict(_CPU_OPTIONS)


@functools.cache
def _cpu_knows() -> bool:
    """Return whether this jaxlib knows the options for CPU."""
    try:
        # A name that XLA does not know aborts the process in XLA_FLAGS, but only raises here.
        jax.jit(lambda: 0, compiler_options=_CPU_OPTIONS).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
