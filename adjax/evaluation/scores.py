"""Scores of a test split: every image exactly once, whatever the number of devices."""

from collections.abc import Callable

import numpy as np

from adjax.inputs import padded_batches


def collect_scores(
    score: Callable[[np.ndarray], dict[str, np.ndarray]],
    image: np.ndarray,
    batch_size: int,
    maps: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Compute the image scores of all members for all test images.

    Args:
      score: `image float32 [B, H, W, C] -> {name: [P, B]}`.
      image: uint8 `[N, H, W, C]`, or an object that reads its rows from files.
      batch_size: B; the last batch is padded, and the padding's scores are dropped.
      maps: float32 `[P, N, H, W]`, perhaps memory-mapped; filled with the `anomaly_map`
        `[P, B, H, W]` that `score` then returns too.

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
    label: np.ndarray,
    is_anomalous: np.ndarray,
    counted: np.ndarray | None = None,
    normal: int = 8,
    anomalous: int = 8,
) -> np.ndarray:
    """Choose test images to show without looking at scores: the first ones of each kind.

    Args:
      label: class of each test image, `[N]`.
      is_anomalous: bool `[P, N]`, for each member.
      counted: bool `[P, N]`, the test images of each member; all by default.
      normal: number of normal images, taken from their classes in turn.
      anomalous: number of anomalous images, likewise.

    Returns:
      int64 `[P, K]`, normal ones first; K is `normal + anomalous`, or less if a kind lacks images.

    """

    def first(chosen: np.ndarray, count: int) -> np.ndarray:
        rows = np.flatnonzero(chosen)
        # Number of earlier images of the same class: all firsts come first, then all seconds.
        turn = np.zeros(len(rows), np.int64)
        for name in np.unique(label[rows]):
            same = label[rows] == name
            turn[same] = np.arange(same.sum())
        return rows[np.lexsort((label[rows], turn))][:count]

    if counted is None:
        counted = np.ones_like(is_anomalous)
    chosen = [
        (first(own & ~kind, normal), first(own & kind, anomalous))
        for kind, own in zip(is_anomalous, counted, strict=True)
    ]
    counts = [min(map(len, rows)) for rows in zip(*chosen, strict=True)]
    return np.array([np.concatenate([a[: counts[0]], b[: counts[1]]]) for a, b in chosen])
