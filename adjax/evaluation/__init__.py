"""Evaluation of a score function that it is handed: scores over a test split, metrics of images and
pixels, thresholds, sliding windows."""

from adjax.evaluation.metrics import auroc
from adjax.evaluation.oracle import ORACLE, Choice, can_choose, choose
from adjax.evaluation.pixel_metrics import (
    PixelCounts,
    count_pixels,
    metrics_of,
    oracle_best_f1,
    pixel_metrics,
)
from adjax.evaluation.robustness import change_images, robustness_table
from adjax.evaluation.scores import choose_examples, collect_scores
from adjax.evaluation.thresholds import (
    choose_thresholds,
    f1_curve,
    k_sigma,
    minimum_area,
    pixel_rates,
    quantile,
    stability,
)
from adjax.evaluation.windows import windowed

__all__ = [
    "ORACLE",
    "Choice",
    "PixelCounts",
    "auroc",
    "can_choose",
    "change_images",
    "choose",
    "choose_examples",
    "choose_thresholds",
    "collect_scores",
    "count_pixels",
    "f1_curve",
    "k_sigma",
    "metrics_of",
    "minimum_area",
    "oracle_best_f1",
    "pixel_metrics",
    "pixel_rates",
    "quantile",
    "robustness_table",
    "stability",
    "windowed",
]
