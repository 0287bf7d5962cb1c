"""Thresholds of a detector, chosen on held-out normal images, and how much the choice matters.

A pixel (or an image) is called anomalous where its score is at least the threshold. The rules see
normal validation images only. Thresholds are float32 values; the quantile and the minimum-area rule
return the lowest one that meets their condition on those images. Whatever is chosen with the masks
of a test set is called oracle.

The minimum-area rule is that of the MVTec AD paper (2019), which does not state its areas; the
quantile and k-sigma are common rules with our defaults [D].
"""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from adjax.evaluation.pixel_metrics import EIGHT_CONNECTED, PixelCounts, f1_scores


def quantile(scores: np.ndarray, q: float = 0.995) -> float:
    """Return the lowest threshold that at most a fraction 1 - q of normal scores reaches.

    Exact; memory holds that fraction and one image at a time.

    Args:
      scores: anomaly maps `[N, H, W]` of normal images, or their image scores `[N]`.
      q: in (0, 1]; at 1, or with fewer than 1 / (1 - q) scores, the threshold lies just above all
        of them.

    """
    if not 0 < q <= 1:
        raise ValueError(f"a quantile lies in (0, 1], not {q}")
    total = math.prod(np.shape(scores))
    allowed = min(total - 1, math.floor(total * (1 - q) + 1e-6))  # 1 - 0.9 is less than 0.1
    highest = np.empty(0, np.float32)
    for part in _images(scores):
        highest = np.concatenate([highest, part.ravel()])
        if len(highest) > allowed + 1:
            highest = np.partition(highest, -allowed - 1)[-allowed - 1 :]
    return _above(highest.min())


def k_sigma(scores: np.ndarray, k: float = 3.0) -> float:
    """Return mean plus k standard deviations of normal scores, `[N, H, W]` or `[N]`."""
    total = math.prod(np.shape(scores))
    mean = sum(part.sum(dtype=np.float64) for part in _images(scores)) / max(1, total)
    variance = sum(np.square(part - mean).sum() for part in _images(scores)) / total
    return float(np.float32(mean + k * math.sqrt(variance)))


def minimum_area(maps: np.ndarray, area: int) -> float:
    """Return the lowest threshold at which no normal image has a region of `area` pixels or more.

    Exact: raising a threshold only shrinks and splits regions (8-connected), so bisection over the
    sorted scores of an image finds it, and only images that violate the threshold so far are
    searched.

    Args:
      maps: anomaly maps of normal images, `[N, H, W]`.
      area: pixels of the smallest defect to report.

    """
    size = math.prod(np.shape(maps)[1:])
    if not 1 <= area <= size:
        raise ValueError(f"the smallest defect has from 1 to {size} pixels, not {area}")
    threshold = -math.inf
    for anomaly_map in _images(maps):
        if _largest_region(anomaly_map >= threshold) < area:
            continue
        value = np.unique(anomaly_map)
        # Above value[high] no region is too large, above value[low] one is.
        low, high = -1, len(value) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if _largest_region(anomaly_map > value[middle]) < area:
                high = middle
            else:
                low = middle
        threshold = _above(value[high])
    return threshold


def choose_thresholds(
    maps: np.ndarray, *, q: float = 0.995, k: float = 3.0, area: int | None = None
) -> dict[str, float]:
    """Return the pixel threshold of every rule.

    Args:
      maps: anomaly maps `[N, H, W]` of normal images that were not trained on.
      q: argument of `quantile`.
      k: argument of `k_sigma`.
      area: argument of `minimum_area`; None: a thousandth of an image [D], as the paper states
        none.

    """
    if area is None:
        area = max(1, round(math.prod(maps.shape[1:]) / 1000))
    return {
        "quantile": quantile(maps, q),
        "k_sigma": k_sigma(maps, k),
        "minimum_area": minimum_area(maps, area),
    }


def pixel_rates(
    maps: np.ndarray, masks: np.ndarray, thresholds: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Evaluate thresholds, by name, on all pixels of a test set, `[N, H, W]`.

    Returns:
      For each name `threshold`, `f1`, `precision` and `recall` (0 without a hit), and
      `flagged_normal`, the fraction of normal pixels called anomalous.

    """
    hits, calls = dict.fromkeys(thresholds, 0), dict.fromkeys(thresholds, 0)
    defects = pixels = 0
    for anomaly_map, mask in zip(maps, masks, strict=True):
        defects += np.count_nonzero(mask)
        pixels += mask.size
        for name, threshold in thresholds.items():
            called = anomaly_map >= threshold
            calls[name] += np.count_nonzero(called)
            hits[name] += np.count_nonzero(called & mask)
    return {
        name: {
            "threshold": float(thresholds[name]),
            "f1": 2 * hits[name] / max(1, calls[name] + defects),
            "precision": hits[name] / max(1, calls[name]),
            "recall": hits[name] / max(1, defects),
            "flagged_normal": (calls[name] - hits[name]) / max(1, pixels - defects),
        }
        for name in thresholds
    }


class Curve(NamedTuple):
    """F1 against the threshold, lowest threshold first: `[T]` each."""

    threshold: np.ndarray
    f1: np.ndarray


def f1_curve(counts: PixelCounts, points: int | None = None) -> Curve:
    """Return F1 of a test set against the threshold, exact at each point.

    Args:
      counts: pixel counts of the test set, see `count_pixels`.
      points: about how many, spread evenly over the thresholds and over the detected defect pixels,
        always with the best one; None: all distinct scores of defect pixels.

    """
    threshold, f1 = counts.threshold[::-1], f1_scores(counts)[::-1]
    if points is not None and points < len(f1):
        evenly = np.linspace(threshold[0], threshold[-1], points // 2)
        chosen = [
            np.searchsorted(threshold, evenly).clip(max=len(f1) - 1),
            np.linspace(0, len(f1) - 1, points // 2).astype(int),
            [f1.argmax()],
        ]
        chosen = np.unique(np.concatenate(chosen))
        threshold, f1 = threshold[chosen], f1[chosen]
    return Curve(threshold, f1)


class Stability(NamedTuple):
    """The range of thresholds that are nearly as good as the oracle.

    Attributes:
      low: lowest threshold of the range.
      high: highest threshold of the range.
      low_quantile: fraction of the normal test pixels below `low`.
      high_quantile: fraction of the normal test pixels below `high`.

    """

    low: float
    high: float
    low_quantile: float
    high_quantile: float

    @property
    def ratio(self) -> float | None:
        """Highest over lowest threshold; None unless both are positive."""
        return self.high / self.low if self.low > 0 else None

    @property
    def width(self) -> float:
        """Fraction of the normal test pixels that score within the range."""
        return self.high_quantile - self.low_quantile


def stability(counts: PixelCounts, tolerance: float = 0.05) -> Stability:
    """Return the range around the best threshold where F1 stays within a tolerance of the best.

    Its ends are scores of defect pixels; in between F1 is checked everywhere, also where only
    normal pixels score.
    """
    f1 = f1_scores(counts)
    best = int(f1.argmax())
    # From threshold i down to the next one F1 falls with every normal pixel, until the next one's
    # defect pixels come in: the valley is just above it.
    hits, called = counts.defects[:-1], counts.defects[:-1] + counts.normals_above[1:]
    valley = 2 * hits / (called + counts.defect_pixels)
    enough = (1 - tolerance) * f1[best]
    crossable = np.minimum(valley, np.minimum(f1[:-1], f1[1:])) >= enough
    barriers = np.flatnonzero(~crossable)
    first = int(barriers[barriers < best].max(initial=-1)) + 1
    last = int(barriers[barriers >= best].min(initial=len(f1) - 1))
    below = 1 - counts.normals / counts.normal_pixels
    low, high = counts.threshold[[last, first]]
    return Stability(float(low), float(high), float(below[last]), float(below[first]))


def _images(scores: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the finite float32 scores of one image after another, `[H, W]` or `[]`."""
    if not len(scores):
        raise ValueError("a threshold needs scores of normal images")
    for image_scores in scores:
        part = np.asarray(image_scores, np.float32)
        if not np.isfinite(part).all():
            raise ValueError("scores must be finite")
        yield part


def _largest_region(mask: np.ndarray) -> int:
    """Return the size in pixels of the largest region of a mask `[H, W]`; 0 if it is empty."""
    labels, count = ndimage.label(mask, EIGHT_CONNECTED)
    return int(np.bincount(labels.ravel())[1:].max()) if count else 0


def _above(score: np.float32) -> float:
    """Return the next float32: a threshold that this score does not reach."""
    return float(np.nextafter(np.float32(score), np.float32(np.inf)))
