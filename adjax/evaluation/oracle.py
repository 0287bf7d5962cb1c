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
    chose: the images by which it was chosen, bool `[P, N]`; the others judge it.
    """

    names: list[str]
    chose: np.ndarray

    def pick(self, scores: dict[str, np.ndarray]) -> np.ndarray:
        """Each member's chosen score, `[P, ...]`, out of all, name -> `[P, ...]`."""
        return np.stack([scores[name][p] for p, name in enumerate(self.names)])


def can_choose(anomalous: np.ndarray) -> bool:
    """Whether bool `[N]` has enough of both kinds for a part that chooses and one that judges."""
    return len(anomalous) * PART >= 2 and 2 <= anomalous.sum() <= len(anomalous) - 2


def choose(
    scores: dict[str, np.ndarray],
    anomalous: np.ndarray,
    counted: np.ndarray,
    seeds: Sequence[int],
) -> Choice:
    """The image score that is best on a random tenth of the test images, for every member.

    Args:
      scores: name -> `[P, N]`, higher = more anomalous.
      anomalous: bool `[P, N]`.
      counted: bool `[P, N]`, the images that a member is tested on, such that `can_choose`.
      seeds: one a member; they alone decide what is drawn.

    """
    names, chose = [], np.zeros_like(counted)
    for p, seed in enumerate(seeds):
        own = np.flatnonzero(counted[p])
        rows = own[_drawn(anomalous[p][own], seed)]
        chose[p, rows] = True
        kinds = anomalous[p][rows][None]
        found = {name: auroc(value[p][rows][None], kinds)[0] for name, value in scores.items()}
        names.append(max(found, key=found.get))
    return Choice(names, chose)


def _drawn(anomalous: np.ndarray, seed: int) -> np.ndarray:
    """A random tenth, drawn again until there are both kinds in it and in the others."""
    count, attempt = int(PART * len(anomalous)), 0
    while True:
        stream = np.random.Philox(np.random.SeedSequence([seed, attempt]))
        order = np.argsort(stream.random_raw(len(anomalous)), kind="stable")
        if all(0 < anomalous[part].sum() < len(part) for part in (order[:count], order[count:])):
            return order[:count]
        attempt += 1
