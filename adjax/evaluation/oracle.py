"""Oracle choice of an image score: by the labels of some test images, evaluated on the others.

Some published numbers depend on a hyper-parameter that was chosen this way: that of the OC-SVM in
Ruff et al. 2018, on a random tenth of the test images, which is then left out. An honest run cannot
do this; a comparison with such a number needs the same advantage, and goes by this name.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adjax.evaluation.metrics import auroc

ORACLE = "oracle"  # as an image score
PART = 0.1  # of the test images


class Choice(NamedTuple):
    """The image score chosen for each of P members.

    names: the image score with the best AUROC, the first one in case of a tie.
    chose: bool `[P, N]`, the images used for the choice; it is evaluated on the others.
    """

    names: list[str]
    chose: np.ndarray

    def pick(self, scores: dict[str, np.ndarray]) -> np.ndarray:
        """Return each member's chosen score, `[P, ...]`, from all scores, name -> `[P, ...]`."""
        return np.stack([scores[name][p] for p, name in enumerate(self.names)])


def can_choose(anomalous: np.ndarray) -> bool:
    """Return whether labels bool `[N]` leave enough of both kinds to choose by and to test on."""
    return len(anomalous) * PART >= 2 and 2 <= anomalous.sum() <= len(anomalous) - 2


def choose(
    scores: dict[str, np.ndarray],
    anomalous: np.ndarray,
    counted: np.ndarray,
    seeds: Sequence[int],
) -> Choice:
    """Choose, for every member, the image score that is best on a random tenth of its test images.

    Args:
      scores: name -> `[P, N]`, higher = more anomalous.
      anomalous: bool `[P, N]`.
      counted: bool `[P, N]`, the test images of each member, for which `can_choose` must hold.
      seeds: one per member; the draw depends on nothing else.

    """
    names, chose = [], np.zeros_like(counted)
    for p, seed in enumerate(seeds):
        own = np.flatnonzero(counted[p])
        rows = own[_draw_tenth(anomalous[p][own], seed)]
        chose[p, rows] = True
        kinds = anomalous[p][rows][None]
        aurocs = {name: auroc(value[p][rows][None], kinds)[0] for name, value in scores.items()}
        names.append(max(aurocs, key=aurocs.get))
    return Choice(names, chose)


def _draw_tenth(anomalous: np.ndarray, seed: int) -> np.ndarray:
    """Return the rows of a random tenth, redrawn until it and the rest contain both kinds."""
    count, attempt = int(PART * len(anomalous)), 0
    while True:
        stream = np.random.Philox(np.random.SeedSequence([seed, attempt]))
        order = np.argsort(stream.random_raw(len(anomalous)), kind="stable")
        if all(0 < anomalous[part].sum() < len(part) for part in (order[:count], order[count:])):
            return order[:count]
        attempt += 1
