"""Sweeps: many runs declared in one place, planned as populations, executed by an engine."""

from adjax.sweeps.describe import describe_plan
from adjax.sweeps.inline import InlineEngine
from adjax.sweeps.on_ray import RayEngine
from adjax.sweeps.plan import (
    Evaluation,
    PlannedRun,
    Resources,
    Training,
    check_runs,
    expand,
    make_plan,
    shard_of,
    split_absent,
    with_cache,
)
from adjax.sweeps.store import driving, parse_shard
from adjax.sweeps.work import has_results, is_finished

__all__ = [
    "Evaluation",
    "InlineEngine",
    "PlannedRun",
    "RayEngine",
    "Resources",
    "Training",
    "check_runs",
    "describe_plan",
    "driving",
    "expand",
    "has_results",
    "is_finished",
    "make_plan",
    "parse_shard",
    "shard_of",
    "split_absent",
    "with_cache",
]
