"""Sentences under result tables: what stands behind their numbers."""

from collections.abc import Iterator, Sequence

from adjax.reports.averages import classes_of
from adjax.reports.columns import Column
from adjax.reports.names import count, dataset_name, listing, member_name, method_name
from adjax.reports.published import find_table, number_of_classes
from adjax.reports.run import Run


def stages_in_words(run: Run) -> str:
    """`teacher 1,200 steps, student 800 steps`."""
    stages = run.results.get("stages", [])
    return ", ".join(f"{stage['name']} {count(stage['steps'], 'step')}" for stage in stages)


def notes_on_means(
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


def notes_on_runs(found: list[Column], dataset: str, metrics: Sequence[str]) -> Iterator[str]:
    """Settings behind the columns, what a spread is, and where the paper's numbers stand."""
    told: dict[str, list[str]] = {}
    configs = {run.results["config_hash"] for column in found for run in column.runs}
    config = [f"config {name}" for name in configs if len(configs) == 1]
    for column in found:
        sentence = "; ".join([*_settings(column, metrics), *config])
        told.setdefault(sentence, []).append(column.heading)
    for sentence, headings in told.items():
        every = len(told) == 1 and len(headings) > 1
        yield f"{'All' if every else listing(headings)}: {sentence}."
    seeds = (c.values(name, m) for c in found for m in metrics for name in classes_of([c], m))
    if any(len(by_seed) > 1 for by_seed in seeds):
        yield "± is the sample standard deviation over seeds."
    tables = [find_table(c.compared, c.method, m, c.auxiliary) for m in metrics for c in found]
    for source in dict.fromkeys(table.source for table in tables if table is not None):
        yield f"paper: {source}."


def unmeasured(runs: Sequence[Run]) -> Iterator[str]:
    """What there is of members whose test images cannot say how good they are, each in words."""
    everyone = [member for run in runs for member in run.members]
    for run in runs:
        if run.is_tested:
            continue
        kind = "normal" if run.anomalous.any() else "anomalous"
        for member in run.members:
            parts = [dataset_name(run.results["dataset"]), method_name(run.results["method"])]
            parts.append(member_name(member, everyone, run.noun))
            who = f"{', '.join(dict.fromkeys(parts))}: there" if len(everyone) > 1 else "There"
            rates = _flagged(member.get("image_threshold"), kind)
            yield f"{who} are no {kind} test images, so no AUROC.{rates}"


def _flagged(rule: dict | None, missing: str) -> str:
    if rule is None:
        return ""
    rates = {"anomalous": "false_positive_rate", "normal": "true_positive_rate"}
    return (
        f" Of the {'normal' if missing == 'anomalous' else 'anomalous'} images scored "
        f"{rule[rates[missing]]:.1%} are above {rule['threshold']:.4g}, the threshold that "
        f"held-out normal images set ({rule['rule']})."
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
        + (f", not all of every {column.runs[0].noun}" if uneven else ""),
        *sorted(stages - {""}),
        f"image score {listing(sorted(scores))}"
        + (" (chosen by labels of test images, which are left out)" if "oracle" in scores else ""),
    ]
