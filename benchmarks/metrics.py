"""Pixel metrics, measured in turns: ours, a loop over thresholds and regions, public libraries.

Every way runs in its own process on the same generated maps. A way whose library is missing is left
out: scikit-learn is always present, torchmetrics and anomalib come with PyTorch.
"""

import contextlib
import dataclasses
import importlib.util
import tracemalloc
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from benchmarks.cases import Program
from benchmarks.measuring import Block, Worker, alternate

IMAGES, SIZE = 100, 256
PRO_LIMIT = 0.3
_ALL = Program("metrics")


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to compute pixel metrics.

    Attributes:
      name: name in the table.
      computes: names of the metrics, in words.
      create: maps and masks `[N, H, W]` -> a function without arguments that returns the metrics.
      needs: the module that it needs.
      package: the package with that module.

    """

    name: str
    computes: str
    create: Callable[[np.ndarray, np.ndarray], Callable[[], dict[str, float]]]
    needs: str = "numpy"
    package: str = "numpy"


def packages() -> list[str]:
    """Return the names of the packages that are measured here."""
    return list(dict.fromkeys(way.package for way in _installed()))


def _installed() -> list[Way]:
    return [way for way in WAYS if importlib.util.find_spec(way.needs)]


def measure(repeats: int, images: int = IMAGES) -> list[dict]:
    """Measure on as many maps as `images`: a row for each way whose library is present."""
    ways = _installed()
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(Worker("benchmarks.metrics:Side", way.name, images)) for way in ways
        ]
        values = [worker.prepare(_ALL) for worker in workers]
        times = alternate([(worker, _ALL) for worker in workers], repeats, 0)
        memory = [workers[0].call("peak_over_maps"), *[None] * len(ways[1:])]
    return [
        {
            "case": way.name,
            "computes": way.computes,
            "maps": images,
            "size": SIZE,
            "seconds": time.median,
            "spread": time.spread,
            "times": time.over(times[0]).median,
            "pixel_auroc": value.get("pixel_auroc"),
            "aupro": value.get("aupro"),
            "memory": peak,
        }
        for way, value, time, peak in zip(ways, values, times, memory, strict=True)
    ]


class Side:
    """One way, in its process, with the maps."""

    def __init__(self, name: str, images: int):
        """Generate maps for the way of this name."""
        self.maps, masks = generated(images)
        (way,) = (way for way in WAYS if way.name == name)
        self.metrics = way.create(self.maps, masks)

    def block(self, program: Program) -> Block:
        """Return the metrics as facts, which the first step computes."""
        facts = {}
        return Block(lambda: facts.update(self.metrics()), facts)

    def peak_over_maps(self) -> float:
        """Return the peak of memory allocated by the metrics, over the bytes of the maps."""
        tracemalloc.start()
        try:
            self.metrics()
            return tracemalloc.get_traced_memory()[1] / self.maps.nbytes
        finally:
            tracemalloc.stop()


def generated(images: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make maps float32 in [0, 1] and masks `[N, 256, 256]`: defects in four fifths of them.

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
    """Compute AUROC and AUPRO by a loop over thresholds, highest first, and regions in each.

    Written with care: regions are labelled once, and each is compared in its own image only.
    Exact if every score is a threshold.
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
        above = maps >= threshold
        hits = np.count_nonzero(above & masks)
        true.append(hits / defects)
        false.append((np.count_nonzero(above) - hits) / normals)
        in_regions = [np.count_nonzero(above[row] & region) for row, region in regions]
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
        return lambda: metrics_by_loop(maps, masks, np.linspace(maps.max(), maps.min(), count))

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


WAYS = (
    Way("adjax", "AUROC, AP, best F1, AUPRO: exact", _adjax),
    Way("loop, 200 thresholds", "AUROC, AUPRO", _loop(200)),
    Way("loop, 1,000 thresholds", "AUROC, AUPRO", _loop(1000)),
    Way("scikit-learn", "AUROC, AP: exact", _scikit_learn, "sklearn", "scikit-learn"),
    Way("torchmetrics", "AUROC: exact", _torchmetrics, "torchmetrics", "torchmetrics"),
    Way("anomalib", "AUPRO", _anomalib, "anomalib", "anomalib"),
)
