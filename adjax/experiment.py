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
from adjax import datasets, reports, settings, workdir
from adjax.errors import UserError
from adjax.evaluation import auroc, choose_examples, collect_scores
from adjax.inputs import Stream, padded_batches
from adjax.methods import Method, create_method
from adjax.training import (
    OF_MEMBERS,
    Execution,
    MetricsLog,
    StageCache,
    Trainer,
    explain_program,
    score_program,
    train_stage,
)


def train_and_evaluate(
    config, directory: str | Path, *, train: bool = True, command: str = ""
) -> dict:
    """Train what `directory` still lacks of the run, evaluate it and write its report.

    Args:
      config: of the run, see `configs/`.
      directory: the run's workdir; a run that was interrupted there goes on.
      train: False: evaluate only, and refuse a run whose training is not finished.
      command: what the report tells its reader to type.

    Returns:
      The results, as written to `results.json`.

    Raises:
      UserError: for a config, data set or workdir that cannot be used.
      DivergedError: if training meets a value that is not finite.

    """
    directory = Path(directory)
    method = check(config, directory)
    trainer = create_trainer(config, method, directory)
    test = _load_test(config, trainer)
    workdir.claim(directory, config)

    if not train:
        trainer.check_finished()

    variables, stages = {}, []
    with MetricsLog(directory, trainer.labels) as log:
        for index, stage in enumerate(method.stages):
            variables[stage.name], record = train_stage(trainer, index, variables, log)
            stages.append(record)

    results = evaluate(config, trainer, variables, test)
    results |= {"stages": stages, "throughput": _throughput(stages, results.pop("score_rate"))}
    results |= _circumstances(trainer.execution) | {"command": command}
    workdir.write_json(directory / "results.json", results)
    reports.write_report(directory)
    return results


def check(config, directory: Path) -> Method:
    """The config's method; raises `UserError` for what can be seen without data or devices."""
    settings.check_config(config)
    method = create_method(config)
    settings.members_of(config, method.dynamic)
    workdir.check(directory, config)
    return method


def create_trainer(config, method: Method, directory: Path) -> Trainer:
    """The data, members and devices of a run."""
    table = datasets.load_table(config.data.name, config.data.train_split, config.data.dir)
    if config.image_score not in method.image_scores:
        choices = ", ".join(method.image_scores)
        raise UserError(f"config.image_score={config.image_score!r}: choose one of {choices}")
    members = settings.members_of(config, method.dynamic)
    execution = Execution.create(config, len(members))
    _check_members(members)
    _check_stages(method, execution, table.image.shape[1:])
    splits = [
        datasets.one_class_split(
            table.label,
            datasets.resolve_class(table, member["data.normal_class"]),
            config.data.validation_fraction,
            member["seed"],
        )
        for member in members
    ]
    arrays = {
        key: np.array([m[key] for m in members], np.uint32 if key == "seed" else np.float32)
        for key in ("seed", *method.dynamic)
    }
    return Trainer(
        method=method,
        execution=execution,
        members=execution.put(arrays, OF_MEMBERS),
        settings=members,
        image=table.image,
        streams=[
            Stream(split.train, member["seed"])
            for split, member in zip(splits, members, strict=True)
        ],
        validation_rows=[split.validation for split in splits],
        log_every=config.log_every,
        checkpoint_every=config.checkpoint_every,
        select=config.select,
        workdir=directory,
        stage_hashes={
            stage.name: [settings.stage_hash(config, stage, member) for member in members]
            for stage in method.stages
        },
        cache=StageCache(config.stage_cache) if config.stage_cache else None,
    )


def _check_members(members: list[dict]) -> None:
    distinct = {tuple(member.items()) for member in members}
    if len(distinct) < len(members):
        raise UserError("config.members: two members are equal; give each its own seed")


def _check_stages(method: Method, execution: Execution, image_shape: tuple[int, ...]) -> None:
    frozen = {}
    image = jax.ShapeDtypeStruct((1, *image_shape), np.float32)
    for stage in method.stages:
        if stage.batch_size % execution.data_devices:
            raise UserError(
                f"config.{stage.name}.batch_size={stage.batch_size} is not divisible by the "
                f"{execution.data_devices} devices that share a batch (config.mesh.data)"
            )
        try:
            state = jax.eval_shape(stage.init, jax.random.key(0), image)
            jax.eval_shape(stage.validate, state.variables, frozen, image)
        except (TypeError, ValueError, IndexError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise UserError(
                f"config.{stage.name} does not fit images of {image_shape}: {reason}"
            ) from error
        frozen[stage.name] = state.variables


def _load_test(config, trainer: Trainer) -> datasets.Table:
    """The test split, which must hold normal and anomalous images for every member."""
    test = datasets.load_table(config.data.name, config.data.test_split, config.data.dir)
    for member in trainer.settings:
        normal = (test.label == member["data.normal_class"]).mean()
        if normal in (0, 1):
            raise UserError(
                f"config.data.test_split={config.data.test_split!r} holds "
                f"{'only' if normal else 'no'} images of normal_class "
                f"{member['data.normal_class']}: choose a larger split"
            )
    return test


def evaluate(config, trainer: Trainer, variables: dict, test: datasets.Table) -> dict:
    """Score the whole test split; writes `scores.npz` and `examples.npz`, returns results."""
    program = score_program(trainer.method, trainer.execution)
    size = config.evaluation.batch_size
    size += -size % trainer.execution.data_devices

    def score(image, number):
        return jax.device_get(program(variables, image, trainer.members, number))

    first, _ = next(padded_batches(np.arange(len(test.image)), size))
    score(test.image[first] / np.float32(255), 0)  # compiles
    start = time.perf_counter()
    scores = collect_scores(score, test.image, size)
    rate = len(test.image) * len(trainer.settings) / (time.perf_counter() - start)

    normal_class = np.array([m["data.normal_class"] for m in trainer.settings])
    anomalous = test.label != normal_class[:, None]
    aurocs = {name: auroc(value, anomalous) for name, value in scores.items()}
    workdir.write_arrays(
        trainer.workdir / "scores.npz",
        {"label": test.label, "normal_class": normal_class}
        | {f"image_score/{name}": value for name, value in scores.items()},
    )
    _write_examples(config, trainer, variables, test, normal_class)
    return {
        "method": config.method,
        "dataset": config.data.name,
        "config_hash": settings.config_hash(config),
        "image_score": config.image_score,
        "members": [
            {
                "normal_class": int(normal_class[p]),
                "class_name": test.class_names[normal_class[p]],
                **{k: v for k, v in member.items() if k != "data.normal_class"},
                "image_auroc": float(aurocs[config.image_score][p]),
                "image_auroc_by_score": {name: float(value[p]) for name, value in aurocs.items()},
            }
            for p, member in enumerate(trainer.settings)
        ],
        "score_rate": rate,
    }


def _write_examples(config, trainer, variables, test, normal_class) -> None:
    rows = choose_examples(test.label, normal_class)
    image = test.image[rows] / np.float32(255)
    program = explain_program(trainer.method, trainer.execution)
    scores = jax.device_get(program(variables, image, trainer.members))
    workdir.write_arrays(
        trainer.workdir / "examples.npz",
        {
            "image": image,
            "anomaly_map": scores.anomaly_map,
            "image_score": scores.image_score[config.image_score],
            "class_label": test.label[rows],
            "anomalous": test.label[rows] != normal_class[:, None],
        }
        | {f"reconstruction/{name}": value for name, value in scores.reconstruction.items()},
    )


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
            "cores": os.cpu_count(),
        },
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
