"""Settings of scoring and of decisions."""

import dataclasses

from adjax.settings import Section, choice, count, flag, number, size


@dataclasses.dataclass(frozen=True)
class Evaluation(Section):
    """Scoring of the test split."""

    batch_size: int = size(200, "images scored at once")


@dataclasses.dataclass(frozen=True)
class CategoryEvaluation(Section):
    """Scoring of the test split of a category."""

    batch_size: int = size(16, "images scored at once")
    robustness: bool = flag(False, "measure decisions on changed test images too")


@dataclasses.dataclass(frozen=True)
class Windows(Section):
    """Sliding windows, with which a method trained on patches scores whole images."""

    stride: int = size(32, "px between windows [D]")
    at_once: int = size(4, "places whose windows are scored together")


@dataclasses.dataclass(frozen=True)
class Maps(Section):
    """Smoothing of anomaly maps, and the image scores by their highest pixels."""

    sigma: float = number(
        1 / 64, "of the Gaussian, as a part of the image; 0: none [D]", at_least=0, at_most=1
    )
    top: float = number(
        0.01,
        "part of the pixels, the highest, that the score `top` is the mean of [D]",
        at_least=0,
        at_most=1,
    )


@dataclasses.dataclass(frozen=True)
class Threshold(Section):
    """Choice of thresholds, on held-out normal images alone."""

    rule: str = choice("quantile", ("quantile", "k_sigma", "minimum_area"), "rule that decides [D]")
    quantile: float = number(0.995, "of the pixels of normal images [D]", above=0, at_most=1)
    k: float = number(3.0, "standard deviations above their mean [D]")
    area: int = count(25, "px, the smallest defect [D]: the paper's areas are not stated")
    image_quantile: float = number(0.95, "of the scores of normal images [D]", above=0, at_most=1)
