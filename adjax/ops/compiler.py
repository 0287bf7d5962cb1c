"""Compiler options that help on CPU, in one place."""

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


@functools.cache
def compiler_options() -> dict[str, str]:
    """Return options for `jax.jit(..., compiler_options=...)` on the default backend.

    There are none on GPU and TPU, with a jaxlib that does not know them, or if the environment
    variable `ADJAX_COMPILER_OPTIONS` is `0`.
    """
    if jax.default_backend() != "cpu" or os.environ.get("ADJAX_COMPILER_OPTIONS") == "0":
        return {}
    try:
        # A name that XLA does not know aborts the process in XLA_FLAGS, but only raises here.
        jax.jit(lambda: 0, compiler_options=_CPU_OPTIONS).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return dict(_CPU_OPTIONS)
