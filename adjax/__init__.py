"""Reconstruction-based image anomaly detection as compiled JAX programs.

In Python `adjax.train` and `adjax.load` return a `TrainedRun`, which scores images and draws what
it found, and `adjax.sweep` a `TrainedSweep`; `AnomalyDetector` is an estimator of scikit-learn's
kind. Nothing is imported before it is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adjax.library import TrainedRun, TrainedSweep, load, sweep, train
    from adjax.outliers import AnomalyDetector

__all__ = ["AnomalyDetector", "TrainedRun", "TrainedSweep", "load", "sweep", "train"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Return a name of the library."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = "outliers" if name == "AnomalyDetector" else "library"
    return getattr(importlib.import_module(f"{__name__}.{room}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
