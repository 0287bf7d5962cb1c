"""Result tables: our numbers beside the published ones, and sentences on what stands behind them.

Rows are normal classes and columns methods, as in Table 1 of Chung et al. Several variants of a
method make a table of their own, whose rows they are, as in Table 3. Categories have one table of
all metrics: metrics are its columns, categories and methods its rows.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from adjax.datasets.catalog import CATEGORIES
from adjax.evaluation.metrics import METRICS
from adjax.reports import notes
from adjax.reports.columns import Column, averaged_sets, classes_of, make_columns, mean_names
from adjax.reports.finished_run import Run
from adjax.reports.finished_sweep import Refused
from adjax.reports.published import (
    GROUPS,
    number_of_classes,
    variant_average,
    variants_table,
)
from adjax.reports.rendering import ABSENT, Table
from adjax.reports.words import listing, normal_name, number, spelled

Metrics = dict[str, bool]  # those measured, and whether any of the methods has published values


def results_tables(runs: Sequence[Run], refused: Sequence[Refused] = ()) -> list[Table]:
    """Return the tables of each data set and metric; where there are categories one of all.

    Categories of which no run could be done, but some were `refused`, have rows without numbers.
    """
    tables = []
    for kind in dict.fromkeys((run.dataset, run.about.noun) for run in runs):
        columns = make_columns([run for run in runs if (run.dataset, run.about.noun) == kind])
        if columns[0].run.about.has_categories:
            missing = {run.class_name for run in refused if run.dataset == kind[0]}
            tables += _categories_table(columns, missing)
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


def _categories_table(columns: Sequence[Column], missing: set[str]) -> Iterator[Table]:
    """Yield one table of all that was measured, if anything was.

    A row a category of one method, a row a method of one category; of several both, the methods
    under each category.
    """
    columns = [column for column in columns if classes_of([column], *METRICS)]
    if not columns:
        return
    metrics, groups = {}, []
    for metric in METRICS:
        if classes_of(columns, metric):
            printed = (
                column.published_mean([name], metric)
                for column in columns
                for name in classes_of([column], metric)
            )
            metrics[metric] = any(value is not None for value in printed)
            name, _, kind = METRICS[metric].partition(" (")
            paper = ("paper",) if metrics[metric] else ()
            groups.append((name, (kind.rstrip(")") or "ours", *paper)))
    everyone = classes_of(columns, *metrics)
    sets = {tuple(part): part for metric in metrics for part in averaged_sets(columns, metric)}
    sets = sorted(sets.values(), key=len)  # textures before objects and all
    run = columns[0].run
    titles = {run.dataset: run.about.dataset}  # one category may have the name of its data set
    marked = notes.confounded(columns)
    shown = _with_missing(everyone, missing, run.dataset)
    labels = [titles.get(name, name) + notes.MARK * (name in marked) for name in shown]
    caption, corner = run.about.dataset, "category"
    if len(columns) == 1:
        caption += f", {columns[0].heading}"
    elif len(shown) == 1:
        if everyone != [run.dataset]:
            caption += f", {normal_name(everyone, run.about.noun, titles)}"
        corner, labels = "method", [""]
    yield Table(
        caption=caption,
        corner=corner,
        groups=tuple(groups),
        rows=tuple(_rows(columns, labels, [[name] for name in shown], metrics)),
        means=tuple(_rows(columns, _mean_labels(sets, everyone, run.dataset), sets, metrics)),
        notes=(
            *notes.on_means(columns, sets, metrics),
            *notes.on_doubts(columns, titles),
            *notes.on_confounders(columns, titles),
            *notes.on_pixels(columns, everyone, titles, metrics),
            *notes.on_runs(columns, list(metrics)),
        ),
    )


def _with_missing(measured: list[str], missing: set[str], dataset: str) -> list[str]:
    """Return categories in the order of the data set, those that are none of its own last."""
    known = CATEGORIES.get(dataset, ())
    names = [*measured, *sorted(missing - set(measured))]
    return sorted(names, key=lambda name: known.index(name) if name in known else len(known))


def _rows(
    columns: Sequence[Column],
    labels: Sequence[str],
    sets: Sequence[Sequence[str]],
    metrics: Metrics,
) -> Iterator[tuple[str, ...]]:
    """Yield rows of means over sets of categories; several methods under the label of their set."""
    for label, classes in zip(labels, sets, strict=True):
        if label and len(columns) > 1:
            yield (label,)
        for column in columns:
            cells = []
            for metric, is_published in metrics.items():
                cells.append(column.mean(classes, metric))
                if is_published:
                    cells.append(number(column.published_mean(classes, metric)))
            yield (label if len(columns) == 1 else column.heading, *cells)


def _mean_labels(sets: list[list[str]], everyone: list[str], dataset: str) -> list[str]:
    """Labels `mean of textures`, `mean of 3 objects`, `mean of 4`, `mean of all 15`."""
    labels = [_mean_label(set(part), set(everyone), dataset) for part in sets]
    return [
        f"mean of {listing(part)}" if labels.count(label) > 1 else label
        for label, part in zip(labels, sets, strict=True)
    ]


def _mean_label(part: set[str], everyone: set[str], dataset: str) -> str:
    for name, group in GROUPS.get(dataset, {}).items():
        if part == set(group):
            return f"mean of {name}"
        if part == everyone & set(group) != everyone:
            return f"mean of {len(part)} {name}"
    return f"mean of {'all ' * (len(part) == number_of_classes(dataset))}{len(part)}"
