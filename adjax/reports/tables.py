"""Result tables: our numbers beside the published ones.

Rows are normal classes and columns methods, as in Table 1 of Chung et al. Runs of OE-SDN with
several auxiliary sets make a table of their own: rows are the sets, as in Table 3.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from adjax.reports.columns import Column, columns
from adjax.reports.names import METRICS, auxiliary_name, count, dataset_name, listing
from adjax.reports.published import (
    GROUPS,
    NONE,
    TABLE_3,
    auxiliary_average,
    find_table,
    number_of_classes,
)
from adjax.reports.rendering import ABSENT, Table
from adjax.reports.run import Run


def results_tables(runs: Sequence[Run]) -> list[Table]:
    """The tables of each data set and metric."""
    tables = []
    for dataset in dict.fromkeys(run.results["dataset"] for run in runs):
        found = columns([run for run in runs if run.results["dataset"] == dataset])
        for metric in METRICS:
            measured = [column for column in found if _classes([column], metric)]
            if len({column.auxiliary for column in measured} - {""}) > 1:
                sets = [c for c in measured if c.method in ("oe_sdn", "sdn")]
                tables.append(_sets_table(sets, dataset, metric))
                measured = [c for c in measured if c not in sets]
            if measured:
                tables.append(_methods_table(measured, dataset, metric))
    return tables


def summary(run: Run, metric: str = "image_auroc") -> tuple[float, float | None]:
    """Our mean over the run's classes and the published mean over the same classes."""
    column = columns([run])[0]._replace(runs=[run])  # a mean over all members, however they differ
    classes = _classes([column], metric)
    ours = [np.mean([m[metric] for m in run.members if m["class_name"] == c]) for c in classes]
    return float(np.mean(ours)), column.published_mean(classes, metric)


def stages_in_words(run: Run) -> str:
    """`teacher 1,200 steps, student 800 steps`."""
    stages = run.results.get("stages", [])
    return ", ".join(f"{stage['name']} {count(stage['steps'], 'step')}" for stage in stages)


def _methods_table(found: list[Column], dataset: str, metric: str) -> Table:
    classes = _classes(found, metric)
    averaged = _averaged(found, metric)
    groups, cells, means = [], [], []
    for column in found:
        ours = [_spread(column.values(name, metric)) for name in classes]
        our_means = [_mean(column, part, metric) for part in averaged]
        theirs = [_number(column.published(name, metric)) for name in classes]
        their_means = [_number(column.published_mean(part, metric)) for part in averaged]
        if {*theirs, *their_means} - {ABSENT}:
            groups.append((column.heading, ("ours", "paper")))
            cells += [ours, theirs]
            means += [our_means, their_means]
        else:
            groups.append((column.heading, ("ours",)))
            cells.append(ours)
            means.append(our_means)
    return Table(
        caption=f"{dataset_name(dataset)}, {METRICS[metric]}",
        corner="category" if GROUPS.get(dataset) else "normal class",
        groups=tuple(groups),
        rows=tuple(zip(classes, *cells, strict=True)),
        means=tuple(zip(_mean_names(averaged), *means, strict=True)),
        notes=(
            *_notes_on_means(found, averaged, dataset, metric),
            *_notes(found, dataset, metric),
        ),
    )


def _sets_table(found: list[Column], dataset: str, metric: str) -> Table:
    """A row an auxiliary set, a column a class; SDN is the set `none`."""
    order = [*TABLE_3.rows, *(c.auxiliary for c in found)]
    found = sorted(found, key=lambda c: (c.method == "sdn", order.index(c.auxiliary or NONE)))
    classes = _classes(found, metric)
    averaged = _averaged(found, metric)
    groups = [(f"class {name}", ("ours",)) for name in classes]
    groups += [(name, ("ours", "paper")) for name in _mean_names(averaged)]
    total = number_of_classes(dataset)
    printed = [_number(auxiliary_average(dataset, c.auxiliary or NONE, metric)) for c in found]
    with_printed = {*printed} != {ABSENT} and all(len(part) != total for part in averaged)
    if with_printed:
        groups.append((f"mean of all {total}", ("paper",)))
    rows = []
    for column, average in zip(found, printed, strict=True):
        cells = [_spread(column.values(name, metric)) for name in classes]
        for part in averaged:
            theirs = _number(column.published_mean(part, metric))
            cells += [_mean(column, part, metric), theirs]
        label = auxiliary_name(column.auxiliary) if column.auxiliary else f"{NONE} (SDN)"
        rows.append((label + column.setting, *cells, *([average] if with_printed else [])))
    unlike = (
        (f"The paper prints the means of all {total} classes only, but for rotation and none.",)
        if with_printed
        else ()
    )
    return Table(
        caption=f"{dataset_name(dataset)}, {METRICS[metric]} of OE-SDN by auxiliary set",
        corner="auxiliary set",
        groups=tuple(groups),
        rows=tuple(rows),
        notes=(
            *_notes_on_means(found, averaged, dataset, metric),
            *unlike,
            *_notes(found, dataset, metric),
        ),
    )


def _classes(found: Sequence[Column], metric: str) -> list[str]:
    """The names of the classes that any of the columns has, by label."""
    members = [m for column in found for run in column.runs for m in run.members if metric in m]
    members = sorted(members, key=lambda member: member["normal_class"])
    return list(dict.fromkeys(member["class_name"] for member in members))


def _averaged(found: Sequence[Column], metric: str) -> list[list[str]]:
    """The sets of classes to average over: those of each column, and what all columns have.

    So that every mean stands beside others of the same classes. A single class has no mean.
    """
    everyone = _classes(found, metric)
    own = [set(_classes([column], metric)) for column in found]
    sets = dict.fromkeys(map(frozenset, (everyone, *own, set.intersection(*own))))
    sets |= dict.fromkeys(frozenset(everyone) & group for group in _groups(found))
    covered = [part for part in sets if len(part) > 1 and any(part <= o for o in own)]
    ordered = sorted(covered, key=len, reverse=True)
    return [[name for name in everyone if name in part] for part in ordered]


def _groups(found: Sequence[Column]) -> list[frozenset[str]]:
    """The groups of categories that published tables average over, such as textures."""
    return list(map(frozenset, GROUPS.get(found[0].runs[0].results["dataset"], {}).values()))


def _mean_names(averaged: list[list[str]]) -> list[str]:
    """`mean`, or `mean of 10`, `mean of 4`; two sets of one size are named by their classes."""
    if len(averaged) == 1:
        return ["mean"]
    sizes = [len(part) for part in averaged]
    return [
        f"mean of {len(part)}" if sizes.count(len(part)) == 1 else f"mean of {listing(part)}"
        for part in averaged
    ]


def _mean(column: Column, classes: list[str], metric: str) -> str:
    """The mean over classes; its spread is over seeds, where every class has the same seeds."""
    seeds = [column.values(name, metric) for name in classes]
    if not all(seeds):
        return ABSENT
    if len({frozenset(values) for values in seeds}) == 1:
        return _spread({s: float(np.mean([values[s] for values in seeds])) for s in seeds[0]})
    return _number(float(np.mean([np.mean(list(values.values())) for values in seeds])))


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.3f}"


def _spread(by_seed: dict[int, float]) -> str:
    """The mean over seeds and, from two seeds on, the sample standard deviation."""
    values = list(by_seed.values())
    if len(values) < 2:
        return _number(values[0] if values else None)
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def _notes_on_means(
    found: list[Column], averaged: list[list[str]], dataset: str, metric: str
) -> Iterator[str]:
    """Which classes a mean is over, where that is not all of the data set or not all it says."""
    total = number_of_classes(dataset)
    compared = any(c.published_mean(part, metric) is not None for c in found for part in averaged)
    for part in averaged:
        if len(averaged) == 1 and (total is None or len(part) == total):
            continue
        where = f"{len(part)} of {total}" if total else f"{len(part)}"
        beside = "; the paper's beside it is over the same classes" if compared else ""
        yield f"Mean over {where} classes ({listing(part)}){beside}."


def _notes(found: list[Column], dataset: str, metric: str) -> Iterator[str]:
    told: dict[str, list[str]] = {}
    configs = {run.results["config_hash"] for column in found for run in column.runs}
    config = [f"config {name}" for name in configs if len(configs) == 1]
    for column in found:
        sentence = "; ".join([*_settings(column, metric), *config])
        told.setdefault(sentence, []).append(column.heading)
    for sentence, headings in told.items():
        every = len(told) == 1 and len(headings) > 1
        yield f"{'All' if every else listing(headings)}: {sentence}."
    if any(len(c.values(name, metric)) > 1 for c in found for name in _classes([c], metric)):
        yield "± is the sample standard deviation over seeds."
    tables = [find_table(dataset, c.method, metric, c.auxiliary) for c in found]
    for source in dict.fromkeys(table.source for table in tables if table is not None):
        yield f"paper: {source}."


def _settings(column: Column, metric: str) -> list[str]:
    """Seeds, steps and score behind a column."""
    by_class = [column.values(name, metric).keys() for name in _classes([column], metric)]
    seeds = sorted(set().union(*by_class))
    uneven = any(set(seeds) != own for own in by_class)
    stages = {stages_in_words(run) for run in column.runs}
    scores = {run.results["image_score"] for run in column.runs}
    return [
        f"{'seed' if len(seeds) == 1 else 'seeds'} {listing([str(seed) for seed in seeds])}"
        + (", not all of every class" if uneven else ""),
        *sorted(stages - {""}),
        f"image score {listing(sorted(scores))}",
    ]
