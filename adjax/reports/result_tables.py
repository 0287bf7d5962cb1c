"""Result tables: our numbers beside the published ones, and sentences on what stands behind them.

Rows are normal classes and columns methods, as in Table 1 of Chung et al. Several variants of a
method make a table of their own, whose rows they are, as in Table 3. Tables of categories are in
`category_tables`.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from adjax.evaluation.metrics import METRICS
from adjax.reports import notes
from adjax.reports.category_tables import category_tables
from adjax.reports.columns import Column, averaged_sets, classes_of, make_columns, mean_names
from adjax.reports.finished_run import Run
from adjax.reports.finished_sweep import Refused
from adjax.reports.published import (
    number_of_classes,
    variant_average,
    variants_table,
)
from adjax.reports.rendering import ABSENT, Table
from adjax.reports.words import number, spelled


def results_tables(runs: Sequence[Run], refused: Sequence[Refused] = ()) -> list[Table]:
    """Return the tables of each data set and metric; where there are categories those of all.

    Categories of which no run could be done, but some were `refused`, have rows without numbers.
    """
    tables = []
    for kind in dict.fromkeys((run.dataset, run.about.noun) for run in runs):
        columns = make_columns([run for run in runs if (run.dataset, run.about.noun) == kind])
        if columns[0].run.about.has_categories:
            missing = {run.class_name for run in refused if run.dataset == kind[0]}
            tables += category_tables(columns, missing)
        else:
            tables += [table for metric in METRICS for table in _classes_tables(columns, metric)]
    return tables


def summary(run: Run, metric: str = "image_auroc") -> tuple[float, float | None]:
    """Return our mean over the run's classes and the published mean over the same classes."""
    column = Column("", [run])
    classes = classes_of([column], metric)
    ours = [np.mean([m[metric] for m in run.members if m["class_name"] == c]) for c in classes]
    return float(np.mean(ours)), column.published_mean(classes, metric)


def _classes_tables(columns: Sequence[Column], metric: str) -> Iterator[Table]:
    """Tables of one metric: those of methods with several variants, then one of the others."""
    left = [column for column in columns if classes_of([column], metric)]
    for method in dict.fromkeys(column.run.method for column in left):
        variants = [column for column in left if column.run.method == method]
        if len({column.run.about.variant for column in variants}) > 1:
            joining = [column for column in left if column.run.about.variants_of == method]
            yield _variants_table([*variants, *joining], metric)
            left = [c for c in left if method not in (c.run.method, c.run.about.variants_of)]
    if left:
        yield _methods_table(left, metric)


def _caption(run: Run, text: str) -> str:
    return (
        f"{run.about.dataset}, {text}{', one class left out' if run.about.leaves_one_out else ''}"
    )


def _methods_table(columns: Sequence[Column], metric: str) -> Table:
    """Return the table of a row a class, then the means, and a column or two a method."""
    classes, averaged = classes_of(columns, metric), averaged_sets(columns, metric)
    labels = [*classes, *mean_names(averaged)]
    sets = [*([name] for name in classes), *averaged]
    groups, cells = [], []
    for column in columns:
        cells.append([column.mean(part, metric) for part in sets])
        theirs = [number(column.published_mean(part, metric)) for part in sets]
        is_published = {*theirs} != {ABSENT}
        cells += [theirs] if is_published else []
        groups.append((column.heading, ("ours", "paper") if is_published else ("ours",)))
    rows = tuple(zip(labels, *cells, strict=True))
    run = columns[0].run
    return Table(
        caption=_caption(run, METRICS[metric]),
        corner="abnormal class" if run.about.leaves_one_out else "normal class",
        groups=tuple(groups),
        rows=rows[: len(classes)],
        means=rows[len(classes) :],
        notes=(
            *notes.on_means(columns, averaged, [metric]),
            *notes.on_runs(columns, [metric]),
            *notes.on_originals(columns, metric),
        ),
    )


def _variants_table(columns: Sequence[Column], metric: str) -> Table:
    """Return the table of a row a variant and a column a class, beside the printed averages.

    Args:
      columns: first those of the method, then of methods that join as a variant without.
      metric: key of `METRICS`.

    """
    run = columns[0].run
    method = run.about.published_as
    published = variants_table(method)
    rows_are = published.rows_are if published else "variant"
    order = [*(published.rows if published else ()), *(c.run.about.variant for c in columns)]
    columns = sorted(
        columns,
        key=lambda c: (c.run.about.variants_of != "", order.index(c.run.about.variant)),
    )
    classes, averaged = classes_of(columns, metric), averaged_sets(columns, metric)
    groups = [(f"{run.about.noun} {name}", ("ours",)) for name in classes]
    groups += [(name, ("ours", "paper")) for name in mean_names(averaged)]
    total = number_of_classes(run.dataset)
    averages = [
        number(variant_average(run.compared, method, c.run.about.variant, metric)) for c in columns
    ]
    unlike = []
    if {*averages} != {ABSENT} and all(len(part) != total for part in averaged):
        groups.append((f"mean of all {total}", ("paper",)))
        usual = spelled(run.about.usual_variant)
        unlike = [
            f"The paper prints the means of all {total} classes only, but for {usual} and none."
        ]
    rows = []
    for column, average in zip(columns, averages, strict=True):
        label = spelled(column.run.about.variant)
        if column.run.about.variants_of:
            label += f" ({column.run.about.title})"
        cells = [column.mean([name], metric) for name in classes]
        for part in averaged:
            cells += [column.mean(part, metric), number(column.published_mean(part, metric))]
        rows.append((label + column.setting, *cells, *([average] if unlike else [])))
    return Table(
        caption=_caption(run, f"{METRICS[metric]} of {run.about.title} by {rows_are}"),
        corner=rows_are,
        groups=tuple(groups),
        rows=tuple(rows),
        notes=(
            *notes.on_means(columns, averaged, [metric]),
            *unlike,
            *notes.on_runs(columns, [metric]),
        ),
    )
