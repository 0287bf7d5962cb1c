"""One stage of a run from start to end: taken from the cache, resumed, or trained."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from clu.parameter_overview import count_parameters

from adjax import hosts
from adjax.errors import DivergedError, UserError
from adjax.methods.stage import Fit, Stage
from adjax.training.checkpoints import Checkpoints
from adjax.training.chrono import Chrono
from adjax.training.execution import OF_MEMBERS
from adjax.training.fitting import fit_stage
from adjax.training.log import MetricsLog
from adjax.training.loop import Loop
from adjax.training.population import (
    Members,
    Population,
    checkpoints_of,
    diverged,
    initial_tree,
    selected,
    tree_like,
)
from adjax.training.work import StageWork


def train_stage(
    population: Population,
    index: int,
    frozen: dict,
    log: MetricsLog,
    failed: Sequence[dict] = (),
    *,
    until: int = 0,
    since: Sequence[str] = (),
) -> tuple[Any, dict]:
    """Train one stage, from its latest checkpoint if there is one.

    A member that diverges is left behind, the others go on.

    Args:
      population: the population to train.
      index: index of the stage in the method.
      frozen: variables of earlier stages by name, every leaf `[P, ...]`.
      log: log of the metrics.
      failed: the members that diverged in earlier stages, as their records list them.
      until: the step to stop at for now, a multiple of `checkpoint_every`; what it takes to get
        there is the same as on the way to the last step, which 0 stands for.
      since: for each member the entry of the cache to go on from where there is no checkpoint, of
        an earlier `until` of the same training; without them it begins at the first step.

    Returns:
      `(variables, record)`: the stage's variables, leaves `[P, ...]`, and the cost of training;
      `record["failed"]` lists the members that have diverged so far, if any.

    Raises:
      DivergedError: if a loss, gradient or parameter of every member is not finite. Checkpoints
        taken before remain.

    """
    stage = population.method.stages[index]
    names = [s.name for s in population.method.stages[: index + 1]]
    hashes, cache = population.hashes[stage.name], population.cache
    until = until or stage.steps
    like = tree_like(population, index)
    work = StageWork(
        population=population,
        index=index,
        frozen=frozen,
        log=log,
        checkpoints=Checkpoints(checkpoints_of(population.folder, stage.name)),
        chrono=Chrono(),
        record=_new_record(population.members, stage, like, failed),
        until=until,
    )
    tree, saved = None, work.saved_as(0)
    if restored := work.checkpoints.restore(like, fall_back=True):
        tree, saved = restored
        log.check(names, saved["step"], saved.get("log"))
    if cache:
        cache.set_damaged_aside([*hashes, *since])
    if saved["step"] < until and cache and hosts.agreed(not cache.missing(hashes)):
        log.rewind(names, 0)
        tree, saved = _adopt(population, stage, like, log)
        work.take(cache.member_files(hashes), tree, saved)
    elif tree is None and since and cache and hosts.agreed(not cache.missing(since)):
        log.rewind(names, 0)
        tree, saved = _go_on(work, since, like)
    step = saved["step"]
    work = dataclasses.replace(work, chrono=Chrono(**saved["chrono"]), record=saved["record"])

    def store(tree) -> None:
        if cache and hosts.agreed(bool(cache.missing(hashes))):
            metrics, owners = log.of_stage(stage.name), population.members.owners
            record = work.saved_as(until)
            cache.store(hashes, owners, tree, metrics, record, population.content)

    try:  # however this ends, a save in progress is completed
        if step < until:
            log.rewind(names, step)
            tree = initial_tree(population, index, frozen) if tree is None else tree
            try:
                if isinstance(stage, Fit):
                    tree = fit_stage(work, tree)
                else:
                    tree = Loop(work).run(tree, step)
            except DivergedError:
                store(None)
                raise
        store(tree)
    finally:
        work.checkpoints.close()
    return selected(population.select, tree), _with_rates(work, len(population.members))


def cached_variables(population: Population, index: int) -> Any:
    """Return the variables of a stage whose members are all in the cache, leaves `[P, ...]`."""
    stage = population.method.stages[index]
    hashes = population.hashes[stage.name]
    loaded = population.cache.load(hashes, tree_like(population, index), population.content)
    if loaded is None:
        raise UserError(f"a result of stage {stage.name} was damaged: repeat the command")
    tree, _ = loaded
    return population.execution.put(selected(population.select, tree), OF_MEMBERS)


def _new_record(members: Members, stage: Stage | Fit, like: dict, failed: Sequence[dict]) -> dict:
    """Return the record of a stage that is not trained yet."""
    return {
        "name": stage.name,
        "steps": stage.steps,
        "parameters": int(count_parameters(like["state"].params)) // len(members),  # of one
        "members": len(members),  # that train together
    } | ({"failed": list(failed)} if failed else {})


def _adopt(
    population: Population, stage: Stage | Fit, like: dict, log: MetricsLog
) -> tuple[dict, dict]:
    """Take a stage from the cache as this run's own: return its final checkpoint, log its metrics.

    Raises:
      DivergedError: if all its members diverged.

    """
    hashes = population.hashes[stage.name]
    tree, saved = population.cache.load(hashes, like, population.content)
    population.cache.replay(hashes, log)
    record = saved["record"]
    if len(record.get("failed", ())) == len(hashes):
        raise diverged(population.members, record["failed"])
    if saved["owner"] != population.members.owners[0]:
        record |= {"cached": True}
    saved = {"step": saved["step"], "chrono": saved["chrono"], "record": record}
    return population.execution.put(tree, OF_MEMBERS), saved


def _go_on(work: StageWork, since: Sequence[str], like: dict) -> tuple[dict, dict]:
    """Return the checkpoint that entries of the cache make together, and log their metrics.

    They may have trained in populations of other sizes: each brings its share of the time.
    """
    population = work.population
    tree, first = population.cache.load(since, like, population.content)
    records = population.cache.records(since)
    chrono = {
        name: sum(r["chrono"].get(name, 0.0) / r["record"].get("members", 1) for r in records)
        for name in dataclasses.asdict(work.chrono)
    }
    failures = {"failed": first["record"]["failed"]} if "failed" in first["record"] else {}
    saved = {"step": first["step"], "chrono": chrono, "record": work.record | failures}
    population.cache.replay(since, work.log)
    return population.execution.put(tree, OF_MEMBERS), saved


def _with_rates(work: StageWork, members: int) -> dict:
    """Return the record with costs: the share of `members` among all that trained together."""
    stage, chrono, record = work.stage, work.chrono, dict(work.record)
    share = members / record["members"]
    by_record = record.pop("images_per_update", None)  # a `Fit` sees all images
    images = work.until * members * (by_record or stage.images_per_update)
    return {
        **record,
        "flops_per_step": record["flops_per_step"] * share,
        "compile_seconds": chrono.compile * share,
        "train_seconds": chrono.train * share,
        "images_per_second": images / (chrono.train * share),
        "flops_per_second": record["flops_per_step"] * work.until / chrono.train,
        "input_wait_fraction": chrono.input / chrono.train,
    }
