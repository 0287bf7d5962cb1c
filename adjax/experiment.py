"""A run from its config to its report: the story of the codebase in one screen."""

import datetime
import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path

import jax
import numpy as np

import adjax
from adjax import datasets, detection, files, hosts, reports, settings, workdir
from adjax.errors import DivergedError
from adjax.evaluation import (
    ORACLE,
    Choice,
    auroc,
    choose,
    choose_examples,
    collect_scores,
)
from adjax.preparation import Tested, check, create_trainer, load_test
from adjax.training import (
    Execution,
    Trainer,
    diverged,
    explain_program,
    open_log,
    score_program,
    train_stage,
)


def train_and_evaluate(
    config, directory: str | Path, *, train: bool = True, command: str = "", method=None
) -> dict:
    """Train what `directory` still lacks of the run, evaluate it and write its report.

    Members that diverge are listed in `failed.json`; the results are those of the others.

    Args:
      config: of the run, see `configs/`.
      directory: the run's workdir; a run that was interrupted there goes on.
      train: False: evaluate only, and refuse a run whose training is not finished.
      command: what the report tells its reader to type.
      method: the config's, where it is made already; runs of one method object share programs.

    Returns:
      The results, as written to `results.json`.

    Raises:
      UserError: for a config, data set or workdir that cannot be used.
      DivergedError: if every member meets a value that is not finite.

    """
    directory = Path(directory)
    checked = check(config, directory)
    trainer = create_trainer(config, method or checked, directory)
    test = load_test(config, trainer.settings)
    workdir.claim(directory, config)
    if not train:
        trainer.check_finished()

    try:
        variables, stages = train_stages(trainer)
        results, failed = evaluate(config, trainer, variables, test, stages[-1].get("failed", ()))
    except DivergedError as error:
        workdir.write_failures(directory, _named(trainer, error.failed))
        raise
    workdir.write_failures(directory, _named(trainer, failed))
    results |= {"stages": stages, "throughput": _throughput(stages, results.pop("score_rate"))}
    results |= _circumstances(trainer.execution) | {"command": command}
    files.write_json(directory / "results.json", results)
    if hosts.is_first():
        reports.write_report(directory)
    hosts.wait_for_all("report")
    return results


def train_stages(trainer: Trainer) -> tuple[dict, list[dict]]:
    """Train all stages of a run: variables by stage name, leaves `[P, ...]`, and their records."""
    variables, stages = {}, []
    with open_log(trainer.workdir, trainer.labels) as log:
        for index, stage in enumerate(trainer.method.stages):
            failed = stages[-1].get("failed", ()) if stages else ()
            variables[stage.name], record = train_stage(trainer, index, variables, log, failed)
            stages.append(record)
    return variables, stages


def evaluate(
    config, trainer: Trainer, variables: dict, tested: Tested, failed=()
) -> tuple[dict, list[dict]]:
    """Score the whole test split; writes `scores.npz` and `examples.npz`.

    Returns:
      `(results, failed)`: what `results.json` says of the members that are left, and those that
      are not, `failed` and whoever has a score that is not finite.

    """
    test = tested.table
    with detection.anomaly_maps(config, trainer, test) as maps:
        scores, rate = _scores(config, trainer, variables, test, maps)
        left, failed = _left(trainer, scores, failed)
        scores = {name: value[left] for name, value in scores.items()}
        members = [trainer.settings[p] for p in left]
        classes = [m["data.normal_class"] for m in members]
        anomalous, counted, choice = tested.anomalous[left], tested.counted[left], None
        if config.image_score == ORACLE:
            ordered = {name: scores[name] for name in trainer.method.image_scores}
            choice = choose(ordered, anomalous, counted, [m["seed"] for m in members])
            scores[ORACLE] = choice.pick(scores)
            counted = counted & ~choice.chose
        aurocs = _aurocs(scores, anomalous, counted)
        detected, curves = [{}] * len(left), {}
        if datasets.is_industrial(config.data.name):
            chosen = scores[config.image_score]
            detected, curves = detection.evaluate(
                config, trainer, variables, test, maps, chosen, anomalous, left
            )
    files.write_arrays(
        trainer.workdir / "scores.npz",
        {
            "label": test.label,
            "normal_class": np.array(
                [datasets.normal_label(config.data, test, c) for c in classes]
            ),
        }
        | ({} if _by_label(config) else {"anomalous": anomalous, "counted": counted})
        | {f"image_score/{name}": value for name, value in scores.items()}
        | curves,
    )
    _write_examples(config, trainer, variables, tested, left, choice)
    return {
        "method": config.method,
        "dataset": config.data.name,
        "config_hash": settings.config_hash(config),
        "image_score": config.image_score,
        "members": [
            {
                **datasets.describe_class(config.data, test, classes[p]),
                **{k: v for k, v in member.items() if k != "data.normal_class"},
                **_image_aurocs(aurocs, config.image_score, p),
                **({} if choice is None else _oracle(choice, p)),
                **detected[p],
            }
            for p, member in enumerate(members)
        ],
        "score_rate": rate,
    }, failed


def _aurocs(scores: dict[str, np.ndarray], anomalous, counted) -> dict[str, np.ndarray]:
    """The AUROC `[Q]` of each image score; none where a folder has normal images only."""
    if not anomalous.any() or anomalous.all():
        return {}

    def of_members(value: np.ndarray) -> np.ndarray:
        rows = zip(value, anomalous, counted, strict=True)
        return np.concatenate([auroc(v[own][None], kind[own][None]) for v, kind, own in rows])

    return {name: of_members(value) for name, value in scores.items()}


def _by_label(config) -> bool:
    """Whether labels tell which images are anomalous, and every member is tested on all."""
    return not settings.leaves_one_out(config.data) and config.image_score != ORACLE


def _oracle(choice: Choice, row: int) -> dict:
    """What `results.json` says of a member whose image score was chosen by labels."""
    return {ORACLE: {"chosen": choice.names[row], "images": int(choice.chose[row].sum())}}


def _image_aurocs(aurocs: dict[str, np.ndarray], chosen: str, row: int) -> dict:
    if not aurocs:
        return {}
    by_score = {name: float(value[row]) for name, value in aurocs.items()}
    return {"image_auroc": by_score[chosen], "image_auroc_by_score": by_score}


def _scores(config, trainer, variables, test, maps) -> tuple[dict[str, np.ndarray], float]:
    """Image scores `[P, N]` by name, and images of all members a second; fills `maps` if wanted."""
    program = score_program(trainer.method, trainer.execution, with_maps=maps is not None)
    size = config.evaluation.batch_size
    size += -size % trainer.execution.data_devices

    def score(image):
        return jax.device_get(program(variables, image, trainer.members))

    score(test.image[np.zeros(size, int)] / np.float32(255))  # compiles
    start = time.perf_counter()
    scores = collect_scores(score, test.image, size, maps)
    rate = len(test.image) * len(trainer.settings) / (time.perf_counter() - start)
    return scores, rate


def _left(trainer, scores, failed) -> tuple[list[int], list[dict]]:
    """The members with finite scores that have not failed, and the list of all others."""
    finite = np.all([np.isfinite(value).all(-1) for value in scores.values()], 0)
    known = {failure["member"] for failure in failed}
    unsure = {"stage": "evaluation", "step": 0, "reason": "an image score is not finite"}
    failed = [
        *failed,
        *({"member": int(p), **unsure} for p in np.flatnonzero(~finite) if p not in known),
    ]
    if len(failed) == len(finite):
        raise diverged(trainer, failed)
    gone = {failure["member"] for failure in failed}
    return [p for p in range(len(finite)) if p not in gone], failed


def _write_examples(
    config, trainer, variables, tested: Tested, left, choice: Choice | None
) -> None:
    test = tested.table
    rows = choose_examples(test.label, tested.anomalous, tested.counted)
    image = test.image[rows] / np.float32(255)
    program = explain_program(trainer.method, trainer.execution)
    scores = jax.device_get(program(variables, image, trainer.members))
    arrays = {
        "image": image,
        "anomaly_map": scores.anomaly_map,
        "class_label": test.label[rows],
        "anomalous": np.take_along_axis(tested.anomalous, rows, 1),
        **({} if test.mask is None else {"mask": test.mask[rows]}),
        **(
            {"class_name": np.array(test.class_names)[test.label[rows]]}
            if datasets.is_industrial(config.data.name)
            else {}
        ),
    } | {f"reconstruction/{name}": value for name, value in scores.reconstruction.items()}
    arrays = {name: value[left] for name, value in arrays.items()}
    by_score = {name: value[left] for name, value in scores.image_score.items()}
    arrays["image_score"] = choice.pick(by_score) if choice else by_score[config.image_score]
    files.write_arrays(trainer.workdir / "examples.npz", arrays)


def _named(trainer: Trainer, failed) -> list[dict]:
    """Failures with the settings of their members, as `failed.json` has them."""
    return [trainer.settings[failure["member"]] | failure for failure in failed]


def finished_results(config, directory: str | Path) -> dict | None:
    """The results of this config's run in `directory`, if it is finished."""
    path, report = (Path(directory) / name for name in ("results.json", "report.html"))
    workdir.check(Path(directory), config)
    # The report comes last: without it, evaluation starts again (training does not).
    if not path.exists() or not report.exists():
        return None
    if report.stat().st_mtime_ns < path.stat().st_mtime_ns:
        return None
    return json.loads(path.read_text())


def _throughput(stages: list[dict], score_rate: float) -> dict:
    images = sum(s["images_per_second"] * s["train_seconds"] for s in stages)
    return {
        "train_images_per_second": images / sum(s["train_seconds"] for s in stages),
        "compile_seconds": sum(s["compile_seconds"] for s in stages),
        "score_images_per_second": score_rate,
    }


def _circumstances(execution: Execution) -> dict:
    """Versions, hardware and date of a run."""
    packages = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "tensorflow-cpu")
    device = execution.mesh.devices.flat[0]
    return {
        "versions": {
            "adjax": adjax.__version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "hardware": {
            "platform": device.platform,
            "device_kind": device.device_kind,
            "devices": execution.mesh.size,
            "processes": jax.process_count(),
            "cores": os.cpu_count(),
        },
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
