"""Columns of result tables: members that are replicates of each other, and means over them."""

import json
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adjax.reports.finished_run import Run, hyper_parameters
from adjax.reports.published import GROUPS, published_mean
from adjax.reports.rendering import ABSENT
from adjax.reports.words import listing, number, setting_text, spread

# Settings that rows and headings say; members that differ in nothing else are replicates.
NAMED = ("method", "data.name", "data.normal_class", "seed", "members")


class Column(NamedTuple):
    """Members of one method and variant that differ in class and seed only.

    Attributes:
      setting: in what they differ from other members of the method, ` (steps 500)`; mostly empty.
      runs: those that have them.

    """

    setting: str
    runs: list[Run]

    @property
    def run(self) -> Run:
        """The first run, for what all have in common."""
        return self.runs[0]

    @property
    def heading(self) -> str:
        """`OE-SDN`, `OE-SDN with shearing`, `AE (learning_rate 0.003)`."""
        return self.run.about.name + self.setting

    def values(self, class_name: str, metric: str) -> dict[int, float]:
        """Return the metric by seed for one normal class."""
        return {
            member["seed"]: member[metric]
            for run in self.runs
            for member in run.members
            if member["class_name"] == class_name and metric in member
        }

    def mean(self, classes: Sequence[str], metric: str) -> str:
        """Return the mean over classes, with its spread over seeds if all have the same ones."""
        seeds = [self.values(name, metric) for name in classes]
        if not all(seeds):
            return ABSENT
        if len({frozenset(values) for values in seeds}) == 1:
            return spread({s: float(np.mean([values[s] for values in seeds])) for s in seeds[0]})
        return number(float(np.mean([np.mean(list(values.values())) for values in seeds])))

    def published_mean(self, classes: Sequence[str], metric: str) -> float | None:
        """Return the published mean over the same classes, if there is one."""
        run = self.run
        method = run.about.published_as
        return published_mean(run.compared, method, classes, metric, run.about.unusual_variant)


def make_columns(runs: Sequence[Run]) -> list[Column]:
    """Return a column for each method and variant, and each setting in which members differ.

    Where runs of equal settings repeat a seed of a class, each gets a column of its own.
    """
    systems: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        systems.setdefault((run.method, run.about.variant), []).append(run)
    result = []
    for group in systems.values():
        for setting, part in _by_setting(group).items():
            members = [(m["class_name"], m["seed"]) for run in part for m in run.members]
            if len(set(members)) == len(members):
                result.append(Column(setting, part))
                continue
            shared = os.path.commonpath([run.workdir.absolute().parent for run in part])
            for run in part:
                folder = os.path.relpath(run.workdir.absolute(), shared)
                result.append(Column(f"{setting} ({folder})", [run]))
    return result


def _by_setting(runs: list[Run]) -> dict[str, list[Run]]:
    """Return the runs split by their members' settings, each part by what is special to it."""
    settings = [[setting_of(run, member) for member in run.members] for run in runs]
    differing = _differing(runs, [setting for of_run in settings for setting in of_run])
    parts: dict[str, list[Run]] = {}
    for run, of_run in zip(runs, settings, strict=True):
        words = [_in_words(setting, differing) for setting in of_run]
        for text in dict.fromkeys(words):
            rows = [row for row, own in enumerate(words) if own == text]
            parts.setdefault(text, []).append(run.of_members(rows))
    return parts


def hyper_parameters_of(runs: Sequence[Run]) -> list[str]:
    """Return the keys in which runs of one method and variant differ, whichever it is."""
    systems: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        systems.setdefault((run.method, run.about.variant), []).append(run)
    found = set()
    for group in systems.values():
        found |= set(_differing(group, [setting_of(r, m) for r in group for m in r.members]))
    return sorted(found)


def by_value(columns: Sequence[Column]) -> list[Column]:
    """Return columns by method as they come, then by the values in which they differ."""
    keys = hyper_parameters_of([run for column in columns for run in column.runs])
    systems = list(dict.fromkeys(column.run.about.name for column in columns))

    def order(column: Column) -> tuple:
        setting = setting_of(column.run, column.run.members[0])
        values = [setting.get(key) for key in keys]
        numbers = [v if isinstance(v, int | float) else 0 for v in values]
        texts = ["" if isinstance(v, int | float) else json.dumps(v) for v in values]
        return systems.index(column.run.about.name), *zip(texts, numbers, strict=True)

    return sorted(columns, key=order)


def setting_of(run: Run, member: dict) -> dict:
    """Return all that decides a member's numbers and that no heading says, by dotted keys."""
    setting = run.settings | hyper_parameters(member)
    return {key: value for key, value in setting.items() if key not in NAMED}


def _differing(runs: list[Run], settings: list[dict]) -> list[str]:
    """Keys in which settings differ; where there are categories, those of one category.

    Textures and objects are trained on in their own ways, which makes them no other columns. A key
    that only some have is an option of an alternative that the others did not choose.
    """
    members = [member for run in runs for member in run.members]
    parts: dict[str, list[dict]] = {}
    for member, setting in zip(members, settings, strict=True):
        part = member["class_name"] if runs[0].about.has_categories else ""
        parts.setdefault(part, []).append(setting)
    return [
        key
        for key in sorted({key for setting in settings for key in setting})
        if any(len({json.dumps(s[key]) for s in part if key in s}) > 1 for part in parts.values())
    ]


def _in_words(setting: dict, keys: list[str]) -> str:
    """` (learning_rate 0.003, steps 500)`."""
    words = [
        f"{name} {setting_text(setting[key])}"
        for name, key in zip(short_names(keys), keys, strict=True)
        if key in setting
    ]
    return f" ({', '.join(words)})" if words else ""


def short_names(keys: Sequence[str]) -> list[str]:
    """Return the last parts of dotted keys; a key whose last part two share is written out."""
    lasts = [key.rpartition(".")[2] for key in keys]
    return [last if lasts.count(last) == 1 else key for key, last in zip(keys, lasts, strict=True)]


def classes_of(columns: Sequence[Column], *metrics: str) -> list[str]:
    """Return the names of the classes of which any column has one of the metrics, by label."""
    everyone = [member for column in columns for run in column.runs for member in run.members]
    members = [member for member in everyone if any(metric in member for metric in metrics)]
    members = sorted(members, key=lambda member: member["normal_class"])
    return list(dict.fromkeys(member["class_name"] for member in members))


def averaged_sets(columns: Sequence[Column], metric: str) -> list[list[str]]:
    """Return the sets of classes to average over: all, each column's, and what all columns have.

    So every mean stands beside others of the same classes. A single class has no mean.
    """
    everyone = classes_of(columns, metric)
    own = [set(classes_of([column], metric)) for column in columns]
    sets = dict.fromkeys(map(frozenset, (everyone, *own, set.intersection(*own))))
    groups = GROUPS.get(columns[0].run.dataset, {})  # such as textures
    sets |= dict.fromkeys(frozenset(everyone) & frozenset(group) for group in groups.values())
    covered = [part for part in sets if len(part) > 1 and any(part <= o for o in own)]
    ordered = sorted(covered, key=len, reverse=True)
    return [[name for name in everyone if name in part] for part in ordered]


def mean_names(sets: list[list[str]]) -> list[str]:
    """Return `mean`, or `mean of 10`, `mean of 4`; sets of one size are named by their classes."""
    if len(sets) == 1:
        return ["mean"]
    sizes = [len(part) for part in sets]
    return [
        f"mean of {len(part) if sizes.count(len(part)) == 1 else listing(part)}" for part in sets
    ]
