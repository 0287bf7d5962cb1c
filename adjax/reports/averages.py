"""Our numbers as means: over the seeds of a class, and over classes."""

from collections.abc import Sequence

import numpy as np

from adjax.reports.columns import Column
from adjax.reports.names import listing
from adjax.reports.published import GROUPS
from adjax.reports.rendering import ABSENT


def classes_of(found: Sequence[Column], *metrics: str) -> list[str]:
    """The names of the classes for which any of the columns has one of the metrics, by label."""
    everyone = [member for column in found for run in column.runs for member in run.members]
    members = [member for member in everyone if any(metric in member for metric in metrics)]
    members = sorted(members, key=lambda member: member["normal_class"])
    return list(dict.fromkeys(member["class_name"] for member in members))


def averaged_sets(found: Sequence[Column], metric: str) -> list[list[str]]:
    """The sets of classes to average over: those of each column, and what all columns have.

    So that every mean stands beside others of the same classes. A single class has no mean.
    """
    everyone = classes_of(found, metric)
    own = [set(classes_of([column], metric)) for column in found]
    sets = dict.fromkeys(map(frozenset, (everyone, *own, set.intersection(*own))))
    groups = GROUPS.get(found[0].runs[0].results["dataset"], {})  # such as textures
    sets |= dict.fromkeys(frozenset(everyone) & frozenset(group) for group in groups.values())
    covered = [part for part in sets if len(part) > 1 and any(part <= o for o in own)]
    ordered = sorted(covered, key=len, reverse=True)
    return [[name for name in everyone if name in part] for part in ordered]


def mean_names(sets: list[list[str]]) -> list[str]:
    """`mean`, or `mean of 10`, `mean of 4`; two sets of one size are named by their classes."""
    if len(sets) == 1:
        return ["mean"]
    sizes = [len(part) for part in sets]
    return [
        f"mean of {len(part)}" if sizes.count(len(part)) == 1 else f"mean of {listing(part)}"
        for part in sets
    ]


def mean(column: Column, classes: list[str], metric: str) -> str:
    """The mean over classes; its spread is over seeds, where every class has the same seeds."""
    seeds = [column.values(name, metric) for name in classes]
    if not all(seeds):
        return ABSENT
    if len({frozenset(values) for values in seeds}) == 1:
        return spread({s: float(np.mean([values[s] for values in seeds])) for s in seeds[0]})
    return number(float(np.mean([np.mean(list(values.values())) for values in seeds])))


def number(value: float | None) -> str:
    """With three digits, as most tables are printed."""
    return ABSENT if value is None else f"{value:.3f}"


def spread(by_seed: dict[int, float]) -> str:
    """The mean over seeds and, from two seeds on, the sample standard deviation."""
    values = list(by_seed.values())
    if len(values) < 2:
        return number(values[0] if values else None)
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
