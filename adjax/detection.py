"""From anomaly maps to decisions: thresholds of normal images, and how good they are on test ones.

Everything is chosen with held-out normal training images; what is chosen with test labels is called
`oracle`.
"""

import contextlib
import tempfile
from collections.abc import Iterator

import numpy as np

from adjax import files
from adjax.datasets import Table
from adjax.evaluation import (
    choose_thresholds,
    count_pixels,
    f1_curve,
    metrics_of,
    pixel_rates,
    quantile,
    robustness_table,
    stability,
)
from adjax.inputs import padded_batches
from adjax.training import ANOMALY_MAP, Trainer, explain_program, score_program

CURVE_POINTS = 400  # of F1 against threshold, kept for the figure
ORACLE = "oracle_best_f1"


@contextlib.contextmanager
def anomaly_maps(config, trainer: Trainer, table: Table) -> Iterator[np.ndarray | None]:
    """Room for the maps of a table's images, float32 `[P, N, H, W]` on disk; None without masks.

    It lies in the run's folder and is gone after the block.
    """
    if table.mask is None:
        yield None
        return
    shape = len(trainer.settings), *table.mask.shape
    with tempfile.NamedTemporaryFile(dir=trainer.workdir, prefix=".maps-") as file:
        files.require_room(trainer.workdir, 4 * int(np.prod(shape)))
        yield np.memmap(file, np.float32, "w+", shape=shape)


def normal_scores(config, trainer: Trainer, variables: dict) -> tuple[np.ndarray, np.ndarray]:
    """Maps `[P, n, H, W]` and image scores `[P, n]` of the members' held-out normal images."""
    program = explain_program(trainer.method, trainer.execution)
    count = min(map(len, trainer.validation_rows))
    rows = np.stack([rows[:count] for rows in trainer.validation_rows])
    maps, scores = [], []
    for position, real in padded_batches(np.arange(count), config.evaluation.batch_size):
        image = np.stack([trainer.image[of_member[position]] for of_member in rows])
        found = program(variables, image / np.float32(255), trainer.members)
        maps.append(np.asarray(found.anomaly_map)[:, :real])
        scores.append(np.asarray(found.image_score[config.image_score])[:, :real])
    return np.concatenate(maps, 1), np.concatenate(scores, 1)


def evaluate(
    config, trainer: Trainer, variables: dict, test: Table, maps, image_scores, anomalous, left
) -> tuple[list[dict], dict[str, np.ndarray]]:
    """What the members' maps and scores come to as decisions.

    Args:
      config: of the run.
      trainer: of the run.
      variables: of all stages.
      test: the test split.
      maps: float32 `[P, N, H, W]` of all members, or None without ground truth.
      image_scores: `[Q, N]` of the members that are left.
      anomalous: bool `[Q, N]`.
      left: `[Q]`, which members these are.

    Returns:
      `(entries, curves)`: for each member that is left what `results.json` says of it, and what
      `scores.npz` keeps for the figure of thresholds.

    """
    normal_maps, normal_image_scores = normal_scores(config, trainer, variables)
    entries, curves = [], []
    for row, member in enumerate(left):
        rules = pixel_thresholds(config, normal_maps[member])
        of_images = _image_threshold(config, normal_image_scores[member])
        of_images |= _image_rates(of_images["threshold"], image_scores[row], anomalous[row])
        entry = {"image_threshold": of_images}
        if maps is None:
            entry["thresholds"] = [{"rule": n, "threshold": t} for n, t in rules.items()]
        else:
            measured, curve = _against_truth(config, maps[member], test.mask, rules)
            entry |= measured
            curves.append(curve)
            if config.evaluation.robustness:
                entry["robustness"] = _robustness(config, trainer, variables, test, member, rules)
        entries.append(entry)
    return entries, _stacked(curves)


def _stacked(curves: list[dict]) -> dict[str, np.ndarray]:
    """Curves of members as arrays `[Q, T]`, the shorter ones ended by repetitions."""
    length = max((len(curve["f1"]) for curve in curves), default=0)
    return {
        f"f1_curve/{key}": np.stack(
            [np.pad(c[key], (0, length - len(c[key])), mode="edge") for c in curves]
        )
        for key in (curves[0] if curves else ())
    }


def pixel_thresholds(config, maps: np.ndarray) -> dict[str, float]:
    """Thresholds of a map by each rule, chosen on maps `[n, H, W]` of held-out normal images."""
    settings = config.threshold
    return choose_thresholds(maps, q=settings.quantile, k=settings.k, area=settings.area)


def _image_threshold(config, scores: np.ndarray) -> dict:
    q = config.threshold.image_quantile
    return {"rule": f"quantile {q:g}", "threshold": quantile(scores, q)}


def _image_rates(threshold: float, scores: np.ndarray, anomalous: np.ndarray) -> dict[str, float]:
    """Shares of normal and of anomalous test images that are flagged, where there are any."""
    flagged = scores >= threshold
    kinds = {"false_positive_rate": ~anomalous, "true_positive_rate": anomalous}
    return {name: float(flagged[kind].mean()) for name, kind in kinds.items() if kind.any()}


def _against_truth(config, maps, mask: np.ndarray, rules: dict[str, float]):
    """Pixel metrics of a member, its thresholds against the masks, and its curve of F1."""
    counts = count_pixels(maps, mask)
    found = metrics_of(counts)
    rates = pixel_rates(maps, mask, rules | {ORACLE: found["best_f1_threshold"]})
    around, curve = stability(counts), f1_curve(counts, CURVE_POINTS)
    return {
        "pixel_auroc": found["pixel_auroc"],
        "pixel_ap": found["pixel_ap"],
        "aupro": found["aupro"],
        "f1": rates[config.threshold.rule]["f1"],
        "f1_oracle": found["best_f1"],
        "thresholds": [{"rule": rule, **values} for rule, values in rates.items()],
        "stability": {**around._asdict(), "ratio": around.ratio, "width": around.width},
    }, curve._asdict()


def _robustness(config, trainer: Trainer, variables: dict, test: Table, member: int, rules):
    """F1 at a member's thresholds on changed test images, see `evaluation.robustness_table`."""
    program = score_program(trainer.method, trainer.execution, with_maps=True)
    size = config.evaluation.batch_size
    size += -size % trainer.execution.data_devices

    def score_maps(image):
        filled = np.pad(image, [(0, size - len(image)), *[(0, 0)] * 3], mode="edge")
        found = program(variables, filled / np.float32(255), trainer.members, 0)
        return np.asarray(found[ANOMALY_MAP])[member, : len(image)]

    return robustness_table(score_maps, test.image, test.mask, rules, batch_size=size)
