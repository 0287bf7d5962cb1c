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
    label: np.ndarray,
    is_anomalous: np.ndarray,
    counted: np.ndarray | None = None,
    normal: int = 8,
    anomalous: int = 8,
) -> np.ndarray:
    """Test images to show, chosen without looking at scores: the first of their kind.

    Args:
      label: class of each test image, `[N]`.
      is_anomalous: bool `[P, N]`, for each member.
      counted: bool `[P, N]`, which images a member is tested on; all by default.
      normal: how many normal images; of several classes the first of each in turn.
      anomalous: how many others, likewise.

    Returns:
      int64 `[P, K]`, normal ones first; K is `normal + anomalous`, or less if a kind lacks images.

    """

    def first(chosen: np.ndarray, count: int) -> np.ndarray:
        rows = np.flatnonzero(chosen)
        # How many images of its class come before each: first all firsts, then all seconds.
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
