"""Scores of a test split: every image exactly once, whatever the number of devices."""

from collections.abc import Callable, Sequence

import numpy as np

from adjax.inputs import padded_batches


def collect_scores(
    score: Callable[[np.ndarray], dict[str, np.ndarray]],
    image: np.ndarray,
    batch_size: int,
    maps: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Image scores of all members for all test images.

    Args:
      score: `image float32 [B, H, W, C] -> {name: [P, B]}`.
      image: uint8 `[N, H, W, C]`, or what reads rows of it.
      batch_size: B; the last batch is filled up and what was added is dropped.
      maps: float32 `[P, N, H, W]`, on disk maybe: filled with what `score` calls `anomaly_map`,
        `[P, B, H, W]`.

    Returns:
      name -> float32 `[P, N]`.

    """
    collected = []
    for rows, count in padded_batches(np.arange(len(image)), batch_size):
        scores = score(image[rows] / np.float32(255))
        scores = {name: np.asarray(value)[:, :count] for name, value in scores.items()}
        if maps is not None:
            maps[:, rows[:count]] = scores.pop("anomaly_map")
        collected.append(scores)
    return {name: np.concatenate([c[name] for c in collected], 1) for name in collected[0]}


def choose_examples(
    label: np.ndarray, normal_classes: Sequence[int], normal: int = 8, anomalous: int = 8
) -> np.ndarray:
    """Test images to show, chosen without looking at scores: the first of their kind.

    Args:
      label: class of each test image, `[N]`.
      normal_classes: one a member, P in all.
      normal: how many images of the normal class.
      anomalous: how many others; the first of each class in turn.

    Returns:
      int64 `[P, K]`, normal ones first; K is `normal + anomalous`, or less if a class lacks images.

    """
    chosen = []
    for normal_class in normal_classes:
        is_normal = label == normal_class
        others = np.flatnonzero(~is_normal)
        # How many images of its class come before each: first all firsts, then all seconds.
        turn = [(label[:row] == label[row]).sum() for row in others]
        others = others[np.lexsort((label[others], turn))]
        chosen.append((np.flatnonzero(is_normal)[:normal], others[:anomalous]))
    counts = [min(map(len, rows)) for rows in zip(*chosen, strict=True)]
    return np.array([np.concatenate([a[: counts[0]], b[: counts[1]]]) for a, b in chosen])
