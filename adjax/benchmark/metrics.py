"""Pixel metrics, measured in turns: ours, a loop over thresholds and regions, public libraries.

Every side runs in a process of its own on the same generated maps. A side whose library is missing
is left out: scikit-learn is always there, torchmetrics and anomalib come with PyTorch.
"""

import dataclasses
import importlib.util
import multiprocessing
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from scipy import ndimage

from adjax.benchmark.measure import Repeats

IMAGES, SIZE = 100, 256
PRO_LIMIT = 0.3


@dataclasses.dataclass(frozen=True)
class Side:
    """One way to compute pixel metrics.

    Attributes:
      name: as the table shows it.
      computes: what, in words.
      create: maps and masks `[N, H, W]` -> a function without arguments that gives the metrics.
      needs: a module without which it is left out.
      package: that brings the module.

    """

    name: str
    computes: str
    create: Callable[[np.ndarray, np.ndarray], Callable[[], dict[str, float]]]
    needs: str = "numpy"
    package: str = "numpy"


def packages() -> list[str]:
    """What is measured here, by the names of the packages."""
    return list(dict.fromkeys(side.package for side in _sides()))


def _sides() -> list[Side]:
    return [side for side in SIDES if importlib.util.find_spec(side.needs)]


def measure(repeats: int, images: int = IMAGES) -> list[dict]:
    """A row for each side whose library is there, of as many maps as `images`."""
    sides = _sides()
    pools = [ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) for _ in sides]
    try:
        for side, pool in zip(sides, pools, strict=True):
            pool.submit(_open, side.name, images).result()
            pool.submit(_measure).result()  # to warm up
        turns = [[pool.submit(_measure).result() for pool in pools] for _ in range(repeats)]
        memory = pools[0].submit(_peak_over_maps).result()
    finally:
        for pool in pools:
            pool.shutdown()
    ours = Repeats(tuple(turn[0][0] for turn in turns))
    rows = []
    for side, results in zip(sides, zip(*turns, strict=True), strict=True):
        seconds, found = Repeats(tuple(s for s, _ in results)), results[0][1]
        rows.append(
            {
                "case": side.name,
                "computes": side.computes,
                "maps": images,
                "size": SIZE,
                "seconds": seconds.median,
                "spread": seconds.spread,
                "times": seconds.over(ours).median,
                "pixel_auroc": found.get("pixel_auroc"),
                "aupro": found.get("aupro"),
                "memory": None if rows else memory,
            }
        )
    return rows


def generated(images: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Maps float32 in [0, 1] and masks `[N, 256, 256]`: defects in four fifths of them.

    A hundred have about 200 regions.
    """
    rng = np.random.default_rng(seed)
    masks = np.zeros((images, SIZE, SIZE), bool)
    good = images // 5
    for number in range(2 * images):
        row = good + number % (images - good)
        height, width = rng.integers(6, 50, 2)
        y, x = rng.integers(0, SIZE - height), rng.integers(0, SIZE - width)
        masks[row, y : y + height, x : x + width] = True
    noise = ndimage.gaussian_filter(rng.standard_normal(masks.shape, np.float32), (0, 2, 2))
    residual = np.abs(noise)
    shift = ndimage.gaussian_filter(masks.astype(np.float32), (0, 3, 3))
    maps = residual + shift * rng.uniform(0, 0.4, (images, 1, 1)).astype(np.float32)
    return maps / maps.max(), masks


def metrics_by_loop(maps: np.ndarray, masks: np.ndarray, thresholds: np.ndarray) -> dict:
    """AUROC and AUPRO by a loop over thresholds, highest first, and over regions in each.

    Written with care: regions are found once, and each is looked for in its own image only. Exact
    if every score is a threshold.
    """
    eight = np.ones((3, 3))
    regions = [
        (row, labels == number + 1)
        for row, mask in enumerate(masks)
        for labels, count in [ndimage.label(mask, eight)]
        for number in range(count)
    ]
    sizes = np.array([np.count_nonzero(region) for _, region in regions])
    defects, normals = np.count_nonzero(masks), np.count_nonzero(~masks)
    false, true, overlap = ([0.0] for _ in range(3))
    for threshold in thresholds:
        found = maps >= threshold
        hits = np.count_nonzero(found & masks)
        true.append(hits / defects)
        false.append((np.count_nonzero(found) - hits) / normals)
        in_regions = [np.count_nonzero(found[row] & region) for row, region in regions]
        overlap.append(np.mean(in_regions / sizes))
    inside = [rate for rate in false if rate < PRO_LIMIT]
    upto = np.append(inside, PRO_LIMIT)
    overlap = np.append(overlap[: len(inside)], np.interp(PRO_LIMIT, false, overlap))
    aupro = np.trapezoid(overlap, upto) / PRO_LIMIT
    return {"pixel_auroc": float(np.trapezoid(true, false)), "aupro": float(aupro)}


def _adjax(maps, masks):
    from adjax.evaluation.pixel_metrics import pixel_metrics

    return lambda: pixel_metrics(maps, masks, pro_limit=PRO_LIMIT)


def _loop(count: int):
    def create(maps, masks):
        def measure():
            thresholds = np.linspace(maps.max(), maps.min(), count)
            return metrics_by_loop(maps, masks, thresholds)

        return measure

    return create


def _scikit_learn(maps, masks):
    from sklearn.metrics import average_precision_score, roc_auc_score

    score, defect = maps.ravel(), masks.ravel()
    return lambda: {
        "pixel_auroc": float(roc_auc_score(defect, score)),
        "pixel_ap": float(average_precision_score(defect, score)),
    }


def _torchmetrics(maps, masks):
    import torch
    from torchmetrics.functional.classification import binary_auroc

    score, defect = torch.from_numpy(maps).ravel(), torch.from_numpy(masks).ravel().int()
    return lambda: {"pixel_auroc": float(binary_auroc(score, defect, validate_args=False))}


def _anomalib(maps, masks):
    import torch
    from anomalib.metrics.aupro import _AUPRO

    def measure():
        metric = _AUPRO(fpr_limit=PRO_LIMIT)
        metric.update(torch.from_numpy(maps), torch.from_numpy(masks).int())
        return {"aupro": float(metric.compute())}

    return measure


SIDES = (
    Side("adjax", "AUROC, AP, best F1, AUPRO: exact", _adjax),
    Side("loop, 200 thresholds", "AUROC, AUPRO", _loop(200)),
    Side("loop, 1,000 thresholds", "AUROC, AUPRO", _loop(1000)),
    Side("scikit-learn", "AUROC, AP: exact", _scikit_learn, "sklearn", "scikit-learn"),
    Side("torchmetrics", "AUROC: exact", _torchmetrics, "torchmetrics", "torchmetrics"),
    Side("anomalib", "AUPRO", _anomalib, "anomalib", "anomalib"),
)


# What runs in the process of a side.

_maps, _masks, _metrics = None, None, None


def _open(name: str, images: int) -> None:
    global _maps, _masks, _metrics
    _maps, _masks = generated(images)
    (side,) = (side for side in SIDES if side.name == name)
    _metrics = side.create(_maps, _masks)


def _measure() -> tuple[float, dict[str, float]]:
    start = time.perf_counter()
    metrics = _metrics()
    return time.perf_counter() - start, metrics


def _peak_over_maps() -> float:
    """Peak of what is allocated while the metrics are computed, over the bytes of the maps."""
    tracemalloc.start()
    try:
        _metrics()
        return tracemalloc.get_traced_memory()[1] / _maps.nbytes
    finally:
        tracemalloc.stop()
