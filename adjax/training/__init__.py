"""Training of a population through the stages of any method.

Devices, compiled programs, the loop, checkpoints, the stage cache and the log belong here; data
sets and the evaluation of scores do not.
"""

from adjax.training.execution import OF_MEMBERS, Execution, device_memory
from adjax.training.feeds import feed_of, stage_batches
from adjax.training.log import MetricsLog, Progress, open_log
from adjax.training.population import (
    Members,
    Population,
    TrainingImages,
    check_finished,
    diverged,
    has_begun,
    is_finished,
)
from adjax.training.programs import (
    ANOMALY_MAP,
    compile_update,
    explain_program,
    init_state,
    score_program,
    snapshot,
)
from adjax.training.stage_cache import StageCache
from adjax.training.stages import cached_variables, train_stage

__all__ = [
    "ANOMALY_MAP",
    "OF_MEMBERS",
    "Execution",
    "Members",
    "MetricsLog",
    "Population",
    "Progress",
    "StageCache",
    "TrainingImages",
    "cached_variables",
    "check_finished",
    "compile_update",
    "device_memory",
    "diverged",
    "explain_program",
    "feed_of",
    "has_begun",
    "init_state",
    "is_finished",
    "open_log",
    "score_program",
    "snapshot",
    "stage_batches",
    "train_stage",
]
