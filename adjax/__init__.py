"""Reconstruction-based image anomaly detection as compiled JAX programs.

In Python `adjax.train` and `adjax.load` return a `TrainedRun`, which scores images and draws what
it found, and `adjax.sweep` a `TrainedSweep`. Nothing is imported before it is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adjax.library import TrainedRun, TrainedSweep, load, sweep, train

__all__ = ["TrainedRun", "TrainedSweep", "load", "sweep", "train"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Return a name of the library."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.library"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
