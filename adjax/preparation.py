"""What a run needs before it trains: a config that can be, data, members and devices."""

from pathlib import Path

import jax
import numpy as np

from adjax import datasets, settings, workdir
from adjax.errors import UserError
from adjax.inputs import Stream
from adjax.methods import Method, create_method
from adjax.training import OF_MEMBERS, Execution, StageCache, Trainer


def check(config, directory: Path) -> Method:
    """The config's method; raises `UserError` for what can be seen without data or devices."""
    settings.check_config(config)
    method = create_method(config)
    members = settings.members_of(config, method.dynamic)
    if len({tuple(member.items()) for member in members}) < len(members):
        raise UserError("config.members: two members are equal; give each its own seed")
    if config.image_score not in method.image_scores:
        choices = ", ".join(method.image_scores)
        raise UserError(f"config.image_score={config.image_score!r}: choose one of {choices}")
    workdir.check(directory, config)
    return method


def create_trainer(config, method: Method, directory: Path) -> Trainer:
    """The data, members and devices of a run."""
    table = datasets.load_table(config.data.name, config.data.train_split, config.data.dir)
    members = settings.members_of(config, method.dynamic)
    execution = Execution.create(config, len(members))
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
        owners=[str(Path(directory).absolute())] * len(members),
    )


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


def load_test(config, members: list[dict]) -> datasets.Table:
    """The test split, which must hold normal and anomalous images for every member."""
    test = datasets.load_table(config.data.name, config.data.test_split, config.data.dir)
    for member in members:
        datasets.resolve_class(test, member["data.normal_class"])
        normal = (test.label == member["data.normal_class"]).mean()
        if normal in (0, 1):
            raise UserError(
                f"config.data.test_split={config.data.test_split!r} holds "
                f"{'only' if normal else 'no'} images of normal_class "
                f"{member['data.normal_class']}: choose a larger split"
            )
    return test
