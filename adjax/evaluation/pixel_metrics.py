"""Exact pixel metrics of a test set: AUROC, average precision, best F1 and AUPRO.

All four follow from three numbers at each distinct score of a defect pixel: the defect pixels and
the normal pixels that score at least as much and, for AUPRO, the covered part of every defect
region. Between two such scores only the number of false positives changes. So the scores of defect
pixels, which are few, are kept and sorted once, and normal pixels are streamed and counted into the
gaps between them. A fine grid finds the gap of most; the rest, in cells shared with defect pixels,
are sorted in chunks. Nothing is approximated, memory is about 150 bytes per defect pixel plus some
MB, whatever the number of images, and no loop runs over thresholds or regions.

A pixel counts as anomalous where its score is at least the threshold, as in scikit-learn.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from scipy import ndimage

CHUNK = 2**20  # normal pixels sorted at once, at least
BATCH = 2**17  # pixels of an array read at once; they fit into the CPU's cache
CELLS_A_SCORE, MOST_CELLS = 8, 2**21  # of the grid over the scores of defect pixels
EIGHT_CONNECTED = np.ones((3, 3), int)

Batch = tuple[np.ndarray, np.ndarray]  # anomaly_map float32 and mask bool, [n, H, W]


@dataclasses.dataclass(frozen=True)
class PixelCounts:
    """Pixel counts at the distinct scores of defect pixels, the highest score first.

    Attributes:
      threshold: float32 `[T]`, the distinct scores.
      defects: int64 `[T]`, defect pixels that score at least as much.
      normals: int64 `[T]`, normal pixels that score at least as much.
      normals_above: int64 `[T]`, normal pixels that score more.
      overlap: float64 `[T]`, the mean over defect regions of the part that scores at least as much.
      normal_pixels: number of normal pixels, including those of images without a defect.
      regions: number of defect regions, connected over sides and corners.

    """

    threshold: np.ndarray
    defects: np.ndarray
    normals: np.ndarray
    normals_above: np.ndarray
    overlap: np.ndarray
    normal_pixels: int
    regions: int

    @property
    def defect_pixels(self) -> int:
        """Number of defect pixels."""
        return int(self.defects[-1])


def pixel_metrics(
    maps: np.ndarray | Callable[[], Iterable[Batch]],
    masks: np.ndarray | None = None,
    *,
    pro_limit: float = 0.3,
) -> dict[str, float]:
    """Compute all pixel metrics of a test set exactly; see `count_pixels` and `metrics_of`."""
    return metrics_of(count_pixels(maps, masks), pro_limit=pro_limit)


def metrics_of(counts: PixelCounts, *, pro_limit: float = 0.3) -> dict[str, float]:
    """Return `pixel_auroc`, `pixel_ap`, `aupro`, and `best_f1` at `best_f1_threshold`.

    The best F1 is an oracle: its threshold is chosen with the masks of the test set.
    """
    threshold, f1 = oracle_best_f1(counts)
    return {
        "pixel_auroc": pixel_auroc(counts),
        "pixel_ap": average_precision(counts),
        "aupro": aupro(counts, pro_limit),
        "best_f1": f1,
        "best_f1_threshold": threshold,
    }


def count_pixels(
    maps: np.ndarray | Callable[[], Iterable[Batch]],
    masks: np.ndarray | None = None,
    *,
    chunk: int = CHUNK,
) -> PixelCounts:
    """Count the pixels of a test set; its batches are read twice.

    Args:
      maps: anomaly maps `[N, H, W]`, in memory or memory-mapped, compared as float32; or a function
        that returns batches of maps and masks, the same ones on every call. The size of images may
        differ between batches.
      masks: bool `[N, H, W]`, true on defects; None if `maps` is a function.
      chunk: normal pixels sorted at once, at least.

    Raises:
      ValueError: if maps and masks do not match, a score is not finite, or there are no normal or
        no defect pixels.

    """
    batches = maps if callable(maps) else lambda: _in_batches(maps, masks)
    score, region, region_pixels, normal_pixels = _defects(batches())
    if not (len(score) and normal_pixels):
        raise ValueError("pixel metrics need normal and defect pixels")
    order = np.argsort(-score)
    score = score[order]
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True))
    # All regions have equal weight, so a pixel weighs one over the size of its region.
    weight = (1 / region_pixels)[region[order]]
    overlap = np.cumsum(weight, out=weight)[last] / len(region_pixels)
    threshold = score[last]
    del order, weight, score, region
    normals, normals_above = _count_normals(batches(), threshold, normal_pixels, chunk)
    return PixelCounts(
        threshold, last + 1, normals, normals_above, overlap, normal_pixels, len(region_pixels)
    )


def pixel_auroc(counts: PixelCounts) -> float:
    """Return the area under the ROC curve over all pixels; ties count as half."""
    beaten = counts.normal_pixels - (counts.normals + counts.normals_above) / 2
    new = np.diff(counts.defects, prepend=0)
    return float(new @ beaten / counts.defect_pixels / counts.normal_pixels)


def average_precision(counts: PixelCounts) -> float:
    """Return the precision averaged over recall, without interpolation."""
    precision = counts.defects / (counts.defects + counts.normals)
    return float(np.diff(counts.defects, prepend=0) @ precision / counts.defect_pixels)


def f1_scores(counts: PixelCounts) -> np.ndarray:
    """Return F1 at each threshold, pooled over all pixels: float64 `[T]`."""
    return 2 * counts.defects / (counts.defects + counts.normals + counts.defect_pixels)


def oracle_best_f1(counts: PixelCounts) -> tuple[float, float]:
    """Return the threshold with the highest F1 (the highest such threshold), and that F1.

    It is chosen with the masks of the test set, so it is not one to deploy. Only scores of defect
    pixels can be best: lowering a threshold over normal pixels alone only adds errors.
    """
    f1 = f1_scores(counts)
    best = int(f1.argmax())
    return float(counts.threshold[best]), float(f1[best])


def aupro(counts: PixelCounts, limit: float = 0.3) -> float:
    """Return the area under the per-region overlap up to a false positive rate, over that rate.

    The overlap at a threshold is the mean over defect regions (8-connected) of the part detected;
    the false positive rate is over all normal pixels of the set. Integrated by the trapezoidal
    rule, with linear interpolation at the limit.
    """
    if not 0 < limit <= 1:
        raise ValueError(f"the limit of AUPRO must lie in (0, 1], not {limit}")
    # Up to the rate `above` of a threshold the overlap is still that of the threshold before it;
    # then its ties come in, defect and normal pixels together.
    above, at = (n / counts.normal_pixels for n in (counts.normals_above, counts.normals))
    before = np.concatenate([[0.0], counts.overlap[:-1]])
    rate = np.concatenate([[0.0], np.stack([above, at], -1).ravel(), [1.0]])
    overlap = np.concatenate([[0.0], np.stack([before, counts.overlap], -1).ravel(), [1.0]])
    inside = int(np.searchsorted(rate, limit, "right"))
    if inside < len(rate):  # the next point lies beyond the limit: cut there
        part = (limit - rate[inside - 1]) / (rate[inside] - rate[inside - 1])
        overlap[inside] = overlap[inside - 1] + part * (overlap[inside] - overlap[inside - 1])
        rate[inside] = limit
    return float(np.trapezoid(overlap[: inside + 1], rate[: inside + 1]) / limit)


def _in_batches(maps: np.ndarray, masks: np.ndarray) -> Iterator[Batch]:
    if np.shape(maps) != np.shape(masks):
        raise ValueError(f"maps {np.shape(maps)} and masks {np.shape(masks)} must match")
    size = max(1, BATCH // max(1, maps[0].size)) if len(maps) else 1
    for start in range(0, len(maps), size):
        yield maps[start : start + size], masks[start : start + size]


def _checked(batches: Iterable[Batch]) -> Iterator[Batch]:
    for maps, masks in batches:
        maps, masks = np.asarray(maps, np.float32), np.asarray(masks)
        if maps.shape != masks.shape or maps.ndim != 3 or masks.dtype != bool:
            raise ValueError(
                f"needs maps [n, H, W] and boolean masks of the same shape, not {maps.shape} and "
                f"{masks.dtype} {masks.shape}"
            )
        yield maps, masks


def _defects(batches: Iterable[Batch]) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return score and region of each defect pixel `[D]`, region sizes, number of normal pixels."""
    scores, regions, sizes = [], [], []
    earlier_regions, normal_pixels = 0, 0
    for maps, masks in _checked(batches):
        for anomaly_map, mask in zip(maps, masks, strict=True):
            defects = np.count_nonzero(mask)
            normal_pixels += mask.size - defects
            if defects:
                labels, count = ndimage.label(mask, EIGHT_CONNECTED)
                label = labels[mask] - 1
                scores.append(anomaly_map[mask])
                regions.append(label + np.int32(earlier_regions))
                sizes.append(np.bincount(label))
                earlier_regions += count
    if not scores:
        return np.empty(0, np.float32), np.empty(0, np.int32), np.empty(0, int), normal_pixels
    score = np.concatenate(scores)
    if not np.isfinite(score).all():
        raise ValueError("scores must be finite")
    return score, np.concatenate(regions), np.concatenate(sizes), normal_pixels


def _count_normals(
    batches: Iterable[Batch], threshold: np.ndarray, normal_pixels: int, chunk: int
) -> tuple[np.ndarray, np.ndarray]:
    """Count the normal pixels that score at least, and more than, each threshold: int64 `[T]`."""
    ascending = np.ascontiguousarray(threshold[::-1])
    below, at_most = np.zeros((2, len(ascending)), np.int64)
    in_gap = np.zeros(len(ascending) + 2, np.int64)
    gap_of = _gap_finder(ascending)
    seen = 0

    def undecided() -> Iterator[np.ndarray]:
        nonlocal seen, in_gap
        for scores in _in_chunks(_normal_scores(batches), max(BATCH, len(ascending))):
            seen += len(scores)
            gap = gap_of(scores)
            in_gap += np.bincount(gap, minlength=len(in_gap))
            yield scores[gap == 0]

    # Chunks, here and above, are at least as long as the list of thresholds, so that the work per
    # chunk and threshold never exceeds the work per pixel.
    for scores in _in_chunks(undecided(), max(chunk, len(ascending))):
        scores.sort()
        below += np.searchsorted(scores, ascending, "left")
        at_most += np.searchsorted(scores, ascending, "right")
    if seen != normal_pixels:
        raise ValueError("batches must be the same each time they are read")
    decided = np.cumsum(in_gap[1:-1])
    return seen - (below + decided)[::-1], seen - (at_most + decided)[::-1]


def _normal_scores(batches: Iterable[Batch]) -> Iterator[np.ndarray]:
    for maps, masks in _checked(batches):
        scores = maps[~masks]
        if not np.isfinite(scores).all():
            raise ValueError("scores must be finite")
        yield scores


def _gap_finder(ascending: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that finds between which of the sorted values `[T]` scores `[n]` lie.

    It returns 1 + the number of values below a score, or 0 (undecided) if the score shares a grid
    cell with a value. Every operation is monotone in float32, so scores in a lower cell are lower,
    whatever the rounding.
    """
    cells = min(CELLS_A_SCORE * len(ascending), MOST_CELLS)
    lowest, highest = float(ascending[0]), float(ascending[-1])
    width = (highest - lowest) / cells
    if not (width > 1e-30 and np.abs([lowest, highest]).max() < 1e37):  # no room in float32
        return lambda scores: np.zeros(len(scores), np.intp)
    # One extra cell below the lowest value; scores above the highest value join its cell.
    origin, top, scale = np.float32([lowest - width, highest, 1 / width])

    def cell_of(scores: np.ndarray) -> np.ndarray:
        return ((scores.clip(origin, top) - origin) * scale).astype(np.intp)

    occupied = cell_of(ascending)
    table = np.zeros(occupied[-1] + 1, np.int32)
    table[occupied] = np.arange(1, len(ascending) + 1)  # the highest of several in a cell
    np.maximum.accumulate(table, out=table)
    table += 1
    table[occupied] = 0
    return lambda scores: table.take(cell_of(scores))


def _in_chunks(parts: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Yield scores in pieces of `size`, the last one shorter, in a buffer that is reused."""
    buffer, filled = np.empty(size, np.float32), 0
    for scores in parts:
        while len(scores):
            taken = scores[: size - filled]
            buffer[filled : filled + len(taken)] = taken
            filled, scores = filled + len(taken), scores[len(taken) :]
            if filled == size:
                yield buffer
                filled = 0
    if filled:
        yield buffer[:filled]
