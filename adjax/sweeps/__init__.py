"""Sweeps: many runs declared in one place, executed by an engine."""

from adjax.sweeps.inline import run_inline
from adjax.sweeps.plan import PlannedRun, expand

__all__ = ["PlannedRun", "expand", "run_inline"]
