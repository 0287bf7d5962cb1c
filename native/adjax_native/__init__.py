"""Convolutions of oneDNN as XLA calls, for adjax on CPU: `pip install ./native`.

`conv`, `conv_input` and `conv_kernel` are the three bilinear maps of `adjax/ops/convolution.py`.
"""

import ctypes
import importlib.metadata
import os
from pathlib import Path

import jax
import numpy as np

# Waiting OpenMP threads must not spin against XLA's own; libgomp reads this when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_FORWARD, _INPUT, _KERNEL = range(3)


def _load() -> None:
    library = next(
        path for path in importlib.metadata.files("onednn-cpu-gomp") if path.name == "libdnnl.so.3"
    )
    ctypes.CDLL(str(library.locate()), ctypes.RTLD_GLOBAL)
    handlers = ctypes.CDLL(str(next(Path(__file__).parent.glob("_handlers*.so"))))
    handler = jax.ffi.pycapsule(handlers.AdjaxConvolve)
    jax.ffi.register_ffi_target("AdjaxConvolve", handler, platform="cpu")


_load()


def conv(x, w, strides, padding):
    """Strided convolution `[B, H, W, I]`, `[kh, kw, I, O]` -> `[B, H', W', O]`."""
    size = (
        (n + sum(pads) - k) // s + 1
        for n, k, s, pads in zip(x.shape[1:3], w.shape[:2], strides, padding, strict=True)
    )
    return _call(_FORWARD, x, w, (x.shape[0], *size, w.shape[3]), strides, padding)


def conv_input(y, w, strides, padding, size):
    """Adjoint of `conv` in its image: `[B, H', W', O]`, kernel -> `[B, *size, I]`."""
    return _call(_INPUT, y, w, (y.shape[0], *size, w.shape[2]), strides, padding)


def conv_kernel(x, y, strides, padding, kernel):
    """Adjoint of `conv` in its kernel: image, `[B, H', W', O]` -> `[*kernel, I, O]`."""
    return _call(_KERNEL, x, y, (*kernel, x.shape[3], y.shape[3]), strides, padding)


def _call(which, a, b, shape, strides, padding):
    call = jax.ffi.ffi_call(
        "AdjaxConvolve", jax.ShapeDtypeStruct(shape, a.dtype), vmap_method="broadcast_all"
    )
    return call(
        a,
        b,
        map=np.int64(which),
        strides=np.array(strides, np.int64),
        padding=np.array(padding, np.int64).reshape(-1),
    )
