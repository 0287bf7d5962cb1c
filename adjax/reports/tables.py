"""Result tables: our numbers beside the published ones."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adjax.reports.names import METRICS, count, dataset_name, listing, method_name
from adjax.reports.published import find_table, number_of_classes, published
from adjax.reports.rendering import ABSENT, Table
from adjax.reports.run import Run, hyper_parameters


class Column(NamedTuple):
    """The members of one column of a results table, with their runs."""

    heading: str
    method: str
    runs: list[Run]

    def values(self, class_name: str, metric: str) -> dict[int, float]:
        """The metric of each seed for one normal class."""
        return {
            member["seed"]: member[metric]
            for run in self.runs
            for member in run.members
            if member["class_name"] == class_name and metric in member
        }


def columns(runs: Sequence[Run]) -> list[Column]:
    """One column a method; one a run where runs of a method repeat a seed of a class.

    Runs that repeat a seed differ in their settings, so they are no replicates of each other; nor
    are members of a population that differ in a hyper-parameter.
    """
    by_method: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        for setting, variant in _variants(run):
            by_method.setdefault((run.results["method"], setting), []).append(variant)
    result = []
    for (method, setting), group in by_method.items():
        members = [(m["class_name"], m["seed"]) for run in group for m in run.members]
        if len(set(members)) == len(members):
            result.append(Column(method_name(method) + setting, method, group))
        else:
            name = method_name(method) + setting
            result += [Column(f"{name} ({run.workdir.name})", method, [run]) for run in group]
    return result


def _variants(run: Run) -> list[tuple[str, Run]]:
    """The run split by its members' hyper-parameters, and how each part differs."""
    settings = [hyper_parameters(member) for member in run.members]
    differing = [key for key in settings[0] if len({s.get(key) for s in settings}) > 1]
    parts: dict[str, list[int]] = {}
    for row, member in enumerate(run.members):
        names = ", ".join(f"{key.rpartition('.')[2]} {member[key]:g}" for key in differing)
        parts.setdefault(f" ({names})" if names else "", []).append(row)
    return [(setting, run.of_members(rows)) for setting, rows in parts.items()]


def results_tables(runs: Sequence[Run]) -> list[Table]:
    """A table for each data set and metric: rows are normal classes, columns methods."""
    tables = []
    for dataset in dict.fromkeys(run.results["dataset"] for run in runs):
        group = [run for run in runs if run.results["dataset"] == dataset]
        for metric in METRICS:
            if any(metric in member for run in group for member in run.members):
                tables.append(_results_table(group, dataset, metric))
    return tables


def _results_table(runs: list[Run], dataset: str, metric: str) -> Table:
    members = sorted((m for run in runs for m in run.members), key=lambda m: m["normal_class"])
    classes = list(dict.fromkeys(member["class_name"] for member in members))
    groups, cells, means = [], [], []
    for column in columns(runs):
        seeds = [column.values(name, metric) for name in classes]
        theirs = [published(dataset, column.method, name, metric) for name in classes]
        ours_cells = [_spread(list(values.values())) for values in seeds]
        if any(value is not None for value in theirs):
            groups.append((column.heading, ("ours", "paper")))
            cells += [ours_cells, [_number(value) for value in theirs]]
            means += [_mean_over_classes(seeds), _number(_mean(theirs))]
        else:
            groups.append((column.heading, ("ours",)))
            cells.append(ours_cells)
            means.append(_mean_over_classes(seeds))
    return Table(
        caption=f"{dataset_name(dataset)}, {METRICS[metric]}",
        corner="normal class",
        groups=tuple(groups),
        rows=tuple(zip(classes, *cells, strict=True)),
        mean=("mean", *means) if len(classes) > 1 else None,
        notes=tuple(_notes(runs, dataset, metric, classes)),
    )


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.3f}"


def _spread(values: list[float]) -> str:
    """The mean and, from two values on, the sample standard deviation."""
    if len(values) < 2:
        return _number(_mean(values))
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def _mean(values: list[float | None]) -> float | None:
    if not values or None in values:
        return None
    return float(np.mean(values))


def _mean_over_classes(seeds: list[dict[int, float]]) -> str:
    """The mean over classes; its spread is over seeds, where every class has the same seeds."""
    if not all(seeds):
        return ABSENT
    if len({frozenset(values) for values in seeds}) == 1:
        return _spread([float(np.mean([v[seed] for v in seeds])) for seed in seeds[0]])
    return _number(float(np.mean([np.mean(list(values.values())) for values in seeds])))


def _notes(runs: list[Run], dataset: str, metric: str, classes: list[str]):
    total = number_of_classes(dataset)
    if len(classes) > 1 and total is not None and len(classes) < total:
        yield (
            f"Means are over {len(classes)} of {total} classes ({listing(classes)}); "
            "the paper's mean here is over the same classes."
        )
    for column in columns(runs):
        yield f"{column.heading}: {'; '.join(_settings(column))}."
    if any(len(column.values(name, metric)) > 1 for column in columns(runs) for name in classes):
        yield "± is the sample standard deviation over seeds."
    tables = [find_table(dataset, column.method, metric) for column in columns(runs)]
    for source in dict.fromkeys(table.source for table in tables if table is not None):
        yield f"paper: {source}."


def _settings(column: Column) -> list[str]:
    """Seeds, steps, score and configs behind a column; runs that agree are said once."""
    seeds = {member["seed"] for run in column.runs for member in run.members}
    stages = {stages_in_words(run) for run in column.runs}
    scores = {run.results["image_score"] for run in column.runs}
    configs = list(dict.fromkeys(run.results["config_hash"] for run in column.runs))
    return [
        count(len(seeds), "seed"),
        *sorted(stages - {""}),
        f"image score {listing(sorted(scores))}",
        f"config {listing(configs, most=3)}",
    ]


def summary(run: Run, metric: str = "image_auroc") -> tuple[float, float | None]:
    """Our mean over the run's classes and the published mean over the same classes."""
    column = Column("", run.results["method"], [run])
    classes = list(dict.fromkeys(member["class_name"] for member in run.members))
    ours = [np.mean(list(column.values(name, metric).values())) for name in classes]
    dataset = run.results["dataset"]
    theirs = [published(dataset, column.method, name, metric) for name in classes]
    return float(np.mean(ours)), _mean(theirs)


def stages_in_words(run: Run) -> str:
    """`teacher 1,200 steps, student 800 steps`."""
    stages = run.results.get("stages", [])
    return ", ".join(f"{stage['name']} {count(stage['steps'], 'step')}" for stage in stages)
