"""From anomaly maps to decisions: thresholds of normal images, and how good they are on test ones.

Everything is chosen with held-out normal training images; what is chosen with test labels is called
`oracle`.
"""

import contextlib
import tempfile
from collections.abc import Iterator

import jax
import numpy as np

from adjax import files
from adjax.datasets import Table
from adjax.evaluation import pixel_metrics, robustness, thresholds
from adjax.inputs import padded_batches
from adjax.training import Trainer, explain_program

CURVE_POINTS = 400  # of F1 against threshold, kept for the figure


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
        entry = {"image_threshold": _image_threshold(config, normal_image_scores[member])}
        entry["image_threshold"] |= _image_rates(entry, image_scores[row], anomalous[row])
        if maps is None:
            entry["thresholds"] = [{"rule": n, "threshold": t} for n, t in rules.items()]
        else:
            measured, curve = _against_truth(config, maps[member], test.mask, rules)
            entry |= measured
            curves.append(curve)
        entries.append(entry)
    arrays = {f"f1_curve/{key}": np.stack([c[key] for c in curves]) for key in (curves or [{}])[0]}
    return entries, arrays


def pixel_thresholds(config, maps: np.ndarray) -> dict[str, float]:
    """Thresholds of a map by each rule, chosen on maps `[n, H, W]` of held-out normal images."""
    settings = config.threshold
    return {
        "quantile": thresholds.quantile(maps, settings.quantile),
        "k_sigma": thresholds.k_sigma(maps, settings.k),
        "minimum_area": thresholds.minimum_area(maps, settings.area),
    }


def _image_threshold(config, scores: np.ndarray) -> dict:
    q = config.threshold.image_quantile
    return {"rule": f"quantile {q:g}", "threshold": float(np.quantile(scores, q))}


def _image_rates(entry: dict, scores: np.ndarray, anomalous: np.ndarray) -> dict[str, float]:
    """Shares of normal and of anomalous test images above the threshold, where there are any."""
    flagged = scores > entry["image_threshold"]["threshold"]
    kinds = {"false_positive_rate": ~anomalous, "true_positive_rate": anomalous}
    return {name: float(flagged[kind].mean()) for name, kind in kinds.items() if kind.any()}


def _against_truth(config, maps, mask: np.ndarray, rules: dict[str, float]):
    """Pixel metrics of a member, its thresholds against the masks, and its curve of F1."""
    found = pixel_metrics(maps, mask)
    oracle = found["best_f1_threshold"]
    rows = [
        {"rule": name, "threshold": float(value), **thresholds.against_truth(maps, mask, value)}
        for name, value in {**rules, "oracle_best_f1": oracle}.items()
    ]
    by_rule = {row["rule"]: row for row in rows}
    threshold, f1 = thresholds.f1_curve(maps, mask, CURVE_POINTS)
    return {
        "pixel_auroc": found["pixel_auroc"],
        "pixel_ap": found["pixel_ap"],
        "aupro": found["aupro"],
        "f1": by_rule[config.threshold.rule]["f1"],
        "f1_oracle": found["best_f1"],
        "thresholds": rows,
        "stability": thresholds.stability(threshold, f1),
    }, {"threshold": threshold, "f1": f1}
