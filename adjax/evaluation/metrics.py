"""Exact metrics of many members at once, on the host in float64."""

import numpy as np


def auroc(score: np.ndarray, anomalous: np.ndarray) -> np.ndarray:
    """Return the exact area under the ROC curve; ties count as half.

    It is the probability that an anomalous image scores above a normal one (Mann-Whitney U),
    computed with one sort per row.

    Args:
      score: `[P, N]`, higher = more anomalous.
      anomalous: bool `[P, N]`.

    Returns:
      float64 `[P]`.

    Raises:
      ValueError: if a score is not finite or a row lacks one of the two kinds.

    """
    if not np.isfinite(score).all():
        raise ValueError("scores must be finite")
    order = np.argsort(score, axis=-1, kind="stable")
    sorted_score = np.take_along_axis(score, order, -1)
    sorted_anomalous = np.take_along_axis(anomalous, order, -1)
    positives = sorted_anomalous.sum(-1)
    negatives = sorted_anomalous.shape[-1] - positives
    if not (positives.all() and negatives.all()):
        raise ValueError("AUROC needs normal and anomalous images")
    n = score.shape[-1]
    position = np.broadcast_to(np.arange(n), score.shape)
    new = sorted_score[..., 1:] != sorted_score[..., :-1]
    edge = np.ones((*score.shape[:-1], 1), bool)
    # First and last position of the run of equal scores that each position lies in.
    first = np.maximum.accumulate(np.where(np.concatenate([edge, new], -1), position, 0), -1)
    is_last = np.concatenate([new, edge], -1)
    last = np.minimum.accumulate(np.where(is_last, position, n)[..., ::-1], -1)[..., ::-1]
    rank = (first + last) / 2 + 1
    rank_sum = np.where(sorted_anomalous, rank, 0).sum(-1)
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


# Metrics of image scores, `(score [P, N], anomalous [P, N]) -> [P]`, by their key in
# `results.json`; each is computed for every image score of a run with images of both kinds.
IMAGE_METRICS = {"image_auroc": auroc}
# All metrics that tables and pages show, in their order: key in `results.json` -> title. Pixel
# metrics are computed in `pixel_metrics`.
METRICS = {
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "aupro": "AUPRO",
    "pixel_ap": "pixel AP",
    "f1": "F1",
    "f1_oracle": "best F1 (oracle)",
}
