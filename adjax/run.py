"""A run: made once, before anything is trained, and read by all that follows."""

import dataclasses
import functools
import math
import sys
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from adjax import methods, provenance, workdir
from adjax.config import identity
from adjax.config.layout import Settings, check
from adjax.corruptions import device_function
from adjax.datasets.tasks import Task, Tested
from adjax.errors import UserError
from adjax.evaluation.oracle import ORACLE, can_choose
from adjax.inputs import Crops, Stream, changes, fixed_crops
from adjax.methods.stage import Fit, Method
from adjax.provenance import Provenance
from adjax.settings import as_dict
from adjax.training import (
    OF_MEMBERS,
    Execution,
    Members,
    Population,
    StageCache,
    TrainingImages,
    check_finished,
    device_memory,
)
from adjax.training.estimates import least_bytes

_CHANNELS = 256  # at the size of the image: hardly any network has more
_SAMPLE = 16  # training images that a change of them is tried on
_TABLE = 0.25  # of a device's memory, for the images that lie there


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, ready to be trained.

    Attributes:
      config: as it is written to `config.json`.
      settings: the same, typed.
      provenance: the training images and what is known of them.
      population: who trains, on which images and devices.
      tested: the images that the members are tested on.

    """

    config: dict
    settings: Settings
    provenance: Provenance
    population: Population
    tested: Tested

    @property
    def task(self) -> Task:
        """The protocol: what is trained on, what counts as anomalous."""
        return self.provenance.task

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.population.folder

    @property
    def method(self) -> Method:
        """The method; its score is that of whole images."""
        return self.population.method

    @property
    def execution(self) -> Execution:
        """Devices and program form."""
        return self.population.execution

    @property
    def members(self) -> Members:
        """The members that are trained."""
        return self.population.members


def prepare(
    config: ConfigDict,
    folder: str | Path,
    method: Method | None = None,
    *,
    train: bool = True,
    accept_changed_data: bool = False,
) -> Run:
    """Make the run of a config, and `folder` its own.

    Args:
      config: a `ConfigDict`, see `configs/`.
      folder: of the run; it may hold an interrupted run of the same config.
      method: the config's, where it is made already: runs of one method object share programs.
      train: False: the run must be trained already.
      accept_changed_data: go on though its images changed since training began.

    Raises:
      UserError: for a config, data set or folder that cannot be used.

    """
    folder = Path(folder)
    settings, checked = check_run(config, folder)
    method = method or checked
    if not train:
        check_finished(method, folder)
    members = identity.members_of(settings, method.dynamic)
    images = provenance.load(
        settings, method, members, folder, train=train, accept=accept_changed_data
    )
    run = Run(
        config=identity.as_json(config),
        settings=settings,
        provenance=images,
        population=make_population(settings, method, folder, images),
        tested=load_tested(settings, images.task, members, images.splits[0].validation),
    )
    workdir.claim(folder, run.config)
    workdir.write_data(folder, images.record)
    return run


def check_run(config: ConfigDict, folder: Path) -> tuple[Settings, Method]:
    """Return a config's settings and method, checked as far as that needs no data."""
    settings = check(config)
    method = build_method(settings)
    identity.members_of(settings, method.dynamic)
    score, scores = settings.image_score, method.image_scores
    choices = (*scores, ORACLE) if method.oracle else scores
    if score not in choices:
        raise UserError(f"config.image_score={score!r}: choose one of {', '.join(choices)}")
    if score == ORACLE and settings.data.decides:
        raise UserError(
            f"config.image_score={ORACLE!r} is chosen by labels of test images; a detector of "
            f"{settings.data.name} decides without: choose one of {', '.join(scores)}"
        )
    if settings.input == "device":
        _check_device_forms(settings, method)
    workdir.check(folder, settings)
    return settings, method


def _check_device_forms(settings: Settings, method: Method) -> None:
    """Raise `UserError` for a change of images that only tf.data makes."""
    crops = _crops(settings)
    operations = [("crops", crops and crops.operation)]
    for stage in method.stages:
        if not isinstance(stage, Fit):
            operations += [("auxiliary", stage.auxiliary), ("corruption", stage.corruption)]
    for kind, operation in operations:
        if operation is not None and device_function(kind, operation[0]) is None:
            raise UserError(
                f"config.{kind}.{operation[0]} is made by tf.data only: give input='tfdata', not "
                "'device'"
            )


def build_method(settings: Settings) -> Method:
    """Build the method of a run, for whole images; of those that are judged, maps are smoothed."""
    method = methods.build(settings.method, settings.sections)
    if not settings.data.decides:
        return method
    from adjax.evaluation import smoothing, windows  # here: most runs have classes

    score = method.score
    if settings.data.window:
        own = settings.windows
        score = windows.windowed(score, settings.data.window, own.stride, own.at_once)
    score = smoothing.with_map_scores(score, settings.maps.sigma, settings.maps.top)
    scores = (*method.image_scores, *smoothing.SCORES)
    return dataclasses.replace(method, score=score, image_scores=scores)


def make_population(
    settings: Settings, method: Method, folder: Path, images: Provenance | None = None
) -> Population:
    """Put the members of a run and its training images on the devices.

    Args:
      settings: of the run.
      method: of the run.
      folder: for its checkpoints.
      images: the training images, see `provenance.load`; None: those of a new run.

    """
    members = identity.members_of(settings, method.dynamic)
    images = images or provenance.load(settings, method, members)
    table, splits = images.table, images.splits
    content = images.content if settings.data.named_by_content else ""
    execution = Execution.create(settings, len(members))
    is_shared = settings.stage_cache and not images.is_mixed
    arrays = {
        key: np.array([m[key] for m in members], np.uint32 if key == "seed" else np.float32)
        for key in ("seed", *method.dynamic)
    }
    streams = [
        Stream(split.train, member["seed"]) for split, member in zip(splits, members, strict=True)
    ]
    on_device = settings.input == "device" and _fits(table.image, streams)
    population = Population(
        method=method,
        execution=execution,
        members=Members(
            settings=members,
            arrays=execution.put(arrays, OF_MEMBERS),
            owners=[str(Path(folder).absolute())] * len(members),
        ),
        images=TrainingImages(
            table=table.image,
            streams=streams,
            validation_rows=[split.validation for split in splits],
            crops=_crops(settings),
            on_device=on_device,
        ),
        folder=Path(folder),
        content=images.content,
        hashes=hashes_of(settings, method, content),
        cache=StageCache(settings.stage_cache) if is_shared else None,
        log_every=settings.log_every,
        checkpoint_every=settings.checkpoint_every,
        checkpoint_minutes=settings.checkpoint_minutes,
        select=settings.select,
        steps_per_dispatch=(settings.steps_per_dispatch or settings.log_every) if on_device else 1,
    )
    _check_stages(population, settings.evaluation.batch_size)
    _check_changes(population)
    return population


def _fits(image, streams: list[Stream]) -> bool:
    """Return whether the images of a run can lie on the device; say so if they cannot."""
    if not isinstance(image, np.ndarray):
        _say("config.input='device': the images are read from files: tf.data makes the batches")
        return False
    count = len(np.unique(np.concatenate([stream.rows for stream in streams])))
    needed, room = count * math.prod(image.shape[1:]), int(device_memory() * _TABLE)
    if needed > room:
        _say(
            f"config.input='device': {count:,} images take {needed / 1e9:.1f} GB of a device that "
            f"has {room / 1e9:.1f} for them: tf.data makes the batches"
        )
    return needed <= room


@functools.cache
def _say(line: str) -> None:
    """Say something once, however many populations a sweep has."""
    print(line, file=sys.stderr)


def hashes_of(settings: Settings, method: Method, content: str = "") -> dict[str, list[str]]:
    """Return the names of a run's stages, one a member; `content` as in `identity.stage_hash`."""
    members = identity.members_of(settings, method.dynamic)
    return {
        stage.name: [identity.stage_hash(settings, stage, member, content) for member in members]
        for stage in method.stages
    }


def _crops(settings: Settings) -> Crops | None:
    """Return the crops that `data.crops` names."""
    data = settings.data
    if not data.crops:
        return None
    parameters = as_dict(getattr(settings.crops, data.crops)) | {"size": data.patch}
    return Crops((data.crops, parameters), data.samples)


def _check_stages(population: Population, scored: int) -> None:
    """Raise `UserError` for a stage that cannot train on such images or devices.

    So for a method that cannot score `scored` images at once.
    """
    frozen, key = {}, jax.random.key(0)
    shape, devices = population.images.shape, population.execution.data_devices
    image = jax.ShapeDtypeStruct((1, *shape), np.float32)
    for stage in population.method.stages:
        fitted = isinstance(stage, Fit)
        if not fitted and stage.batch_size % devices:
            raise UserError(
                f"config.{stage.name}.batch_size={stage.batch_size} is not divisible by the "
                f"{devices} devices that share a batch (config.mesh.data)"
            )
        try:
            state = jax.eval_shape(stage.init, key, image)
            if not fitted:
                jax.eval_shape(stage.validate, state.variables, frozen, image)
        except (TypeError, ValueError, IndexError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise UserError(
                f"config.{stage.name} does not fit images of {shape}: {reason}"
            ) from error
        if not fitted:
            size, operands = stage.batch_size // devices, (state.variables, frozen)
            _check_memory(f"{stage.name}.batch_size", size, shape, stage.validate, operands)
        frozen[stage.name] = state.variables
    # Windows, where there are any, are cut out of images of this size.
    shape = tuple(population.images.table.shape[1:])

    def score(variables, image):
        return population.method.score(variables, image, key)

    _check_memory("evaluation.batch_size", -(-scored // devices), shape, score, (frozen,))


def _check_memory(setting: str, batch_size: int, shape, program, operands: tuple) -> None:
    """Raise `UserError` for a batch that a device has no room for, whatever the compiler does.

    Only where it might be so is `program` traced, a function of `operands` and images
    `[B, H, W, C]`.
    """
    memory = device_memory()
    if 4 * batch_size * math.prod(shape[:2]) * _CHANNELS < memory:
        return
    image = jax.ShapeDtypeStruct((batch_size, *shape), np.float32)
    needed = least_bytes(jax.make_jaxpr(program)(*operands, image).jaxpr)
    if needed > memory:
        raise UserError(
            f"config.{setting}: {batch_size} images at once need at least {needed / 1e9:,.0f} GB "
            f"of a device, which has {memory / 1e9:,.0f}: lower it"
        )


def _check_changes(population: Population) -> None:
    """Raise `UserError` for auxiliary images or a corruption that are the images themselves."""
    for stage in population.method.stages:
        for kind in ("auxiliary", "corruption"):
            operation = None if isinstance(stage, Fit) else getattr(stage, kind)
            if operation is None:
                continue
            image, on_device = _sample(population.images), population.images.on_device
            if not changes(image, kind, operation, on_device):
                raise UserError(
                    f"config.{kind}.{operation[0]} leaves images of {population.images.shape} as "
                    "they are: give other values, or choose another"
                )


def _sample(images: TrainingImages) -> np.ndarray:
    """Return some images as training sees them: float32 `[n, H, W, C]` in [0, 1]."""
    rows = images.streams[0].rows
    rows = rows[:: -(-len(rows) // _SAMPLE)]
    return fixed_crops(images.table[rows], rows, images.crops, images.on_device)


def load_tested(
    settings: Settings, task: Task, members: list[dict], held_out: np.ndarray | None = None
) -> Tested:
    """Load the test images of a run's members; raise `UserError` if they cannot tell how good.

    Args:
      settings: of the run.
      task: of the run.
      members: its members.
      held_out: see `Task.tested`.

    """
    tested = task.tested(members, held_out)
    if settings.image_score == ORACLE and not all(
        can_choose(kind[counted])
        for kind, counted in zip(tested.anomalous, tested.counted, strict=True)
    ):
        raise UserError(
            f"config.data.test_split={settings.data.test_split!r}: too few images to choose an "
            "image score by a part of them; choose a larger split"
        )
    return tested
