"""Audit of a category: do plain statistics of an image already tell what a detector should find?

Where they do, a score of images may measure the lamp, the camera or the compression instead of
defects. MVTec AD's screw is the example: its good test images are darker than its training images
and its defective ones.
"""

import functools
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy.stats import mannwhitneyu

from adjax.datasets import memory
from adjax.datasets.industrial import item_image
from adjax.datasets.layouts import Index, Item

LIMIT = 0.9  # of an AUROC, above which a category is confounded [D]
LEAST = 10  # images of a kind; fewer are told apart by accident [D]
FILE_SIZE = "file size"
STATISTICS = ("mean", "median", "deviation", "sharpness", FILE_SIZE)
# What is told from what, the two kinds of images, and what it means where a statistic does.
KINDS = {
    "defective from good test": (
        *("good", "defective"),
        "image scores may measure it instead of defects",
    ),
    "good test from training": (
        *("train", "good"),
        "good test images are unlike those trained on, and may be flagged for it",
    ),
}


class Separation(NamedTuple):
    """How well one statistic tells two kinds of images apart, whichever has more of it."""

    statistic: str
    kinds: str  # of `KINDS`
    auroc: float  # of the better direction, in [0.5, 1]

    @property
    def is_confounding(self) -> bool:
        """True if the AUROC is above `LIMIT`."""
        return self.auroc > LIMIT


@functools.lru_cache(maxsize=8)
def audit(index: Index, bits: int = 0) -> tuple[Separation, ...]:
    """Measure every statistic of `STATISTICS` on the files of a category, at their own size.

    The statistics are mean, median and standard deviation of the grey levels, the root mean square
    of their differences to the right and below (sharpness), and the bytes of the file, which crops
    of one file do not have. Kinds with fewer than `LEAST` images are not compared.

    Args:
      index: files of the category.
      bits: of a grey level, of files that have more than 8, see `images.decode`; 0: all.

    Raises:
      UserError: naming the first image that cannot be read.

    """
    kinds = {
        "train": [item for item in index.of("train", "validation") if item.is_good],
        "good": [item for item in index.of("test") if item.is_good],
        "defective": [item for item in index.of("test") if not item.is_good],
    }
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        measure = functools.partial(_statistics, bits=bits)
        values = {kind: list(threads.map(measure, items)) for kind, items in kinds.items()}
    has_own_files = all(item.box is None for item in index.items)
    return tuple(
        Separation(name, kinds, _separation(values[one], values[other], column))
        for column, name in enumerate(STATISTICS)
        if name != FILE_SIZE or has_own_files
        for kinds, (one, other, _) in KINDS.items()
        if min(len(values[one]), len(values[other])) >= LEAST
    )


def describe(separations: Iterable[Separation]) -> list[str]:
    """Return a sentence on the strongest confounder of each of `KINDS`, where there is one."""
    sentences = []
    for kinds, (_, _, meaning) in KINDS.items():
        confounding = [s for s in separations if s.kinds == kinds and s.is_confounding]
        if confounding:
            worst = max(confounding, key=lambda separation: separation.auroc)
            sentences.append(
                f"the {worst.statistic} of an image alone tells {kinds} images "
                f"(AUROC {worst.auroc:.3f}): {meaning}"
            )
    return sentences


def _statistics(item: Item, bits: int) -> tuple[float, ...]:
    with memory.room_for(item.path, memory.STATISTICS):
        return *_of_levels(item, bits), float(item.path.stat().st_size)


def _of_levels(item: Item, bits: int) -> tuple[float, ...]:
    image = np.asarray(item_image(item, bits).convert("L"), np.float32)
    right, below = np.diff(image, axis=1), np.diff(image, axis=0)
    sharpness = np.sqrt(np.square(right).mean() + np.square(below).mean())
    return tuple(map(float, (image.mean(), np.median(image), image.std(), sharpness)))


def _separation(one: list, other: list, column: int) -> float:
    values = [[row[column] for row in kind] for kind in (other, one)]
    value = mannwhitneyu(*values).statistic / (len(one) * len(other))
    return float(max(value, 1 - value))
