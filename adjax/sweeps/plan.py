"""From `sweep(add)` in a config file to the least work that its runs ask for.

Runs become members of stages. A member is named by a hash of all that its training depends on, so
members that runs share are there once. Members of a stage whose configs differ in dynamic values
only (seed, normal class, learning rates ...) form populations, each one program:

    runs -> trainings (a stage, a population), teachers before students -> evaluations
"""

import dataclasses
import importlib.util
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from adjax import preparation, settings
from adjax.errors import UserError
from adjax.methods import Method
from adjax.preparation import create_method
from adjax.training import Estimate, estimate


class PlannedRun(NamedTuple):
    """One run of a sweep: a name, unique in the sweep, and its config."""

    name: str
    config: ConfigDict


@dataclasses.dataclass(frozen=True)
class Training:
    """Members of one stage that train together, unless the stage cache has them.

    Attributes:
      config: of the population; `config.members` are its members.
      index: of the stage in the config's method.
      hashes: one a member, see `settings.stage_hash`.
      owners: one a member: the folder of the first run that needs it.
      earlier: the members' hashes in each earlier stage, `[index][member]`.
      after: positions in the plan of what must be done before.

    """

    config: ConfigDict
    index: int
    hashes: tuple[str, ...]
    owners: tuple[str, ...]
    earlier: tuple[tuple[str, ...], ...]
    after: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Runs that share all their programs, to be scored and reported when their members are trained.

    Attributes:
      runs: of one signature, see `settings.run_signature`.
      after: positions in the plan of what must be done before.

    """

    runs: tuple[PlannedRun, ...]
    after: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Resources:
    """What a plan is made for.

    Attributes:
      memory: bytes of one device.
      devices: that one task has.
      workers: tasks at a time.
      population_axis: what "auto" means on these devices.
      max_population: members of a population, at most; 0: as many as fit.

    """

    memory: int
    devices: int = 1
    workers: int = 1
    population_axis: str = "map"
    max_population: int = 0


def expand(
    path: str, argument: str, config: ConfigDict, given: Mapping[str, Any] = {}
) -> list[PlannedRun]:
    """The runs that the config file's `sweep(add, argument)` adds.

    Args:
      path: of the config file. Its `sweep` calls `add(name, {dotted key: value, ...})` once a run;
        a third argument has values that the command line may overrule.
      argument: what followed the colon in `--config=path:argument`.
      config: what the runs' values are set in, command-line overrides included.
      given: these overrides, by dotted keys.

    Raises:
      UserError: if the file has no sweep, the sweep is empty, a key or value does not fit, or the
        command line has a value for what tells the runs apart.

    """
    spec = importlib.util.spec_from_file_location("sweep_config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "sweep"):
        raise UserError(f"{path} declares no sweep(add, argument)")
    runs: dict[str, PlannedRun] = {}

    def add(name: str, values: dict[str, Any], usual: Mapping[str, Any] = {}) -> None:
        if name in runs:
            raise UserError(f"{path}: the sweep has two runs named {name!r}")
        if not name or any(not part or part.startswith(".") for part in name.split("/")):
            raise UserError(f"{path}: run {name!r} of the sweep: its name must be that of a folder")
        copy = config.copy_and_resolve_references().lock()
        try:
            copy.update_from_flattened_dict({k: v for k, v in usual.items() if k not in given})
            copy.update_from_flattened_dict(values)
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise UserError(f"{path}: run {name!r} of the sweep: {reason}") from error
        for key, wanted in given.items():
            if key in values and values[key] != wanted:
                raise UserError(
                    f"--config.{key}={wanted}: run {name!r} of the sweep is the one with "
                    f"{values[key]!r}; leave the flag out, or choose by the argument after {path}:"
                )
        runs[name] = PlannedRun(name, copy)

    try:
        module.sweep(add, argument)
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: its sweep cannot be made: {error}") from error
    if not runs:
        raise UserError(f"{path}: its sweep has no runs for the argument {argument!r}")
    return list(runs.values())


def shard_of(runs: Sequence[PlannedRun], shard: tuple[int, int]) -> list[PlannedRun]:
    """Part i of n of the runs, `shard = (i, n)`: equal parts, runs that share a teacher adjoining.

    A teacher that two shards need is trained by the first that comes to it.
    """
    number, count = shard
    if count > len(runs):
        raise UserError(f"--shard={number}/{count}: the sweep has {len(runs)} runs only")
    teachers = {run.name: tuple(_hashes(run)[0]) for run in runs}
    order = list(dict.fromkeys(teachers.values()))
    ordered = sorted(runs, key=lambda run: order.index(teachers[run.name]))
    return ordered[len(runs) * number // count : len(runs) * (number + 1) // count]


def with_cache(runs: Sequence[PlannedRun], directory: Path) -> list[PlannedRun]:
    """The runs with a stage cache: `config.stage_cache`, or `directory/.stages`."""
    for run in runs:
        run.config.stage_cache = run.config.stage_cache or str(directory / ".stages")
    return list(runs)


def split_absent(runs: Sequence[PlannedRun]) -> tuple[list[PlannedRun], list[str]]:
    """The runs whose data are here, and the names of the categories that are not.

    All runs are kept if the data of none are here, so that a check says what is wrong.
    """
    absent = [run for run in runs if not preparation.is_present(run.config)]
    if len(absent) == len(runs):
        return list(runs), []
    categories = dict.fromkeys(run.config.data.normal_class for run in absent)
    return [run for run in runs if run not in absent], list(categories)


def check_runs(runs: Sequence[PlannedRun], directory: Path) -> None:
    """Raise `UserError` for the first run that cannot be, before anything is trained."""
    for run in runs:
        try:
            method = preparation.check(run.config, directory / run.name)
            preparation.load_test(run.config, settings.members_of(run.config, method.dynamic))
        except UserError as error:
            raise UserError(f"run {run.name!r} of the sweep: {error}") from error


def make_plan(
    runs: Sequence[PlannedRun], directory: Path, resources: Resources
) -> list[Training | Evaluation]:
    """All that runs need, in an order in which it can be done; what is done already included.

    So the populations of a sweep are the same whenever it is planned, and one that was interrupted
    is taken up with the members it had.
    """
    plan: list[Training | Evaluation] = []
    position: dict[str, int] = {}  # of the training of a member, by hash
    for index in range(max(len(method_of(run.config).stages) for run in runs)):
        for members in _groups(runs, directory, index):
            plan += _trainings(members, index, position, resources, start=len(plan))
    groups: dict[str, list[PlannedRun]] = {}
    for run in runs:
        last = [position[name] for name in _hashes(run)[-1]]
        signature = settings.run_signature(run.config, method_of(run.config).dynamic)
        groups.setdefault(f"{last} {signature}", []).append(run)
    for group in groups.values():
        for part in _parts(group, len(group), resources.workers):
            needs = {position[name] for run in part for name in _hashes(run)[-1]}
            plan.append(Evaluation(tuple(part), tuple(sorted(needs))))
    return plan


class _Member(NamedTuple):
    """One member of one stage."""

    name: str  # its hash
    owner: str
    settings: dict[str, Any]
    earlier: tuple[str, ...]  # its hashes in earlier stages
    config: ConfigDict  # of the run that it was met in first


def _groups(runs, directory: Path, index: int) -> list[list[_Member]]:
    """The distinct members of a stage, by what they have in common."""
    groups: dict[str, dict[str, _Member]] = {}
    for run in runs:
        method = method_of(run.config)
        if index >= len(method.stages):
            continue
        hashes = _hashes(run)
        signature = settings.stage_signature(run.config, method.stages[index], method.dynamic)
        group = groups.setdefault(signature, {})
        owner = str((directory / run.name).absolute())
        for row, member in enumerate(settings.members_of(run.config, method.dynamic)):
            name, earlier = hashes[index][row], tuple(h[row] for h in hashes[:index])
            group.setdefault(name, _Member(name, owner, member, earlier, run.config))
    return [list(group.values()) for group in groups.values()]


def _trainings(members, index, position, resources, start) -> list[Training]:
    """The populations of one group of members; enters them into `position`."""
    config = members[0].config
    method = method_of(config)
    on_members = config.mesh.member or max(1, resources.devices // (config.mesh.data or 1))
    most = resources.max_population or len(members)
    if len(members) > on_members:
        axis = config.population_axis
        axis = resources.population_axis if axis == "auto" else axis
        need = estimate_stage(config, index)
        most = min(most, need.largest_population(resources.memory, axis) * on_members)
    trainings = []
    for part in _parts(members, most, resources.workers, on_members):
        own = [{k: m.settings[k] for k in settings.varying(config, method.dynamic)} for m in part]
        needs = {position[name] for member in part for name in member.earlier}
        position |= {member.name: start + len(trainings) for member in part}
        trainings.append(
            Training(
                config=_with_members(config, own),
                index=index,
                hashes=tuple(member.name for member in part),
                owners=tuple(member.owner for member in part),
                earlier=tuple(zip(*(member.earlier for member in part), strict=True)),
                after=tuple(sorted(needs)),
            )
        )
    return trainings


def estimate_stage(config: ConfigDict, index: int) -> Estimate:
    """What one member of a stage needs."""
    alone = _with_members(config, [])
    alone.mesh.update(member=1, data=1)
    return estimate(preparation.create_trainer(alone, method_of(config), Path()), index)


def members_only(config: ConfigDict, rows: Sequence[int]) -> ConfigDict:
    """The config of some members of a population."""
    return _with_members(config, [config.members[row] for row in rows])


def _with_members(config: ConfigDict, members: list[dict]) -> ConfigDict:
    config = config.copy_and_resolve_references()
    config.members = tuple(members)
    if members and config.mesh.member:  # a mesh axis given for more members than there are now
        config.mesh.member = math.gcd(config.mesh.member, len(members))
    return config


def _parts(items: Sequence, most: int, workers: int, unit: int = 1) -> list[Sequence]:
    """Parts of about equal size: at most `most` items, in multiples of `unit`, for all workers."""
    units = -(-len(items) // unit)
    count = max(-(-units // max(1, most // unit)), min(workers, units))
    bounds = [unit * (units * i // count) for i in range(count + 1)]
    return [items[a:b] for a, b in itertools.pairwise(bounds)]


def _hashes(run: PlannedRun) -> list[list[str]]:
    """The run's member hashes, `[stage][member]`."""
    method = method_of(run.config)
    members = settings.members_of(run.config, method.dynamic)
    return [
        [settings.stage_hash(run.config, stage, member) for member in members]
        for stage in method.stages
    ]


_METHODS: dict[str, Method] = {}


def method_of(config: ConfigDict) -> Method:
    """The config's method; the same object for runs of one signature, so that they share programs.

    Dynamic values may differ: they reach a method's functions as arrays.
    """
    method = create_method(config)
    return _METHODS.setdefault(settings.run_signature(config, method.dynamic), method)
