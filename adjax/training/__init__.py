"""Training of a population through the stages of a method it does not know by name."""

from adjax.training.execution import OF_MEMBERS, Execution
from adjax.training.log import MetricsLog
from adjax.training.loop import Trainer, train_stage
from adjax.training.programs import explain_program, score_program

__all__ = [
    "OF_MEMBERS",
    "Execution",
    "MetricsLog",
    "Trainer",
    "explain_program",
    "score_program",
    "train_stage",
]
