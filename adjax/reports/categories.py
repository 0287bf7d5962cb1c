"""The table of industrial images: metrics in columns, categories and methods in rows."""

from collections.abc import Iterator, Sequence

from adjax.reports.averages import averaged_sets, classes_of, mean, number, spread
from adjax.reports.columns import Column
from adjax.reports.names import METRICS, dataset_name, listing, normal_name, rule_name
from adjax.reports.notes import notes_on_runs
from adjax.reports.published import GROUPS, number_of_classes
from adjax.reports.rendering import Table

Row = tuple[str, ...]
Metrics = dict[str, bool]  # those measured, and whether any of the methods has published values


def categories_table(columns: list[Column], dataset: str) -> list[Table]:
    """One table of all that was measured, or none.

    A row a category of one method, a row a method of one category; of several both, the methods
    under each category.
    """
    found = [column for column in columns if classes_of([column], *METRICS)]
    if not found:
        return []
    measured = [metric for metric in METRICS if classes_of(found, metric)]
    metrics = {metric: _is_published(found, metric) for metric in measured}
    everyone = classes_of(found, *metrics)
    sets = _sets(found, metrics)
    names = [[name] for name in everyone]
    labels = [dataset_name(name) for name in everyone]  # one may have the name of its data set
    caption, corner = dataset_name(dataset), "category"
    if len(found) == 1:
        caption += f", {found[0].heading}"
    elif len(everyone) == 1:
        if everyone != [dataset]:
            caption += f", {normal_name(everyone, 'category')}"
        corner, labels = "method", [""]
    return [
        Table(
            caption=caption,
            corner=corner,
            groups=tuple(_headings(metrics)),
            rows=tuple(_rows(found, labels, names, metrics)),
            means=tuple(_rows(found, _mean_labels(sets, everyone, dataset), sets, metrics)),
            notes=(
                *_notes_on_means(sets, dataset, found, metrics),
                *_notes_on_metrics(found, everyone, metrics),
                *notes_on_runs(found, dataset, measured),
            ),
        )
    ]


def _is_published(found: Sequence[Column], metric: str) -> bool:
    return any(c.published(n, metric) is not None for c in found for n in classes_of([c], metric))


def _headings(metrics: Metrics) -> Iterator[tuple[str, tuple[str, ...]]]:
    for metric, is_published in metrics.items():
        name, _, kind = METRICS[metric].partition(" (")
        yield name, (kind.rstrip(")") or "ours", *(["paper"] if is_published else []))


def _rows(
    found: Sequence[Column],
    labels: Sequence[str],
    sets: Sequence[Sequence[str]],
    metrics: Metrics,
) -> Iterator[Row]:
    """Rows of the means over sets of categories; several methods under the label of their set."""
    for label, classes in zip(labels, sets, strict=True):
        if len(found) == 1:
            yield (label, *_cells(found[0], classes, metrics))
            continue
        if label:
            yield (label,)
        for column in found:
            yield (column.heading, *_cells(column, classes, metrics))


def _cells(column: Column, classes: Sequence[str], metrics: Metrics) -> Iterator[str]:
    for metric, is_published in metrics.items():
        single = len(classes) == 1
        yield (
            spread(column.values(classes[0], metric)) if single else mean(column, classes, metric)
        )
        if is_published:
            yield number(column.published_mean(classes, metric))


def _sets(found: Sequence[Column], metrics: Metrics) -> list[list[str]]:
    """The sets of categories that any metric has a mean over, textures before objects and all."""
    sets = {tuple(part): part for metric in metrics for part in averaged_sets(found, metric)}
    return sorted(sets.values(), key=len)


def _mean_labels(sets: list[list[str]], everyone: list[str], dataset: str) -> list[str]:
    """`mean of textures`, `mean of 3 objects`, `mean of 4`, `mean of all 15`."""
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


def _notes_on_means(
    sets: list[list[str]], dataset: str, found: Sequence[Column], metrics: Metrics
) -> Iterator[str]:
    """Which categories a mean is over, where its label does not say it."""
    total = number_of_classes(dataset)
    groups = [set(group) for group in GROUPS.get(dataset, {}).values()]
    for part in sets:
        if len(part) == total or set(part) in groups:
            continue
        where = f"{len(part)} of {total}" if total else f"{len(part)}"
        printed = any(
            c.published_mean(part, metric) is not None for c in found for metric in metrics
        )
        beside = "; the paper's beside it is over the same" if printed else ""
        yield f"Mean over {where} categories ({listing(part, 15)}){beside}."


def _notes_on_metrics(
    found: Sequence[Column], everyone: list[str], metrics: Metrics
) -> Iterator[str]:
    """What lacks ground truth, and what decides which pixels F1 counts."""
    masked = classes_of(found, "pixel_auroc")
    without = [dataset_name(name) for name in everyone if name not in masked]
    if without:
        yield f"No masks, so nothing is known of pixels: {listing(without, 15)}."
    if "f1" in metrics:
        rules = {run.config["threshold"]["rule"] for c in found for run in c.runs}
        words = listing([rule_name(rule) for rule in sorted(rules)])
        yield (
            f"F1 is of all test pixels together, at the threshold chosen by {words} on held-out "
            "normal images; the oracle's threshold is the best on the test masks."
        )
