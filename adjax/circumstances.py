"""Versions, hardware and date of a run or a measurement."""

import datetime
import functools
import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path

import adjax

LIBRARIES = ("jax", "jaxlib", "flax", "optax")


def circumstances(
    execution=None,
    others: Iterable[str] = ("orbax-checkpoint", "numpy", "tensorflow-cpu"),
) -> dict:
    """Return `versions`, `hardware` and `date` (UTC, ISO 8601).

    Args:
      execution: a run's devices, which make `hardware` a dict; None: one line on this machine.
      others: further packages to list besides adjax, Python and `LIBRARIES`.

    """
    return {
        "versions": {
            "adjax": adjax.__version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in (*LIBRARIES, *others)},
        },
        "hardware": machine() if execution is None else _devices(execution.mesh),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


_version = functools.cache(importlib.metadata.version)


def _devices(mesh) -> dict:
    import jax  # here, because callers without a mesh need not load it

    device = mesh.devices.flat[0]
    return {
        "platform": device.platform,
        "device_kind": device.device_kind,
        "devices": mesh.size,
        "processes": jax.process_count(),
        "cores": os.cpu_count(),
    }


def machine() -> str:
    """Return the processor's name and the instructions that decide how fast matrices multiply."""
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.exists() else ""
    name = re.search(r"model name\s*: (.*)", text)
    flags = re.search(r"flags\s*: (.*)", text)
    flags = flags[1].split() if flags else []
    known = {"avx512f": "AVX-512", "avx512_bf16": "AVX-512 bfloat16", "amx_tile": "AMX"}
    instructions = ", ".join(label for flag, label in known.items() if flag in flags)
    processor = name[1] if name else platform.processor() or platform.machine()
    suffix = f" ({instructions})" if instructions else ""
    return f"{os.cpu_count()} cores of {processor}{suffix}"
