"""Evaluation of a score function that it is handed: scores over a test split, and metrics."""

from adjax.evaluation.metrics import auroc
from adjax.evaluation.scores import choose_examples, collect_scores

__all__ = ["auroc", "choose_examples", "collect_scores"]
