"""Training of a population through the stages of a method it does not know by name."""

from adjax.training.estimates import Estimate, estimate
from adjax.training.execution import OF_MEMBERS, Execution
from adjax.training.log import MetricsLog, Progress, open_log
from adjax.training.loop import stage_batches
from adjax.training.programs import (
    ANOMALY_MAP,
    compile_update,
    explain_program,
    init_state,
    score_program,
    snapshot,
)
from adjax.training.restored import restored_variables
from adjax.training.stage_cache import StageCache
from adjax.training.stages import cached_variables, train_stage
from adjax.training.trainer import Trainer, diverged

__all__ = [
    "ANOMALY_MAP",
    "OF_MEMBERS",
    "Estimate",
    "Execution",
    "MetricsLog",
    "Progress",
    "StageCache",
    "Trainer",
    "cached_variables",
    "compile_update",
    "diverged",
    "estimate",
    "explain_program",
    "init_state",
    "open_log",
    "restored_variables",
    "score_program",
    "snapshot",
    "stage_batches",
    "train_stage",
]
