"""Result tables: our numbers beside the published ones.

Rows are normal classes and columns methods, as in Table 1 of Chung et al. Runs of OE-SDN with
several auxiliary sets make a table of their own: rows are the sets, as in Table 3. Industrial
images have more metrics and a table of another shape, see `categories_table`.
"""

from collections.abc import Sequence

import numpy as np

from adjax.reports.averages import averaged_sets, classes_of, mean, mean_names, number, spread
from adjax.reports.categories import categories_table
from adjax.reports.columns import Column, columns
from adjax.reports.names import METRICS, auxiliary_name, dataset_name
from adjax.reports.notes import notes_on_means, notes_on_runs
from adjax.reports.published import NONE, TABLE_3, auxiliary_average, number_of_classes
from adjax.reports.rendering import ABSENT, Table
from adjax.reports.run import Run

_LEFT_OUT = ", one class left out"  # of a caption, where that is the protocol


def results_tables(runs: Sequence[Run]) -> list[Table]:
    """The tables of each data set and metric, of industrial images one of all metrics."""
    tables = []
    for dataset, noun in dict.fromkeys((run.results["dataset"], run.noun) for run in runs):
        of_dataset = [r for r in runs if (r.results["dataset"], r.noun) == (dataset, noun)]
        found = columns(of_dataset)
        if of_dataset[0].is_industrial:
            tables += categories_table(found, dataset)
            continue
        for metric in METRICS:
            measured = [column for column in found if classes_of([column], metric)]
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
    classes = classes_of([column], metric)
    ours = [np.mean([m[metric] for m in run.members if m["class_name"] == c]) for c in classes]
    return float(np.mean(ours)), column.published_mean(classes, metric)


def _methods_table(found: list[Column], dataset: str, metric: str) -> Table:
    classes = classes_of(found, metric)
    averaged = averaged_sets(found, metric)
    groups, cells, means = [], [], []
    for column in found:
        ours = [spread(column.values(name, metric)) for name in classes]
        our_means = [mean(column, part, metric) for part in averaged]
        theirs = [number(column.published(name, metric)) for name in classes]
        their_means = [number(column.published_mean(part, metric)) for part in averaged]
        if {*theirs, *their_means} - {ABSENT}:
            groups.append((column.heading, ("ours", "paper")))
            cells += [ours, theirs]
            means += [our_means, their_means]
        else:
            groups.append((column.heading, ("ours",)))
            cells.append(ours)
            means.append(our_means)
    left_out = found[0].runs[0].leaves_one_out
    return Table(
        caption=f"{dataset_name(dataset)}, {METRICS[metric]}{_LEFT_OUT * left_out}",
        corner="abnormal class" if left_out else "normal class",
        groups=tuple(groups),
        rows=tuple(zip(classes, *cells, strict=True)),
        means=tuple(zip(mean_names(averaged), *means, strict=True)),
        notes=(
            *notes_on_means(found, averaged, dataset, metric),
            *notes_on_runs(found, dataset, [metric]),
        ),
    )


def _sets_table(found: list[Column], dataset: str, metric: str) -> Table:
    """A row an auxiliary set, a column a class; SDN is the set `none`."""
    order = [*TABLE_3.rows, *(c.auxiliary for c in found)]
    found = sorted(found, key=lambda c: (c.method == "sdn", order.index(c.auxiliary or NONE)))
    classes = classes_of(found, metric)
    averaged = averaged_sets(found, metric)
    groups = [(f"{found[0].runs[0].noun} {name}", ("ours",)) for name in classes]
    groups += [(name, ("ours", "paper")) for name in mean_names(averaged)]
    total = number_of_classes(dataset)
    printed = [number(auxiliary_average(c.compared, c.auxiliary or NONE, metric)) for c in found]
    with_printed = {*printed} != {ABSENT} and all(len(part) != total for part in averaged)
    if with_printed:
        groups.append((f"mean of all {total}", ("paper",)))
    rows = []
    for column, average in zip(found, printed, strict=True):
        cells = [spread(column.values(name, metric)) for name in classes]
        for part in averaged:
            theirs = number(column.published_mean(part, metric))
            cells += [mean(column, part, metric), theirs]
        label = auxiliary_name(column.auxiliary) if column.auxiliary else f"{NONE} (SDN)"
        rows.append((label + column.setting, *cells, *([average] if with_printed else [])))
    unlike = (
        (f"The paper prints the means of all {total} classes only, but for rotation and none.",)
        if with_printed
        else ()
    )
    return Table(
        caption=f"{dataset_name(dataset)}, {METRICS[metric]} of OE-SDN by auxiliary set"
        + _LEFT_OUT * found[0].runs[0].leaves_one_out,
        corner="auxiliary set",
        groups=tuple(groups),
        rows=tuple(rows),
        notes=(
            *notes_on_means(found, averaged, dataset, metric),
            *unlike,
            *notes_on_runs(found, dataset, [metric]),
        ),
    )
