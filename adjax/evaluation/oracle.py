"""An image score that is chosen by labels of test images, and judged on the others.

Some published numbers are of a hyper-parameter that was chosen so: of the OC-SVM in Ruff et al.
2018 on a random tenth of the test images, which is then left out. An honest run cannot choose like
that; to compare with such a number takes the same advantage, under this name.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adjax.evaluation.metrics import auroc

ORACLE = "oracle"  # as an image score
PART = 0.1  # of the test images


class Choice(NamedTuple):
    """What was chosen for each of P members.

    names: the image score with the best AUROC, of equal ones the first.
    rows: the images by which it was chosen, int64 `[P, n]`, ascending.
    rest: the other images, int64 `[P, N - n]`, ascending.
    """

    names: list[str]
    rows: np.ndarray
    rest: np.ndarray

    def pick(self, scores: dict[str, np.ndarray]) -> np.ndarray:
        """Each member's chosen score, `[P, ...]`, out of all, name -> `[P, ...]`."""
        return np.stack([scores[name][p] for p, name in enumerate(self.names)])

    def judged(self, values: np.ndarray) -> np.ndarray:
        """`[P, N]` at the images that did not choose, `[P, N - n]`."""
        return np.take_along_axis(values, self.rest, 1)


def can_choose(anomalous: np.ndarray) -> bool:
    """Whether bool `[N]` has enough of both kinds for a part that chooses and one that judges."""
    return len(anomalous) * PART >= 2 and 2 <= anomalous.sum() <= len(anomalous) - 2


def choose(scores: dict[str, np.ndarray], anomalous: np.ndarray, seeds: Sequence[int]) -> Choice:
    """The image score that is best on a random tenth of the test images, for every member.

    Args:
      scores: name -> `[P, N]`, higher = more anomalous.
      anomalous: bool `[P, N]`, each row such that `can_choose`.
      seeds: one a member; they alone decide what is drawn.

    """
    parts = [_split(row, seed) for row, seed in zip(anomalous, seeds, strict=True)]
    rows, rest = (np.stack(part) for part in zip(*parts, strict=True))
    small = np.take_along_axis(anomalous, rows, 1)
    found = [auroc(np.take_along_axis(value, rows, 1), small) for value in scores.values()]
    names = list(scores)
    return Choice([names[best] for best in np.argmax(found, 0)], rows, rest)


def _split(anomalous: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A random tenth and the others, drawn again until there are both kinds in either."""
    count, attempt = int(PART * len(anomalous)), 0
    while True:
        stream = np.random.Philox(np.random.SeedSequence([seed, attempt]))
        order = np.argsort(stream.random_raw(len(anomalous)), kind="stable")
        rows, rest = np.sort(order[:count]), np.sort(order[count:])
        if all(0 < anomalous[part].sum() < len(part) for part in (rows, rest)):
            return rows, rest
        attempt += 1
