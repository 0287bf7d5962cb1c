"""Result tables: our numbers beside the published ones, and sentences on what stands behind them.

Rows are normal classes and columns methods, as in Table 1 of Chung et al. Several variants of a
method make a table of their own, whose rows they are, as in Table 3. Categories have one table of
all metrics: metrics are its columns, categories and methods its rows.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from adjax.evaluation.metrics import METRICS
from adjax.reports.columns import Column, averaged_sets, classes_of, make_columns, mean_names
from adjax.reports.finished_run import Run
from adjax.reports.published import (
    GROUPS,
    find_table,
    number_of_classes,
    recorded,
    variant_average,
    variants_table,
)
from adjax.reports.rendering import ABSENT, Table
from adjax.reports.words import count, listing, normal_name, number, rule_name, spelled

_MARK = " \N{DAGGER}"  # of a category whose kinds of images a plain statistic tells apart
_CONTROLLED = ("image_auroc", "false_positive_rate", "true_positive_rate")

Metrics = dict[str, bool]  # those measured, and whether any of the methods has published values


def results_tables(runs: Sequence[Run]) -> list[Table]:
    """Return the tables of each data set and metric; where there are categories one of all."""
    tables = []
    for kind in dict.fromkeys((run.dataset, run.about.noun) for run in runs):
        columns = make_columns([run for run in runs if (run.dataset, run.about.noun) == kind])
        if columns[0].run.about.has_categories:
            tables += _categories_table(columns)
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
            *_notes_on_means(columns, averaged, [metric]),
            *_notes_on_runs(columns, [metric]),
            *_notes_on_originals(columns, metric),
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
            *_notes_on_means(columns, averaged, [metric]),
            *unlike,
            *_notes_on_runs(columns, [metric]),
        ),
    )


def _categories_table(columns: Sequence[Column]) -> Iterator[Table]:
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
    confounded = _confounded(columns)
    labels = [titles.get(name, name) + _MARK * (name in confounded) for name in everyone]
    caption, corner = run.about.dataset, "category"
    if len(columns) == 1:
        caption += f", {columns[0].heading}"
    elif len(everyone) == 1:
        if everyone != [run.dataset]:
            caption += f", {normal_name(everyone, run.about.noun, titles)}"
        corner, labels = "method", [""]
    yield Table(
        caption=caption,
        corner=corner,
        groups=tuple(groups),
        rows=tuple(_rows(columns, labels, [[name] for name in everyone], metrics)),
        means=tuple(_rows(columns, _mean_labels(sets, everyone, run.dataset), sets, metrics)),
        notes=(
            *_notes_on_means(columns, sets, metrics),
            *_notes_on_confounders(columns, titles),
            *_notes_on_pixels(columns, everyone, titles, metrics),
            *_notes_on_runs(columns, list(metrics)),
        ),
    )


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


def _notes_on_means(
    columns: Sequence[Column], sets: list[list[str]], metrics: Iterable[str]
) -> Iterator[str]:
    """Yield which classes or categories a mean is over, where its label does not say it."""
    run = columns[0].run
    nouns, same = (
        ("categories", "same") if run.about.has_categories else ("classes", "same classes")
    )
    total = number_of_classes(run.dataset)
    groups = list(map(set, GROUPS.get(run.dataset, {}).values()))
    for part in sets:
        if run.about.has_categories:
            is_said = len(part) == total or set(part) in groups
        else:
            is_said = len(sets) == 1 and total in (None, len(part))
        if is_said:
            continue
        printed = (column.published_mean(part, m) for column in columns for m in metrics)
        is_compared = any(value is not None for value in printed)
        where = f"{len(part)} of {total}" if total else f"{len(part)}"
        beside = f"; the paper's beside it is over the {same}" if is_compared else ""
        yield f"Mean over {where} {nouns} ({listing(part, 15)}){beside}."


def _confounded(columns: Sequence[Column]) -> dict[str, list[str]]:
    """What confounds the kinds of images, in sentences, by category; of those where it does."""
    return {
        member["class_name"]: run.results["confounded"]
        for column in columns
        for run in column.runs
        for member in run.members
        if "confounded" in run.results
    }


def _notes_on_confounders(columns: Sequence[Column], titles: dict[str, str]) -> Iterator[str]:
    """Yield what marked categories are marked for, and scores without it."""
    for name, sentences in _confounded(columns).items():
        yield f"{_MARK.strip()} {titles.get(name, name)}: {'; '.join(sentences)}."
        controlled = []
        for column in columns:
            members = [m for run in column.runs for m in run.members if m["class_name"] == name]
            values = [m["controlled"] for m in members if "controlled" in m]
            if values:
                means = [np.mean([v[key] for v in values]) for key in _CONTROLLED]
                controlled.append("{} {:.3f} ({:.0%}, {:.0%})".format(column.heading, *means))
        if controlled:
            yield (
                f"{titles.get(name, name)} at one median brightness, image AUROC (normal images "
                f"flagged, anomalies found): {listing(controlled, len(controlled))}."
            )


def _notes_on_pixels(
    columns: Sequence[Column], everyone: list[str], titles: dict[str, str], metrics: Metrics
) -> Iterator[str]:
    """Yield what lacks ground truth, and what decides which pixels F1 counts."""
    masked = classes_of(columns, "pixel_auroc")
    without = [titles.get(name, name) for name in everyone if name not in masked]
    if without:
        yield f"No masks, so nothing is known of pixels: {listing(without, 15)}."
    for name in everyone:
        if missing := _without_masks(columns, name):
            yield (
                f"{titles.get(name, name)}: {count(missing, 'defective test image')} without a "
                "mask that marks something; pixel metrics are of the others."
            )
    if "f1" in metrics:
        rules = {run.config["threshold"]["rule"] for column in columns for run in column.runs}
        yield (
            f"F1 is of all test pixels together, at the threshold chosen by "
            f"{listing([rule_name(rule) for rule in sorted(rules)])} on held-out "
            "normal images; the oracle's threshold is the best on the test masks."
        )


def _without_masks(columns: Sequence[Column], name: str) -> int:
    members = (m for column in columns for run in column.runs for m in run.members)
    return max((m.get("without_masks", 0) for m in members if m["class_name"] == name), default=0)


def _notes_on_runs(columns: Sequence[Column], metrics: Sequence[str]) -> Iterator[str]:
    """Yield settings behind the columns, what a spread is, and where the paper's numbers stand."""
    told: dict[str, list[str]] = {}
    configs = {run.results["config_hash"] for column in columns for run in column.runs}
    config = [f"config {name}" for name in configs if len(configs) == 1]
    for column in columns:
        sentence = "; ".join([*_settings(column, metrics), *config])
        told.setdefault(sentence, []).append(column.heading)
    for sentence, headings in told.items():
        every = len(told) == 1 and len(headings) > 1
        yield f"{'All' if every else listing(headings)}: {sentence}."
    seeds = (c.values(name, m) for c in columns for m in metrics for name in classes_of([c], m))
    if any(len(by_seed) > 1 for by_seed in seeds):
        yield "± is the sample standard deviation over seeds."
    tables = [
        find_table(run.compared, run.about.published_as, metric, run.about.unusual_variant)
        for metric in metrics
        for run in (column.run for column in columns)
    ]
    for source in dict.fromkeys(table.source for table in tables if table):
        yield f"paper: {source}."


def _notes_on_originals(columns: Sequence[Column], metric: str) -> Iterator[str]:
    """Yield what the published form of a variant came to in earlier runs, if none is here."""
    here = {column.run.method for column in columns}
    for column in columns:
        run = column.run
        original = run.about.published_as
        if run.method == original or original in here or run.about.unusual_variant:
            continue
        classes = classes_of([column], metric)
        if earlier := recorded(run.compared, original, classes, metric):
            value, source = earlier
            over = f"the mean of these {len(classes)} classes" if len(classes) > 1 else "this class"
            yield (
                f"Beside {run.about.title}, the published form on {over}: {number(value)}, "
                f"recorded in {source}."
            )


def _settings(column: Column, metrics: Sequence[str]) -> list[str]:
    """Seeds, steps and score behind a column."""
    metric = next(metric for metric in metrics if classes_of([column], metric))
    by_class = [column.values(name, metric).keys() for name in classes_of([column], metric)]
    seeds = sorted(set().union(*by_class))
    uneven = any(set(seeds) != own for own in by_class)
    stages = {stages_in_words(run) for run in column.runs}
    scores = {run.results["image_score"] for run in column.runs}
    return [
        f"{'seed' if len(seeds) == 1 else 'seeds'} {listing([str(seed) for seed in seeds])}"
        + (f", not all of every {column.run.about.noun}" if uneven else ""),
        *sorted(stages - {""}),
        f"image score {listing(sorted(scores))}"
        + (" (chosen by labels of test images, which are left out)" if "oracle" in scores else ""),
    ]


def stages_in_words(run: Run) -> str:
    """Return `teacher 1,200 steps, student 800 steps`."""
    stages = run.results.get("stages", [])
    return ", ".join(f"{stage['name']} {count(stage['steps'], 'step')}" for stage in stages)


def unmeasured(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a sentence for each member whose test images cannot say how good it is."""
    everyone = [member for run in runs for member in run.members]
    for run in runs:
        if run.is_tested:
            continue
        kind = "normal" if run.anomalous.any() else "anomalous"
        for member in run.members:
            parts = [run.about.dataset, run.about.title, run.member_name(member, everyone)]
            who = f"{', '.join(dict.fromkeys(parts))}: there" if len(everyone) > 1 else "There"
            rates = _flagged(member.get("image_threshold"), kind)
            if run.results.get("tests_held_out"):
                rates = _UNJUDGED if rates else ""
            yield f"{who} are no {kind} test images, so no AUROC.{rates}"


_UNJUDGED = (
    " The threshold is not judged either: the images scored are the held-out normal ones that set "
    "it."
)


def _flagged(rule: dict | None, missing: str) -> str:
    if rule is None:
        return ""
    scored, rate = ("normal", "false_positive_rate")
    if missing == "normal":
        scored, rate = ("anomalous", "true_positive_rate")
    return (
        f" Of the {scored} images scored {rule[rate]:.1%} are above {rule['threshold']:.4g}, the "
        f"threshold that held-out normal images set ({rule['rule']})."
    )
