"""From the runs of a sweep to the least work that they need.

Runs become members of stages. A member is named by a hash of everything its training depends on, so
members that runs share appear once. Members of a stage whose configs differ only in dynamic values
(seed, normal class, learning rates ...) form populations, each of which is one program:

    runs -> trainings (a stage, a population), teachers before students -> evaluations
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from adjax import provenance, workdir
from adjax.config import identity
from adjax.config.layout import Settings, check
from adjax.datasets.tasks import create_task
from adjax.errors import DataError, UserError
from adjax.methods.stage import Method
from adjax.run import build_method, check_run, hashes_of, load_tested, make_population
from adjax.sweeps.expand import PlannedRun
from adjax.training.estimates import Estimate, estimate
from adjax.training.members_axis import chosen_axis


@dataclasses.dataclass(frozen=True)
class Training:
    """Members of one stage that train together, unless the stage cache has them.

    Attributes:
      config: config of the population; `config.members` are its members.
      index: index of the stage in the config's method.
      content: digest of the images that the hashes go by; empty if they do not.
      hashes: stage hash of each member, see `identity.stage_hash`.
      owners: for each member, the folder of the first run that needs it.
      earlier: the members' hashes in each earlier stage, `[index][member]`.
      after: positions in the plan of the tasks that must be done before.
      until: the step to train to; 0: the stage's last.
      since: for each member the entry of the cache to go on from, see `train_stage`.

    """

    config: ConfigDict
    index: int
    content: str
    hashes: tuple[str, ...]
    owners: tuple[str, ...]
    earlier: tuple[tuple[str, ...], ...]
    after: tuple[int, ...]
    until: int = 0
    since: tuple[str, ...] = ()

    @functools.cached_property
    def settings(self) -> Settings:
        """The config, typed."""
        return check(self.config)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Runs that share all their programs, to be scored and reported when their members are trained.

    Attributes:
      runs: runs of one signature, see `identity.run_signature`.
      after: positions in the plan of the tasks that must be done before.

    """

    runs: tuple[PlannedRun, ...]
    after: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Resources:
    """Resources that a plan is made for.

    Attributes:
      memory: bytes of one device.
      devices: devices of one task.
      workers: tasks at a time.
      max_population: most members of a population; 0: as many as fit.

    """

    memory: int
    devices: int = 1
    workers: int = 1
    max_population: int = 0


def shard_of(runs: Sequence[PlannedRun], shard: tuple[int, int]) -> list[PlannedRun]:
    """Return part i of n of the runs, `shard = (i, n)`; runs that share a teacher are neighbours.

    A teacher that two shards need is trained by whichever reaches it first.
    """
    number, count = shard
    if count > len(runs):
        raise UserError(f"--shard={number}/{count}: the sweep has {len(runs)} runs only")
    teachers = {run.name: tuple(_wanted(run).hashes[0]) for run in runs}  # whatever the data
    place = {teacher: n for n, teacher in enumerate(dict.fromkeys(teachers.values()))}
    ordered = sorted(runs, key=lambda run: place[teachers[run.name]])
    return ordered[len(runs) * number // count : len(runs) * (number + 1) // count]


def split_absent(runs: Sequence[PlannedRun]) -> tuple[list[PlannedRun], list[str]]:
    """Return the runs whose data are present, and the names of the missing categories.

    If no data are present all runs are kept, so that a check can say what is wrong.
    """
    absent = [run for run in runs if not create_task(run.settings.data).is_present()]
    if len(absent) == len(runs):
        return list(runs), []
    categories = dict.fromkeys(run.config.data.normal_class for run in absent)
    return [run for run in runs if run not in absent], list(categories)


def check_runs(runs: Sequence[PlannedRun], directory: Path) -> dict[str, str]:
    """Return the runs whose data cannot be used, and why: name -> reason; nothing is trained yet.

    Raises:
      UserError: for the first run that is impossible whatever its files hold, or if the data of no
        run can be used.

    """
    methods, broken = {}, {}
    by_data: dict[Any, list[PlannedRun]] = {}  # read together, as tables are kept for a while only
    for run in runs:
        with run.named():
            methods[run.name] = check_run(run.config, directory / run.name)[1]
        by_data.setdefault(run.settings.data, []).append(run)
    for data, of_data in by_data.items():
        try:
            create_task(data).verify()
        except DataError as error:
            broken |= {run.name: str(error) for run in of_data}
            continue
        except UserError as error:
            raise of_data[0].wrong(error) from error
        for run in of_data:
            with run.named():
                folder, method = directory / run.name, methods[run.name]
                members = identity.members_of(run.settings, method.dynamic)
                load_tested(run.settings, create_task(data), members)
                if workdir.finished_results(run.config, folder) is None:
                    provenance.check(run.settings, method, folder)
    if len(broken) == len(runs):
        raise runs[0].wrong(broken[runs[0].name])
    return broken


def make_plan(
    runs: Sequence[PlannedRun], directory: Path, resources: Resources
) -> list[Training | Evaluation]:
    """Return all tasks of the runs in an executable order, finished ones included.

    So the populations of a sweep are the same whenever it is planned, and an interrupted one is
    resumed with the members it had. Runs that were finished on other images than those of today
    stay as they are: nothing of theirs is trained.
    """
    plan: list[Training | Evaluation] = []
    position: dict[str, int] = {}  # hash of a member -> position of its training
    everything = [_wanted(run, directory) for run in runs if not _is_outdated(run, directory)]
    for index in range(max((len(wanted.method.stages) for wanted in everything), default=0)):
        for members in _groups(everything, directory, index):
            plan += _trainings(members, index, position, resources, start=len(plan))
    groups: dict[str, list[_Wanted]] = {}
    for wanted in everything:
        last = [position[name] for name in wanted.hashes[-1]]
        signature = identity.run_signature(wanted.run.settings, wanted.method.dynamic)
        groups.setdefault(f"{last} {signature}", []).append(wanted)
    for group in groups.values():
        for part in _parts(group, len(group), resources.workers):
            needs = {position[name] for wanted in part for name in wanted.hashes[-1]}
            plan.append(Evaluation(tuple(w.run for w in part), tuple(sorted(needs))))
    return plan


class _Wanted(NamedTuple):
    """A run and what planning asks of it, again and again."""

    run: PlannedRun
    method: Method
    members: list[dict[str, Any]]
    content: str  # of its training images, by which they are named
    hashes: list[list[str]]  # of the members, `[stage][member]`


def _wanted(run: PlannedRun, directory: Path | None = None) -> _Wanted:
    """Return what a run needs; without the sweep's folder, names are not of what data hold."""
    settings, method = run.settings, method_of(run.settings)
    members = identity.members_of(settings, method.dynamic)
    content = ""
    if directory is not None:
        content = provenance.content_of(settings, method, directory / run.name)
    hashes = hashes_of(settings, method, content)
    return _Wanted(run, method, members, content, [*hashes.values()])


def last_names(run: PlannedRun, directory: Path) -> list[str]:
    """Return the names in the stage cache of a run's last stage, one a member."""
    return _wanted(run, directory).hashes[-1]


def _is_outdated(run: PlannedRun, directory: Path) -> bool:
    """Return whether a run is finished, and its images are others now."""
    folder = directory / run.name
    content = provenance.content_of(run.settings, method_of(run.settings), folder)
    if not content or workdir.finished_results(run.config, folder) is None:
        return False
    return content != create_task(run.settings.data).contents().digest


class _Member(NamedTuple):
    """One member of one stage."""

    name: str  # its hash
    owner: str
    settings: dict[str, Any]
    content: str
    earlier: tuple[str, ...]  # its hashes in earlier stages
    config: ConfigDict  # of the first run that has it


def _groups(everything: list[_Wanted], directory: Path, index: int) -> list[list[_Member]]:
    """Return the distinct members of a stage, grouped by their signature and their images."""
    groups: dict[tuple[str, str], dict[str, _Member]] = {}
    for run, method, members, content, hashes in everything:
        if index >= len(method.stages):
            continue
        signature = identity.stage_signature(run.settings, method.stages[index], method.dynamic)
        group = groups.setdefault((signature, content), {})
        owner = str((directory / run.name).absolute())
        for row, member in enumerate(members):
            name, earlier = hashes[index][row], tuple(h[row] for h in hashes[:index])
            group.setdefault(name, _Member(name, owner, member, content, earlier, run.config))
    return [list(group.values()) for group in groups.values()]


def _trainings(members, index, position, resources, start) -> list[Training]:
    """Return the populations of one group of members, and enter them into `position`."""
    config = members[0].config
    settings = check(config)
    on_members = config.mesh.member or max(1, resources.devices // (config.mesh.data or 1))
    most = resources.max_population or len(members)
    if len(members) > on_members:
        axis = chosen_axis(config.population_axis)
        need = estimate_stage(config, index)
        most = min(most, need.largest_population(resources.memory, axis) * on_members)
    trainings = []
    varying = identity.varying(settings, method_of(settings).dynamic)
    for part in _parts(members, most, resources.workers, on_members):
        # A member of another method's run may lack keys of later stages of this one.
        own = [{k: m.settings[k] for k in varying if k in m.settings} for m in part]
        needs = {position[name] for member in part for name in member.earlier}
        position |= {member.name: start + len(trainings) for member in part}
        trainings.append(
            Training(
                config=_with_members(config, own),
                index=index,
                content=part[0].content,
                hashes=tuple(member.name for member in part),
                owners=tuple(member.owner for member in part),
                earlier=tuple(zip(*(member.earlier for member in part), strict=True)),
                after=tuple(sorted(needs)),
            )
        )
    return trainings


def estimate_stage(config: ConfigDict, index: int) -> Estimate:
    """Estimate the needs of one member of a stage; those of a signature have the same."""
    alone = _with_members(config, [])
    alone.mesh.update(member=1, data=1)
    settings = check(alone)
    key = identity.run_signature(settings, ()), index
    if key not in _ESTIMATES:
        population = make_population(settings, method_of(check(config)), Path())
        _ESTIMATES[key] = estimate(population, index)
    return _ESTIMATES[key]


_ESTIMATES: dict[tuple[str, int], Estimate] = {}


def members_only(config: ConfigDict, rows: Sequence[int]) -> ConfigDict:
    """Return the config of some members of a population."""
    return _with_members(config, [config.members[row] for row in rows])


def _with_members(config: ConfigDict, members: list[dict]) -> ConfigDict:
    config = config.copy_and_resolve_references()
    config.members = tuple(members)
    if members and config.mesh.member:  # the axis may have been set for more members
        config.mesh.member = math.gcd(config.mesh.member, len(members))
    return config


def _parts(items: Sequence, most: int, workers: int, unit: int = 1) -> list[Sequence]:
    """Split items into similar parts of at most `most`, in multiples of `unit`, for all workers."""
    units = -(-len(items) // unit)
    count = max(-(-units // max(1, most // unit)), min(workers, units))
    bounds = [unit * (units * i // count) for i in range(count + 1)]
    return [items[a:b] for a, b in itertools.pairwise(bounds)]


_METHODS: dict[str, Method] = {}
_METHODS_OF_RUNS: dict[str, Method] = {}


def method_of(settings: Settings) -> Method:
    """Return the method of a run, one object for runs of one signature: they share programs.

    Dynamic values may differ: they reach a method's functions as arrays. A method is built once for
    runs that differ in nothing but their seed and data.
    """
    own = identity.run_signature(settings, ())
    if own not in _METHODS_OF_RUNS:
        method = build_method(settings)
        signature = identity.run_signature(settings, method.dynamic)
        _METHODS_OF_RUNS[own] = _METHODS.setdefault(signature, method)
    return _METHODS_OF_RUNS[own]
