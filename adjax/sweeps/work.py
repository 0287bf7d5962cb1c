"""The two kinds of work in a plan, done by whichever process an engine chose."""

import contextlib
import dataclasses
from pathlib import Path

from adjax import experiment, files, workdir
from adjax.config import identity
from adjax.config.layout import check
from adjax.errors import DivergedError
from adjax.run import make_population
from adjax.sweeps.plan import Evaluation, PlannedRun, Training, members_only, method_of
from adjax.training import MetricsLog, StageCache, cached_variables, train_stage


def perform(task: Training | Evaluation, directory: Path, command: str = "") -> None:
    """Do what is left of a task; safe to repeat, and to do from several processes at once."""
    if isinstance(task, Training):
        _train(task)
    else:
        for run in task.runs:
            _finish(run, directory, command)


def _train(task: Training) -> None:
    cache = StageCache(task.config.stage_cache)
    while cache.missing(task.hashes):
        with cache.claim(task.hashes) as claimed:
            if claimed := _without_failed(task, cache, claimed):
                _train_claimed(task, cache, claimed)
        cache.wait_for(task.hashes)
    cache.clear_stored(task.hashes)


def _without_failed(task: Training, cache: StageCache, claimed: list[str]) -> list[str]:
    """Return the members whose earlier stages did not diverge; store the failures of the others."""
    left = []
    for name in claimed:
        row = task.hashes.index(name)
        failures = filter(None, (cache.failure(hashes[row]) for hashes in task.earlier))
        if failure := next(failures, None):
            cache.store_failure(name, task.owners[row], failure)
        else:
            left.append(name)
    return left


def _train_claimed(task: Training, cache: StageCache, claimed: list[str]) -> None:
    folder, hashes = cache.workbench(task.hashes, claimed)
    rows = [task.hashes.index(name) for name in hashes]
    config = members_only(task.config, rows)
    method = method_of(task.settings)
    population = make_population(check(config), method, folder)
    owners = [task.owners[row] for row in rows]
    members = dataclasses.replace(population.members, owners=owners)
    population = dataclasses.replace(population, members=members)
    earlier = enumerate(method.stages[: task.index])
    frozen = {stage.name: cached_variables(population, index) for index, stage in earlier}
    # The cache records who diverged, and each run's folder will.
    with MetricsLog(folder, members.labels) as log, contextlib.suppress(DivergedError):
        train_stage(population, task.index, frozen, log)
    cache.clear(folder)


def _finish(run: PlannedRun, directory: Path, command: str) -> None:
    folder, lock = directory / run.name, directory / ".locks" / run.name.replace("/", ".")
    with files.locked(lock, wait=True):
        if not is_finished(run, directory):
            method = method_of(run.settings)
            with contextlib.suppress(DivergedError):  # recorded in failed.json
                experiment.train_and_evaluate(
                    run.config, folder, command=command, method=method, report=False
                )
        lock.unlink(missing_ok=True)  # who still wants it finds the run finished


def is_finished(run: PlannedRun, directory: Path) -> bool:
    """Return whether a run needs no more work: it has results, or all its members diverged."""
    if run.has_results(directory):
        return True
    members = identity.members_of(run.settings, method_of(run.settings).dynamic)
    return len(workdir.read_failures(directory / run.name)) == len(members)
