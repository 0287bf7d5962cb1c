"""The evaluation of a run: from trained variables to `results.json`, `scores.npz`, `examples.npz`.

Thresholds are chosen with held-out normal training images alone; what is chosen with test labels is
called `oracle`.
"""

import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np

from adjax import files
from adjax.config import adopt, identity
from adjax.evaluation.metrics import IMAGE_METRICS
from adjax.evaluation.oracle import ORACLE, Choice, choose
from adjax.evaluation.scores import choose_examples, collect_scores
from adjax.inputs import padded_batches
from adjax.run import Run
from adjax.training import ANOMALY_MAP, diverged, explain_program, score_program

CURVE_POINTS = 400  # of F1 against threshold, kept for the figure
BEST_F1 = "oracle_best_f1"


class Judged(NamedTuple):
    """The members of a run that are left, Q in all, and how their test images were scored.

    Attributes:
      left: their numbers.
      scores: image scores by name, `[Q, N]`.
      anomalous: bool `[Q, N]`, which images are anomalous for a member.
      counted: bool `[Q, N]`, which ones judge a member.
      choice: of the image score by labels, if it was chosen so.

    """

    left: list[int]
    scores: dict[str, np.ndarray]
    anomalous: np.ndarray
    counted: np.ndarray
    choice: Choice | None


def evaluate(run: Run, variables: dict, failed: Sequence[dict] = ()) -> tuple[dict, list[dict]]:
    """Score the whole test split; writes `scores.npz` and `examples.npz`.

    Args:
      run: trained.
      variables: of all stages by name, leaves `[P, ...]`.
      failed: the members that diverged in training.

    Returns:
      `(results, failed)`: the part of `results.json` on the members that are left, and the list of
      those that are not: `failed` and whoever has a score that is not finite.

    Raises:
      DivergedError: if no member is left.

    """
    settings, test = run.settings, run.tested.table
    with anomaly_maps(run) as maps:
        scores, rate = _score(run, variables, test.image, maps)
        left, failed = _left(run, scores, failed)
        judged = _judge(run, scores, left)
        measured = _image_metrics(judged)
        decisions, curves = [{}] * len(left), {}
        if run.task.decides:
            decisions, curves = _decide(run, variables, judged, maps)
            decisions = _with_controlled(run, variables, judged, decisions)
    members = [run.members.settings[p] for p in left]
    _write_scores(run, judged, curves)
    _write_examples(run, variables, judged)
    results = {
        "method": settings.method,
        "dataset": settings.data.name,
        "about": adopt.about(settings),
        "config_hash": identity.config_hash(settings),
        "image_score": settings.image_score,
        "members": [
            {
                **run.task.describe(test, member["data.normal_class"]),
                **{k: v for k, v in member.items() if k != "data.normal_class"},
                **_of_member(measured, settings.image_score, row),
                **_oracle(judged.choice, row),
                **decisions[row],
            }
            for row, member in enumerate(members)
        ],
        "score_rate": rate,
        **run.task.facts(),
        **_of_data(run),
    }
    return results, failed


def _of_data(run: Run) -> dict:
    """What was trained on, what was tested, and which changes in between were accepted."""
    provenance, test = run.provenance, run.tested.table
    entry = {
        "tested_on": {"images": len(test.label), "digest": run.task.tested_digest(test)},
    }
    if record := provenance.record:
        contents = record.contents
        entry["trained_on"] = {"images": contents.images, "digest": contents.digest}
        changes = [*record.changes, provenance.changes]
        if changes := list(dict.fromkeys(filter(None, changes))):
            entry["changed_data"] = changes
    return entry


@contextlib.contextmanager
def anomaly_maps(run: Run) -> Iterator[np.ndarray | None]:
    """Make room for the maps of all test images, float32 `[P, N, H, W]` on disk, for a block.

    None where there are no masks, or no pixels of both kinds to tell apart.
    """
    mask = run.tested.table.mask
    if mask is None or not mask.any() or mask.all():
        yield None
        return
    shape = len(run.members), *mask.shape
    with tempfile.TemporaryFile(dir=run.folder) as file:  # has no name, so a kill frees it too
        files.require_room(run.folder, 4 * int(np.prod(shape)))
        yield np.memmap(file, np.float32, "w+", shape=shape)


def _score(run: Run, variables: dict, image, maps=None) -> tuple[dict[str, np.ndarray], float]:
    """Image scores `[P, N]` by name, and images of all members a second; fills `maps` if wanted."""
    program = score_program(run.method, run.execution, with_maps=maps is not None)
    size = run.execution.round_up(run.settings.evaluation.batch_size)

    def score(image):
        return jax.device_get(program(variables, image, run.members.arrays))

    score(image[np.zeros(size, int)] / np.float32(255))  # compiles
    start = time.perf_counter()
    scores = collect_scores(score, image, size, maps)
    return scores, len(image) * len(run.members) / (time.perf_counter() - start)


def _left(run: Run, scores, failed) -> tuple[list[int], list[dict]]:
    """The members with finite scores that have not failed, and the list of all others."""
    finite = np.all([np.isfinite(value).all(-1) for value in scores.values()], 0)
    known = {failure["member"] for failure in failed}
    unsure = {"stage": "evaluation", "step": 0, "reason": "an image score is not finite"}
    failed = [
        *failed,
        *({"member": int(p), **unsure} for p in np.flatnonzero(~finite) if p not in known),
    ]
    if len(failed) == len(finite):
        raise diverged(run.members, failed)
    gone = {failure["member"] for failure in failed}
    return [p for p in range(len(finite)) if p not in gone], failed


def _judge(run: Run, scores: dict[str, np.ndarray], left: list[int]) -> Judged:
    """The members that are left; where labels choose their image score, others judge it."""
    scores = {name: value[left] for name, value in scores.items()}
    anomalous, counted = run.tested.anomalous[left], run.tested.counted[left]
    if run.settings.image_score != ORACLE:
        return Judged(left, scores, anomalous, counted, None)
    ordered = {name: scores[name] for name in run.method.image_scores}
    seeds = [run.members.settings[p]["seed"] for p in left]
    choice = choose(ordered, anomalous, counted, seeds)
    scores[ORACLE] = choice.pick(scores)
    return Judged(left, scores, anomalous, counted & ~choice.chose, choice)


def _image_metrics(judged: Judged) -> dict[str, dict[str, np.ndarray]]:
    """Metrics `[Q]` of each image score, by metric and score; none without images of both kinds."""
    if not judged.anomalous.any() or judged.anomalous.all():
        return {}

    def of_members(metric, scores: np.ndarray) -> np.ndarray:
        rows = zip(scores, judged.anomalous, judged.counted, strict=True)
        return np.concatenate([metric(v[own][None], kind[own][None]) for v, kind, own in rows])

    return {
        key: {name: of_members(metric, scores) for name, scores in judged.scores.items()}
        for key, metric in IMAGE_METRICS.items()
    }


def _of_member(measured: dict[str, dict[str, np.ndarray]], chosen: str, row: int) -> dict:
    """The entry of a member: each metric of the reported image score, and of every score."""
    entry = {}
    for key, scores in measured.items():
        by_score = {name: float(value[row]) for name, value in scores.items()}
        entry |= {key: by_score[chosen], f"{key}_by_score": by_score}
    return entry


def _oracle(choice: Choice | None, row: int) -> dict:
    """The entry of a member whose image score was chosen by labels."""
    if choice is None:
        return {}
    return {ORACLE: {"chosen": choice.names[row], "images": int(choice.chose[row].sum())}}


def _write_scores(run: Run, judged: Judged, curves: dict[str, np.ndarray]) -> None:
    """Write `scores.npz`; it tells which images are anomalous unless their labels do."""
    table = run.tested.table
    classes = [run.members.settings[p]["data.normal_class"] for p in judged.left]
    normal = np.array([run.task.label(table, name) for name in classes])
    by_label = (judged.anomalous == (table.label[None] != normal[:, None])).all()
    kinds = {"anomalous": judged.anomalous, "counted": judged.counted}
    if by_label and judged.counted.all():
        kinds = {}
    scores = {f"image_score/{name}": value for name, value in judged.scores.items()}
    arrays = {"label": table.label, "normal_class": normal, **kinds, **scores, **curves}
    files.write_arrays(run.folder / "scores.npz", arrays)


def _write_examples(run: Run, variables: dict, judged: Judged) -> None:
    """Write `examples.npz`: images of both kinds, chosen without looking at scores."""
    test, choice = run.tested.table, judged.choice
    rows = choose_examples(test.label, run.tested.anomalous, run.tested.counted)
    image = test.image[rows] / np.float32(255)
    program = explain_program(run.method, run.execution)
    scores = jax.device_get(program(variables, image, run.members.arrays))
    arrays = {
        "image": image,
        "anomaly_map": scores.anomaly_map,
        "class_label": test.label[rows],
        "anomalous": np.take_along_axis(run.tested.anomalous, rows, 1),
    }
    if test.mask is not None:
        arrays["mask"] = test.mask[rows]
    if run.settings.data.names_kinds:
        arrays["class_name"] = np.array(test.class_names)[test.label[rows]]
    arrays |= {f"reconstruction/{name}": value for name, value in scores.reconstruction.items()}
    arrays = {name: value[judged.left] for name, value in arrays.items()}
    by_score = {name: value[judged.left] for name, value in scores.image_score.items()}
    chosen = choice.pick(by_score) if choice else by_score[run.settings.image_score]
    files.write_arrays(run.folder / "examples.npz", arrays | {"image_score": chosen})


def _decide(run: Run, variables: dict, judged: Judged, maps) -> tuple[list[dict], dict]:
    """Choose thresholds on normal images and say how good they are on test images.

    Args:
      run: trained.
      variables: of all stages.
      judged: the members that are left.
      maps: float32 `[P, N, H, W]` of all members, or None without ground truth.

    Returns:
      `(entries, curves)`: for each member that is left its part of `results.json`, and the curves
      of F1 that `scores.npz` keeps for the figure of thresholds.

    """
    from adjax.evaluation.thresholds import choose_thresholds  # here: only some tasks decide

    chosen = run.settings.threshold
    normal_maps, normal_scores = score_normal(run, variables)
    scores = judged.scores[run.settings.image_score]
    entries, curves = [], []
    for row, member in enumerate(judged.left):
        rules = choose_thresholds(
            normal_maps[member], q=chosen.quantile, k=chosen.k, area=chosen.area
        )
        of_images = _image_threshold(chosen.image_quantile, normal_scores[member])
        of_images |= _image_rates(of_images["threshold"], scores[row], judged.anomalous[row])
        entry = {"image_threshold": of_images}
        if maps is None:
            entry["thresholds"] = [{"rule": n, "threshold": t} for n, t in rules.items()]
        else:
            measured, curve = _against_truth(run, maps[member], rules)
            entry |= measured
            curves.append(curve)
            if run.settings.evaluation.robustness:
                entry["robustness"] = _robustness(run, variables, member, rules)
        entries.append(entry)
    return entries, _stacked(curves)


def _with_controlled(run: Run, variables: dict, judged: Judged, entries: list[dict]) -> list[dict]:
    """Add how good members are on test images without what confounds them, where something does.

    Thresholds stay those that the images as they are have set.
    """
    image = run.task.controlled(run.tested.table.image)
    if image is None or not judged.anomalous.any() or judged.anomalous.all():
        return entries
    scores, _ = _score(run, variables, image)
    by_name = {name: value[judged.left] for name, value in scores.items()}
    measured = _image_metrics(judged._replace(scores=by_name))
    chosen, controlled = run.settings.image_score, []
    for row, entry in enumerate(entries):
        threshold = entry["image_threshold"]["threshold"]
        rates = _image_rates(threshold, by_name[chosen][row], judged.anomalous[row])
        controlled.append(entry | {"controlled": _of_member(measured, chosen, row) | rates})
    return controlled


def score_normal(run: Run, variables: dict) -> tuple[np.ndarray, np.ndarray]:
    """Maps `[P, n, H, W]` and image scores `[P, n]` of the members' held-out normal images."""
    program = explain_program(run.method, run.execution)
    images, score = run.population.images, run.settings.image_score
    count = min(map(len, images.validation_rows))
    rows = np.stack([rows[:count] for rows in images.validation_rows])
    maps, scores = [], []
    batch_size = run.settings.evaluation.batch_size
    for position, real in padded_batches(np.arange(count), batch_size):
        image = np.stack([images.table[of_member[position]] for of_member in rows])
        batch = program(variables, image / np.float32(255), run.members.arrays)
        maps.append(np.asarray(batch.anomaly_map)[:, :real])
        scores.append(np.asarray(batch.image_score[score])[:, :real])
    return np.concatenate(maps, 1), np.concatenate(scores, 1)


def _image_threshold(q: float, scores: np.ndarray) -> dict:
    from adjax.evaluation.thresholds import quantile

    return {"rule": f"quantile {q:g}", "threshold": quantile(scores, q)}


def _image_rates(threshold: float, scores: np.ndarray, anomalous: np.ndarray) -> dict[str, float]:
    """Shares of normal and of anomalous test images that are flagged, where there are any."""
    flagged = scores >= threshold
    kinds = {"false_positive_rate": ~anomalous, "true_positive_rate": anomalous}
    return {name: float(flagged[kind].mean()) for name, kind in kinds.items() if kind.any()}


def _against_truth(run: Run, maps: np.ndarray, rules: dict[str, float]) -> tuple[dict, dict]:
    """Pixel metrics of a member, its thresholds against the masks, and its curve of F1."""
    from adjax.evaluation.pixel_metrics import count_pixels, metrics_of
    from adjax.evaluation.thresholds import f1_curve, pixel_rates, stability

    test = run.tested.table
    mask, masked = test.mask, test.masked
    without = {}
    if not masked.all():
        maps, mask = maps[masked], mask[masked]
        without = {"without_masks": int((~masked).sum())}
    counts = count_pixels(maps, mask)
    metrics = metrics_of(counts)
    rates = pixel_rates(maps, mask, rules | {BEST_F1: metrics["best_f1_threshold"]})
    around, curve = stability(counts), f1_curve(counts, CURVE_POINTS)
    return {
        **without,
        "pixel_auroc": metrics["pixel_auroc"],
        "pixel_ap": metrics["pixel_ap"],
        "aupro": metrics["aupro"],
        "f1": rates[run.settings.threshold.rule]["f1"],
        "f1_oracle": metrics["best_f1"],
        "thresholds": [{"rule": rule, **values} for rule, values in rates.items()],
        "stability": {**around._asdict(), "ratio": around.ratio, "width": around.width},
    }, curve._asdict()


def _robustness(run: Run, variables: dict, member: int, rules: dict[str, float]):
    """F1 at a member's thresholds on changed test images, see `robustness_table`."""
    from adjax.evaluation.robustness import robustness_table

    program = score_program(run.method, run.execution, with_maps=True)
    size = run.execution.round_up(run.settings.evaluation.batch_size)
    test = run.tested.table

    def score_maps(image):
        filled = np.pad(image, [(0, size - len(image)), *[(0, 0)] * 3], mode="edge")
        scores = program(variables, filled / np.float32(255), run.members.arrays)
        return np.asarray(scores[ANOMALY_MAP])[member, : len(image)]

    image, mask = test.image[test.masked], test.mask[test.masked]
    return robustness_table(score_maps, image, mask, rules, batch_size=size)


def _stacked(curves: list[dict]) -> dict[str, np.ndarray]:
    """Curves of members as arrays `[Q, T]`, the shorter ones ended by repetitions."""
    length = max((len(curve["f1"]) for curve in curves), default=0)
    return {
        f"f1_curve/{key}": np.stack(
            [np.pad(c[key], (0, length - len(c[key])), mode="edge") for c in curves]
        )
        for key in (curves[0] if curves else ())
    }
