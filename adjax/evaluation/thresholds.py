"""Thresholds of a detector, chosen on normal images that it was not trained on, and how much the
choice matters.

A pixel (or an image) is called anomalous where its score is at least the threshold. The rules look
at validation normals only; thresholds are float32 values, and the quantile and the minimum area
give the lowest one that keeps their promise on them. What is chosen with the masks of a test set is
called oracle.

The minimum-area rule is that of the MVTec AD paper (2019), whose areas are not stated; the quantile
and k-sigma are common rules with defaults of ours [D].
"""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from adjax.evaluation.pixel_metrics import EIGHT_CONNECTED, PixelCounts, f1_scores


def quantile(scores: np.ndarray, q: float = 0.995) -> float:
    """The lowest threshold that at most a part 1 - q of normal scores reaches.

    Exact, in memory for that part and one image at a time.

    Args:
      scores: maps `[N, H, W]` of normal images, for pixels; or their image scores `[N]`.
      q: in (0, 1]; at 1, or where there are less than 1 / (1 - q) scores, the threshold lies just
        above all of them.

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
    """Mean plus k standard deviations of normal scores, `[N, H, W]` or `[N]`."""
    total = math.prod(np.shape(scores))
    mean = sum(part.sum(dtype=np.float64) for part in _images(scores)) / max(1, total)
    variance = sum(np.square(part - mean).sum() for part in _images(scores)) / total
    return float(np.float32(mean + k * math.sqrt(variance)))


def minimum_area(maps: np.ndarray, area: int) -> float:
    """The lowest threshold at which no normal image shows a region of `area` pixels or more.

    Exact: raising a threshold only shrinks and splits regions (8-connected), so that bisection over
    the sorted scores of an image finds the place, and only images that the threshold so far does
    not satisfy are searched.

    Args:
      maps: of normal images, `[N, H, W]`.
      area: the smallest defect that is to be reported, in pixels.

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
    """The pixel thresholds by all rules, from maps `[N, H, W]` of validation normals.

    Args:
      maps: of normal images that were not trained on.
      q: of `quantile`.
      k: of `k_sigma`.
      area: of `minimum_area`; None: a thousandth of an image [D], as the paper states none.

    """
    if area is None:
        area = max(1, round(math.prod(maps.shape[1:]) / 1000))
    return {
        "quantile": quantile(maps, q),
        "k_sigma": k_sigma(maps, k),
        "minimum_area": minimum_area(maps, area),
    }


def pixel_f1(
    maps: np.ndarray, masks: np.ndarray, thresholds: Mapping[str, float]
) -> dict[str, float]:
    """F1 over all pixels of a test set, `[N, H, W]`, at thresholds by name; 0 with no hit."""
    hits, calls = dict.fromkeys(thresholds, 0), dict.fromkeys(thresholds, 0)
    defects = 0
    for anomaly_map, mask in zip(maps, masks, strict=True):
        defects += np.count_nonzero(mask)
        for name, threshold in thresholds.items():
            called = anomaly_map >= threshold
            calls[name] += np.count_nonzero(called)
            hits[name] += np.count_nonzero(called & mask)
    return {name: float(2 * hits[name] / max(1, calls[name] + defects)) for name in thresholds}


class Curve(NamedTuple):
    """F1 against the threshold, lowest first: `[T]` each."""

    threshold: np.ndarray
    f1: np.ndarray


def f1_curve(counts: PixelCounts, points: int | None = None) -> Curve:
    """F1 of a test set against the threshold, exact at each of its points.

    Args:
      counts: of the test set, see `count_pixels`.
      points: about how many, spread evenly over the thresholds and over the defect pixels found,
        the best one among them; None: all distinct scores of defect pixels.

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
      low: its lowest threshold.
      high: its highest threshold.
      low_quantile: the part of the normal test pixels below `low`.
      high_quantile: the part of the normal test pixels below `high`.

    """

    low: float
    high: float
    low_quantile: float
    high_quantile: float

    @property
    def ratio(self) -> float | None:
        """How many times the lowest threshold the highest one is; None unless both are positive."""
        return self.high / self.low if self.low > 0 else None

    @property
    def width(self) -> float:
        """The part of the normal test pixels that scores within the range."""
        return self.high_quantile - self.low_quantile


def stability(counts: PixelCounts, tolerance: float = 0.05) -> Stability:
    """The range about the best threshold in which F1 is within a tolerance of the best, 5 %.

    Its ends are scores of defect pixels; in between F1 is checked everywhere, also where only
    normal pixels score.
    """
    f1 = f1_scores(counts)
    best = int(f1.argmax())
    # From threshold i down to the next one F1 falls with every normal pixel, until that one's
    # defect pixels come in: the valley is just above it.
    found, called = counts.defects[:-1], counts.defects[:-1] + counts.normals_above[1:]
    valley = 2 * found / (called + counts.defect_pixels)
    enough = (1 - tolerance) * f1[best]
    crossable = np.minimum(valley, np.minimum(f1[:-1], f1[1:])) >= enough
    barriers = np.flatnonzero(~crossable)
    first = int(barriers[barriers < best].max(initial=-1)) + 1
    last = int(barriers[barriers >= best].min(initial=len(f1) - 1))
    below = 1 - counts.normals / counts.normal_pixels
    low, high = counts.threshold[[last, first]]
    return Stability(float(low), float(high), float(below[last]), float(below[first]))


def _images(scores: np.ndarray) -> Iterator[np.ndarray]:
    """The finite float32 scores of one image after another, `[H, W]` or `[]`."""
    if not len(scores):
        raise ValueError("a threshold needs scores of normal images")
    for image_scores in scores:
        part = np.asarray(image_scores, np.float32)
        if not np.isfinite(part).all():
            raise ValueError("scores must be finite")
        yield part


def _largest_region(mask: np.ndarray) -> int:
    """Pixels of the largest region of a mask `[H, W]`; 0 if it is empty."""
    labels, count = ndimage.label(mask, EIGHT_CONNECTED)
    return int(np.bincount(labels.ravel())[1:].max()) if count else 0


def _above(score: np.float32) -> float:
    """The next float32: a threshold that this score does not reach."""
    return float(np.nextafter(np.float32(score), np.float32(np.inf)))
