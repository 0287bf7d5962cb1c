"""What a run needs before it trains: a config that can be, data, members and devices."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from adjax import datasets, methods, settings, workdir
from adjax.errors import UserError
from adjax.evaluation import ORACLE, can_choose, windowed
from adjax.inputs import Crops, Stream
from adjax.methods import Fit, Method
from adjax.training import OF_MEMBERS, Execution, StageCache, Trainer


def create_method(config) -> Method:
    """The config's method; of patches, its score is that of whole images by sliding windows."""
    method = methods.create_method(config)
    patch = config.data.get("patch", 0)
    if not patch or patch == config.data.size:
        return method
    score = windowed(method.score, patch, config.windows.stride, config.windows.at_once)
    return dataclasses.replace(method, score=score)


def check(config, directory: Path) -> Method:
    """The config's method; raises `UserError` for what can be seen without data or devices."""
    settings.check_config(config)
    method = create_method(config)
    members = settings.members_of(config, method.dynamic)
    if len({tuple(member.items()) for member in members}) < len(members):
        raise UserError("config.members: two members are equal; give each its own seed")
    scores = (*method.image_scores, *([ORACLE] if method.oracle else ()))
    if config.image_score not in scores:
        choices = ", ".join(scores)
        raise UserError(f"config.image_score={config.image_score!r}: choose one of {choices}")
    if config.image_score == ORACLE and datasets.is_industrial(config.data.name):
        raise UserError(
            f"config.image_score={ORACLE!r} is chosen by labels of test images; a detector of "
            f"{config.data.name} decides without: choose one of {', '.join(method.image_scores)}"
        )
    workdir.check(directory, config)
    return method


def is_present(config) -> bool:
    """Whether the category of a run's industrial data set is where the config says.

    Of other sets True: they say themselves how to be prepared.
    """
    if not datasets.is_industrial(config.data.name):
        return True
    try:
        datasets.industrial_index(config.data)
    except UserError:
        return False
    return True


def create_trainer(config, method: Method, directory: Path) -> Trainer:
    """The data, members and devices of a run."""
    table = datasets.load(config.data, "train")
    members = settings.members_of(config, method.dynamic)
    execution = Execution.create(config, len(members))
    splits = [datasets.training_rows(config.data, table, member) for member in members]
    if datasets.is_industrial(config.data.name) and not all(len(s.validation) for s in splits):
        raise UserError(
            f"config.data.validation_fraction={config.data.validation_fraction}: thresholds are "
            f"chosen on held-out normal images, and of {len(table.image)} none is held out"
        )
    arrays = {
        key: np.array([m[key] for m in members], np.uint32 if key == "seed" else np.float32)
        for key in ("seed", *method.dynamic)
    }
    trainer = Trainer(
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
        crops=_crops(config),
    )
    _check_stages(method, execution, trainer.image_shape)
    return trainer


def _crops(config) -> Crops | None:
    """What `config.data.crops` says is cut out of training images."""
    if not config.data.get("crops", ""):
        return None
    name = config.data.crops
    operation = name, {**config.crops[name].to_dict(), "size": config.data.patch}
    return Crops(operation, config.data.samples)


def _check_stages(method: Method, execution: Execution, image_shape: tuple[int, ...]) -> None:
    frozen = {}
    image = jax.ShapeDtypeStruct((1, *image_shape), np.float32)
    for stage in method.stages:
        fitted = isinstance(stage, Fit)
        if not fitted and stage.batch_size % execution.data_devices:
            raise UserError(
                f"config.{stage.name}.batch_size={stage.batch_size} is not divisible by the "
                f"{execution.data_devices} devices that share a batch (config.mesh.data)"
            )
        try:
            state = jax.eval_shape(stage.init, jax.random.key(0), image)
            if not fitted:
                jax.eval_shape(stage.validate, state.variables, frozen, image)
        except (TypeError, ValueError, IndexError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise UserError(
                f"config.{stage.name} does not fit images of {image_shape}: {reason}"
            ) from error
        frozen[stage.name] = state.variables


class Tested(NamedTuple):
    """The images that the members of a run are tested on.

    Attributes:
      table: N images, those of all members.
      anomalous: bool `[P, N]`, which are anomalous for a member.
      counted: bool `[P, N]`, which a member is tested on; all, unless each has a split of its own.

    """

    table: datasets.Table
    anomalous: np.ndarray
    counted: np.ndarray


def load_test(config, members: list[dict]) -> Tested:
    """The test split; where classes are told apart it must have both kinds for every member."""
    data = config.data
    table = _test_table(config, members)
    own = [datasets.test_rows(data, table, member) for member in members]
    rows = np.unique(np.concatenate(own))
    if len(rows) < len(table.label):
        table = table._replace(image=table.image[rows], label=table.label[rows])
    anomalous = np.stack(
        [datasets.is_anomalous(data, table, member["data.normal_class"]) for member in members]
    )
    found = Tested(table, anomalous, np.stack([np.isin(rows, of_member) for of_member in own]))
    if datasets.is_industrial(data.name):
        return found
    for member, kind, counted in zip(members, *found[1:], strict=True):
        if config.image_score == ORACLE and not can_choose(kind[counted]):
            raise UserError(
                f"config.data.test_split={data.test_split!r}: too few images to choose an image "
                "score by a part of them; choose a larger split"
            )
        normal = 1 - kind[counted].mean()
        if normal in (0, 1):
            label = datasets.normal_label(data, table, member["data.normal_class"])
            raise UserError(
                f"config.data.test_split={data.test_split!r} holds "
                f"{'only' if normal else 'no'} images of normal_class {label}: "
                "choose a larger split"
            )
    return found


def _test_table(config, members: list[dict]) -> datasets.Table:
    """The test split.

    An industrial set without test images is tested on the held-out normal ones of its first member:
    there is nothing to measure, but scores to choose thresholds by and examples to look at.
    """
    data = config.data
    if datasets.is_industrial(data.name):
        if datasets.has_split(data, "test"):
            return datasets.load(data, "test")
        train = datasets.load(data, "train")
        rows = datasets.training_rows(data, train, members[0]).validation
        return train._replace(
            image=train.image[rows],
            label=train.label[rows],
            path=tuple(train.path[row] for row in rows),
            held_out=train.held_out[:0],
        )
    return datasets.load(data, "test")
