"""Plans in words, for `--dry_run` and for the progress of an engine."""

from collections.abc import Sequence
from pathlib import Path

from adjax.sweeps.plan import Evaluation, PlannedRun, Training, estimate_stage, method_of
from adjax.sweeps.work import is_finished
from adjax.training import StageCache


def describe_task(task: Training | Evaluation) -> str:
    """Return one line: `teacher of mnist, 10 members together`."""
    if isinstance(task, Evaluation):
        names = [run.name for run in task.runs]
        return f"evaluate {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
    size = len(task.hashes)
    members = "1 member" if size == 1 else f"{size} members together"
    until = f" to step {task.until:,}" if task.until else ""
    return f"{_stage(task)}, {members}{until}"


def describe_plan(
    plan: Sequence[Training | Evaluation], runs: Sequence[PlannedRun], directory: Path
) -> str:
    """Return the tables of `--dry_run`, a row for each group of members that could train together.

    The second table is for an update of one member, see `training.Estimate`. FLOPs are those of the
    members that are not trained yet; validation and scoring are not counted.
    """
    work = [("group", "members", "trained", "populations", "programs", "TFLOP to do")]
    needs = [("of a member", "steps", "GFLOP a step", *_NEEDS)]
    total = 0.0
    for group in _groups(plan):
        cache = StageCache(group[0].config.stage_cache)
        missing = [cache.missing(task.hashes) for task in group]
        members, left = sum(len(task.hashes) for task in group), sum(map(len, missing))
        sizes = {len(task.hashes) for task in group}
        programs = {len(names) for names in missing if names}
        flops = 0.0
        if left:
            stage = method_of(group[0].settings).stages[group[0].index]
            need = estimate_stage(group[0].config, group[0].index)
            flops = need.flops * stage.steps * left
            megabytes = (f"{value(need) / 1e6:,.2f}" for value in _NEEDS.values())
            gigaflops = f"{need.flops / 1e9:,.2f}"
            needs.append((_stage(group[0]), f"{stage.steps:,}", gigaflops, *megabytes))
        total += flops
        work.append(
            (
                _stage(group[0]),
                str(members),
                str(members - left),
                f"{len(group)} of {' or '.join(map(str, sorted(sizes)))}",
                str(len(programs)),
                f"{flops / 1e12:,.1f}",
            )
        )
    finished = sum(is_finished(run, directory) for run in runs)
    head = f"{len(runs)} runs, {finished} of them finished; {total / 1e12:,.1f} TFLOP of training"
    tables = [work, needs] if total else [work]
    return "\n\n".join([f"{head} to do", *map(_in_columns, tables)])


# Column -> bytes of an estimate: the batch of a step, the sums over devices that share it, the
# member's state, the temporary memory of the step, a checkpoint.
_NEEDS = {
    "MB in": lambda need: need.fed,
    "MB summed": lambda need: need.reduced,
    "MB kept": lambda need: need.kept,
    "MB at work": lambda need: need.work,
    "MB saved": lambda need: need.saved,
}


def _in_columns(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(lines)


def _groups(plan) -> list[list[Training]]:
    groups: dict[tuple, list[Training]] = {}
    for task in plan:
        if isinstance(task, Training):
            stage = method_of(task.settings).stages[task.index]
            groups.setdefault((task.index, id(stage)), []).append(task)
    return list(groups.values())


def _stage(task: Training) -> str:
    """Return `student of oe_sdn on mnist, rotation`, `autoencoder aesc on mvtec_ad, bottle`."""
    method, settings = method_of(task.settings), task.settings
    stage, data = method.stages[task.index], settings.data
    own = "" if task.index == 0 else f" of {method.name}"
    networks = [s.partition("=")[2] for s in stage.depends_on if s.startswith("network=")]
    words = [data.name]
    if not data.varying and data.normal_class not in ("", data.name):
        words.append(data.normal_class)  # members of other categories are other groups
    if settings.info.variant and own:
        words.append(settings.leaves()[settings.info.variant])
    return f"{' '.join([stage.name, *networks])}{own} on {', '.join(words)}"
