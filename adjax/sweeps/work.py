"""The two kinds of work in a plan, done by whichever process an engine chose."""

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adjax import experiment, files, provenance, workdir
from adjax.config import identity
from adjax.config.layout import Settings, check
from adjax.errors import DivergedError, UserError
from adjax.methods.stage import Method
from adjax.run import make_population
from adjax.sweeps.plan import Evaluation, PlannedRun, Training, members_only, method_of
from adjax.training import MetricsLog, StageCache, cached_variables, train_stage


def perform(task: Training | Evaluation, directory: Path, command: str = "") -> dict[str, str]:
    """Do what is left of a task; safe to repeat, and to do from several processes at once.

    Returns:
      The runs of an evaluation that could not be done, and why: name -> reason.

    Raises:
      UserError: if a training could not be done.

    """
    failed = {}
    if isinstance(task, Training):
        _train(task)
    else:
        for run in task.runs:
            try:
                _finish(run, directory, command)
            except UserError as error:
                failed[run.name] = str(error)
    return failed


def note_failed(
    runs: Sequence[PlannedRun], failed: Mapping[str, str], directory: Path
) -> dict[str, str]:
    """Note in the folders of runs why they could not be done, for reports; return these runs.

    Args:
      runs: of which some failed.
      failed: name -> reason. A run that was finished earlier has not failed.
      directory: the sweep's folder.

    """
    left = {run.name: run for run in runs if run.name in failed and not is_finished(run, directory)}
    for name, run in left.items():
        workdir.write_refusal(directory / name, identity.as_json(run.config), failed[name])
    return {name: failed[name] for name in left}


def runs_of(task: Training | Evaluation) -> tuple[PlannedRun, ...]:
    """Return the runs that a task finishes."""
    return task.runs if isinstance(task, Evaluation) else ()


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
    settings = check(config)
    advice = f"delete {folder}, to train on the images of today"
    images = provenance.load(settings, method, _members(settings, method), folder, advice=advice)
    if task.content not in ("", images.content):
        raise UserError(
            f"the training images of {settings.data.name} changed since this sweep was planned: "
            "repeat the command"
        )
    workdir.write_data(folder, images.record)
    population = make_population(settings, method, folder, images)
    owners = [task.owners[row] for row in rows]
    members = dataclasses.replace(population.members, owners=owners)
    named = zip(method.stages, (*task.earlier, task.hashes), strict=False)
    names = {stage.name: [own[row] for row in rows] for stage, own in named}
    population = dataclasses.replace(population, members=members, hashes=names)
    earlier = enumerate(method.stages[: task.index])
    frozen = {stage.name: cached_variables(population, index) for index, stage in earlier}
    # The cache records who diverged, and each run's folder will.
    with MetricsLog(folder, members.labels) as log, contextlib.suppress(DivergedError):
        since = [task.since[row] for row in rows] if task.since else ()
        train_stage(population, task.index, frozen, log, until=task.until, since=since)
    cache.clear(folder)


def _finish(run: PlannedRun, directory: Path, command: str) -> None:
    folder = directory / run.name
    # By digests, so that no name is that of a driver's lock, or too long.
    own = hashlib.sha256(os.fsencode(run.name)).hexdigest()[:24]
    lock = directory / ".locks" / "runs" / own
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
    members = _members(run.settings, method_of(run.settings))
    return len(workdir.read_failures(directory / run.name)) == len(members)


def _members(settings: Settings, method: Method) -> list[dict[str, Any]]:
    return identity.members_of(settings, method.dynamic)
