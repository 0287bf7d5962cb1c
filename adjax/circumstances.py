"""Versions, hardware and date of a run or a measurement."""

import contextlib
import datetime
import functools
import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import adjax

LIBRARIES = ("jax", "jaxlib", "flax", "optax")
# The packages that a library may come in, where they are not called like it.
_PACKAGES = {
    "tensorflow": (
        *("tensorflow-cpu", "tensorflow", "tensorflow-rocm", "tensorflow-macos"),
        *("tf-nightly-cpu", "tf-nightly"),
    )
}


def circumstances(
    execution: Any = None,
    others: Iterable[str] = ("orbax-checkpoint", "numpy", "tensorflow"),
) -> dict:
    """Return `versions`, `hardware` and `date` (UTC, ISO 8601).

    Args:
      execution: a run's devices, which make `hardware` a dict; None: one line on this machine.
      others: further libraries to list besides adjax, Python and `LIBRARIES`, see `versions`.

    """
    return {
        "versions": {
            "adjax": adjax.__version__,
            "python": platform.python_version(),
            **versions((*LIBRARIES, *others)),
        },
        "hardware": machine() if execution is None else _devices(execution.mesh),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """Return the version of each library that is installed, by the package that it came in.

    One library may come in any of several packages: TensorFlow in `tensorflow-cpu` and others.
    """
    found = {}
    for library in libraries:
        for package in _PACKAGES.get(library, (library,)):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                found[package] = _version(package)
                break
    return found


@functools.cache  # the runs of a sweep all ask
def _version(package: str) -> str:
    return importlib.metadata.version(package)


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
