"""What commands and the library have in common: what is left of a run or a sweep is done."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ml_collections import ConfigDict

from adjax import workdir
from adjax.config.layout import check
from adjax.console import say, say_failed, show_sweep
from adjax.errors import UserError
from adjax.sweeps.expand import PlannedRun, expand, under_former_names, with_cache

if TYPE_CHECKING:  # each is imported by what uses it
    from adjax.sweeps.inline import InlineEngine
    from adjax.sweeps.on_ray import RayEngine

    Engine: TypeAlias = InlineEngine | RayEngine


def finish_run(
    config: ConfigDict, directory: Path, command: str, accept_changed_data: bool = False
) -> bool:
    """Train, evaluate and report a run, or what is left of that.

    Args:
      config: of the run.
      directory: its folder.
      command: that was given for it.
      accept_changed_data: go on though its images changed since training began.

    Returns:
      False if it was finished already: then only a page that is missing or old is drawn.

    Raises:
      UserError: for a config, data or a folder that cannot be used.
      DivergedError: if every member meets a value that is not finite.

    """
    if workdir.finished_results(config, directory) is not None:
        from adjax import hosts, reports

        if hosts.is_first():
            reports.renew_report(directory)
        return False
    workdir.require_places(directory, [config.stage_cache])
    from adjax import experiment
    from adjax.datasets.tasks import create_task

    for doubt in create_task(check(config).data).doubts():
        say(f"note: {doubt}")
    experiment.train_and_evaluate(
        config, directory, command=command, accept_changed_data=accept_changed_data
    )
    return True


def runs_of_sweep(
    path: str, argument: str, config: ConfigDict, given: Mapping[str, Any], directory: Path
) -> list[PlannedRun]:
    """Return the runs of a sweep, checked as far as that needs no data.

    Args:
      path: the config file that declares it.
      argument: of that file.
      config: that it gives for the argument, changed by `given`.
      given: values that all its runs get, by dotted keys.
      directory: the sweep's folder.

    Raises:
      UserError: for a sweep, a key or a value that cannot be.

    """
    runs = expand(path, argument, config, given)
    runs = with_cache(under_former_names(runs, directory), directory)
    for run in runs:
        run.check()
    return runs


def require_places(runs: Sequence[PlannedRun], directory: Path) -> None:
    """Raise `UserError` if a sweep's folder, or a stage cache of its runs, is not writable."""
    workdir.require_places(directory, [run.config.stage_cache for run in runs])


class _Usable(NamedTuple):
    """Runs of a sweep whose data are here.

    Attributes:
      everything: all of the sweep's.
      own: those of the shard.
      runs: those of the shard whose data can be used.
      broken: why others cannot be done, by name.

    """

    everything: list[PlannedRun]
    own: list[PlannedRun]
    runs: list[PlannedRun]
    broken: dict[str, str]


def _usable(runs: Sequence[PlannedRun], directory: Path, shard: tuple[int, int]) -> _Usable:
    """Sort out the runs whose data are not here or broken, and say which."""
    from adjax.sweeps import plan

    everything, absent = plan.split_absent(runs)
    if absent:
        print(f"not here, left out: {', '.join(absent)}")
    broken = plan.check_runs(everything, directory)
    for reason in dict.fromkeys(broken.values()):
        names = [name for name, own in broken.items() if own == reason]
        print(f"broken, left out: {', '.join(names)}: {reason}", file=sys.stderr)
    own = plan.shard_of(everything, shard)
    usable = [run for run in own if run.name not in broken]
    if not usable:
        raise UserError(
            f"--shard={'/'.join(map(str, shard))}: the data of none of its runs can be used"
        )
    return _Usable(everything, own, usable, broken)


def describe_sweep(
    runs: Sequence[PlannedRun], directory: Path, engine: "Engine", shard: tuple[int, int]
) -> int:
    """Print what a sweep, or part i of n of it, would take; return the exit code."""
    from adjax.sweeps import plan
    from adjax.sweeps.describe import describe_plan

    usable = _usable(runs, directory, shard)
    with engine:
        tasks = plan.make_plan(usable.runs, directory, engine.resources)
        print(describe_plan(tasks, usable.runs, directory))
    return 1 if usable.broken else 0


def finish_sweep(
    runs: Sequence[PlannedRun],
    directory: Path,
    engine: "Engine",
    command: str,
    shard: tuple[int, int] = (0, 1),
) -> int:
    """Do what is left of a sweep's runs and report; return the exit code of the command.

    What cannot be done is told, and costs the runs that need it alone.

    Args:
      runs: all of the sweep's.
      directory: its folder.
      engine: what executes it.
      command: that was given for it.
      shard: i and n, to do part i of n.

    Raises:
      UserError: if the data of none of the runs can be used.

    """
    from adjax import reports
    from adjax.sweeps import plan, store, work

    usable = _usable(runs, directory, shard)
    with engine:
        tasks = plan.make_plan(usable.runs, directory, engine.resources)
        with store.driving(directory, shard):
            failed = engine.run(tasks, directory, command)
        broken = {
            run.name: usable.broken[run.name] for run in usable.own if run.name in usable.broken
        }
        failed = work.note_failed(usable.own, failed | broken, directory)
    if any(run.has_results(directory) for run in usable.everything):
        show_sweep(reports.read_sweep(directory))
    diverged = say_failed([directory / run.name for run in usable.runs])
    for name, reason in failed.items():
        print(f"not done: {name}: {reason}", file=sys.stderr)
    return 1 if failed else diverged
