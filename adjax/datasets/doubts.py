"""Doubts about a category's images that training and the check of data share, word for word.

None of them stops a run; what does, `check_held_out` raises for both.
"""

import functools
from collections import Counter
from collections.abc import Iterator

from adjax.datasets.images import darkness, inspect_image, is_deep, read_size
from adjax.datasets.layouts import Index
from adjax.datasets.one_class import held_out
from adjax.datasets.settings import CategoryData
from adjax.errors import UserError

LEAST_HELD_OUT = 5  # images; of fewer, the most anomalous one is chance [D]
PROPORTIONS = 1.25  # by which the widest and the highest image may differ [D]


@functools.lru_cache(maxsize=8)
def doubts(index: Index, data: CategoryData) -> tuple[str, ...]:
    """Return sentences on what makes a result of these images doubtful.

    That is: few held-out images to choose thresholds by; images of unlike proportions, which are
    all squeezed to a square; deep images whose upper bits are empty.

    Args:
      index: files of the category.
      data: the section of the config.

    """
    return *_few_held_out(index, data), *_unlike_proportions(index), *_dark(index, data.bits)


def check_held_out(count: int, left: int, fraction: float) -> None:
    """Refuse a training set of which nothing is held out to choose thresholds by.

    Args:
      count: of normal training images.
      left: how many of them are held out.
      fraction: `data.validation_fraction`.

    Raises:
      UserError: if none is.

    """
    if not left:
        raise UserError(
            f"config.data.validation_fraction={fraction}: thresholds are chosen on held-out "
            f"normal images, and of {count} none is held out"
        )


def split_of(index: Index, fraction: float) -> tuple[int, int]:
    """Return how many normal images training has, and how many of them it holds out."""
    normal = [item for item in index.of("train", "validation") if item.is_good]
    own = sum(item.split == "validation" for item in normal)
    return len(normal), own or held_out(len(normal), fraction)


def _few_held_out(index: Index, data: CategoryData) -> Iterator[str]:
    count, left = split_of(index, data.validation_fraction)
    if 0 < left < LEAST_HELD_OUT:
        yield (
            f"of {count} normal images {left} {'is' if left == 1 else 'are'} held out, and "
            "thresholds chosen on so few depend on chance: take more photographs, or a larger "
            "config.data.validation_fraction"
        )


def _unlike_proportions(index: Index) -> Iterator[str]:
    sizes = {}
    for item in index.items:
        try:
            height, width = item.box[2:] if item.box else read_size(item.path)
        except UserError:
            continue  # whoever reads the image says why
        sizes.setdefault(width / height, (height, width))
    if sizes and max(sizes) > PROPORTIONS * min(sizes):
        (low, narrow), (high, wide) = sizes[max(sizes)], sizes[min(sizes)]
        yield (
            f"proportions differ, {low} x {narrow} and {high} x {wide} (height x width): all are "
            "squeezed to a square, which distorts each in its own way; turn or cut them alike"
        )


def _dark(index: Index, bits: int) -> Iterator[str]:
    images: Counter[tuple[int, int]] = Counter()
    for path in dict.fromkeys(item.path for item in index.items):
        try:
            if is_deep(path):
                facts = inspect_image(path, bits)
                images[facts.depth, facts.used] += 1
        except UserError:
            continue
        if images and max(used for _, used in images) and not darkness(images):
            return  # one that uses its bits is enough
    if sentence := darkness(images):
        yield sentence
