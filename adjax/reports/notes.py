"""Sentences below result tables: what stands behind their numbers."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from adjax.reports.columns import Column, classes_of
from adjax.reports.finished_run import Run
from adjax.reports.published import GROUPS, find_table, number_of_classes, recorded
from adjax.reports.words import count, listing, number, rule_name

MARK = " \N{DAGGER}"  # of a category whose kinds of images a plain statistic tells apart
_CONTROLLED = ("image_auroc", "false_positive_rate", "true_positive_rate")


def on_means(
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


def confounded(columns: Sequence[Column]) -> dict[str, list[str]]:
    """What confounds the kinds of images, in sentences, by category; of those where it does."""
    return {
        member["class_name"]: run.results["confounded"]
        for column in columns
        for run in column.runs
        for member in run.members
        if "confounded" in run.results
    }


def on_confounders(columns: Sequence[Column], titles: dict[str, str]) -> Iterator[str]:
    """Yield what marked categories are marked for, and scores without it."""
    for name, sentences in confounded(columns).items():
        yield f"{MARK.strip()} {titles.get(name, name)}: {'; '.join(sentences)}."
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


def on_doubts(columns: Sequence[Column], titles: dict[str, str]) -> Iterator[str]:
    """Yield what makes results of a category's images doubtful, whatever the method."""
    told = {
        (titles.get(member["class_name"], member["class_name"]), sentence): None
        for column in columns
        for run in column.runs
        for member in run.members
        for sentence in run.results.get("doubts", ())
    }
    for name, sentence in told:
        yield f"{name}: {sentence}."


def on_pixels(
    columns: Sequence[Column], everyone: list[str], titles: dict[str, str], metrics: Iterable[str]
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


def on_runs(columns: Sequence[Column], metrics: Sequence[str]) -> Iterator[str]:
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


def on_originals(columns: Sequence[Column], metric: str) -> Iterator[str]:
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


def on_images(runs: Sequence[Run]) -> Iterator[str]:
    """Yield what is to be known of the images behind tables, a sentence each."""
    yield from unmeasured(runs)
    yield from _changed(runs)
    by_test: dict[str, set[str]] = {}
    for run in runs:
        if run.is_tested and "tested_on" in run.results:  # those of earlier versions do not say it
            names = [run.about.dataset]
            if run.about.has_categories:
                names = [run.member_name(member, run.members[:1]) for member in run.members]
            for name in names:
                by_test.setdefault(name, set()).add(run.results["tested_on"]["digest"])
    if several := [name for name, digests in by_test.items() if len(digests) > 1]:
        yield (
            "Not all numbers are of the same test images and masks, so they do not compare: "
            f"{listing(several, 15)}."
        )


def _changed(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a sentence for each run that went on though its training images had changed."""
    for run in runs:
        if changes := run.results.get("changed_data"):
            names = [run.member_name(member) for member in run.members]
            who = ", ".join(dict.fromkeys([run.about.dataset, run.about.title, listing(names)]))
            yield (
                f"{who}: its training images changed after training had begun, which was accepted: "
                f"{'; then '.join(changes)}."
            )


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
        for sentence in run.results.get("doubts", ()):
            yield f"{run.about.dataset}: {sentence}."


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
