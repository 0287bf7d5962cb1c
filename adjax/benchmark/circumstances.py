"""When, with what and on what something was measured."""

import datetime
import importlib.metadata
import os
import platform
import re
from pathlib import Path


def circumstances(*others: str) -> dict:
    """When, with which versions, of other packages too, and on what."""
    packages = ("jax", "jaxlib", "flax", "optax", *others)
    return {
        "date": datetime.date.today().isoformat(),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "hardware": f"{os.cpu_count()} cores of {_processor()}",
    }


def _processor() -> str:
    """Its name and the instructions that decide the speed of a product of matrices."""
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.exists() else ""
    name = re.search(r"model name\s*: (.*)", text)
    flags = re.search(r"flags\s*: (.*)", text)
    flags = flags[1].split() if flags else []
    named = {"avx512f": "AVX-512", "avx512_bf16": "AVX-512 bfloat16", "amx_tile": "AMX"}
    instructions = [label for flag, label in named.items() if flag in flags]
    return f"{name[1] if name else platform.processor() or platform.machine()}" + (
        f" ({', '.join(instructions)})" if instructions else ""
    )
