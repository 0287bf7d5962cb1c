"""Which members are replicates of each other: the columns of result tables."""

import json
import os
from collections.abc import Sequence
from typing import NamedTuple

from adjax import settings
from adjax.reports.names import auxiliary_name, method_name
from adjax.reports.published import ROTATION, published, published_mean
from adjax.reports.run import Run, hyper_parameters

# What a table says by its rows and headings; members that differ in nothing else are replicates.
NAMED = ("method", "data.name", "data.normal_class", "seed", "members", "student.auxiliary")


class Column(NamedTuple):
    """The members of one method, auxiliary set and setting.

    auxiliary: of OE-SDN, the name of its set; empty for other methods.
    setting: in what they differ from other members of the method, ` (steps 500)`; mostly empty.
    """

    method: str
    auxiliary: str
    setting: str
    runs: list[Run]

    @property
    def heading(self) -> str:
        """`OE-SDN`, `OE-SDN with shearing`, `AE (learning_rate 0.003)`."""
        return system_name(self.method, self.auxiliary) + self.setting

    def values(self, class_name: str, metric: str) -> dict[int, float]:
        """The metric of each seed for one normal class."""
        return {
            member["seed"]: member[metric]
            for run in self.runs
            for member in run.members
            if member["class_name"] == class_name and metric in member
        }

    @property
    def compared(self) -> str:
        """The data set of the published tables that compare: none where one class is left out."""
        return compared(self.runs[0])

    def published(self, class_name: str, metric: str) -> float | None:
        """The published value for one normal class, if any."""
        return published(self.compared, self.method, class_name, metric, self.auxiliary)

    def published_mean(self, classes: Sequence[str], metric: str) -> float | None:
        """The published mean over the same classes, if any."""
        return published_mean(self.compared, self.method, classes, metric, self.auxiliary)


def compared(run: Run) -> str:
    """The data set that published tables have a run's numbers of; empty: none has them.

    The tables for sets of image classes are of the one-class protocol.
    """
    return "" if run.leaves_one_out else run.results["dataset"]


def system_name(method: str, auxiliary: str) -> str:
    """`OE-SDN` is that of the published table, with rotation; other sets are named."""
    special = auxiliary not in ("", ROTATION)
    return method_name(method) + (f" with {auxiliary_name(auxiliary)}" if special else "")


def auxiliary_of(method: str, config: dict) -> str:
    """The auxiliary set of a run of OE-SDN; empty for other methods, which use none."""
    return config["student"]["auxiliary"] if method == "oe_sdn" else ""


def run_name(run: Run) -> str:
    """What was run: `OE-SDN with shearing`."""
    method = run.results["method"]
    return system_name(method, auxiliary_of(method, run.config))


def columns(runs: Sequence[Run]) -> list[Column]:
    """One column for each method and auxiliary set, and setting where members differ in one.

    Members of one column differ in class and seed only. Where runs of equal settings repeat a seed
    of a class, each gets a column of its own.
    """
    systems: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        method = run.results["method"]
        systems.setdefault((method, auxiliary_of(method, run.config)), []).append(run)
    result = []
    for (method, auxiliary), group in systems.items():
        for setting, part in _by_setting(group).items():
            members = [(m["class_name"], m["seed"]) for run in part for m in run.members]
            if len(set(members)) == len(members):
                result.append(Column(method, auxiliary, setting, part))
            else:
                names = _folder_names(part)
                result += [
                    Column(method, auxiliary, f"{setting} ({name})", [run])
                    for name, run in zip(names, part, strict=True)
                ]
    return result


def _by_setting(runs: list[Run]) -> dict[str, list[Run]]:
    """The runs, split by their members' settings; each part by what is special to it."""
    found = [[_setting(run, member) for member in run.members] for run in runs]
    everyone = [setting for of_run in found for setting in of_run]
    differing = _differing(runs, everyone)
    parts: dict[str, list[Run]] = {}
    for run, of_run in zip(runs, found, strict=True):
        rows: dict[str, list[int]] = {}
        for row, setting in enumerate(of_run):
            rows.setdefault(_in_words(setting, differing), []).append(row)
        for words, chosen in rows.items():
            parts.setdefault(words, []).append(run.of_members(chosen))
    return parts


def _differing(runs: list[Run], everyone: list[dict]) -> list[str]:
    """The keys in which settings differ; of industrial images those of one category.

    Textures and objects are trained on in their own ways, which makes them no other columns.
    """
    members = [member for run in runs for member in run.members]
    parts: dict[str, list[dict]] = {}
    for member, setting in zip(members, everyone, strict=True):
        parts.setdefault(member["class_name"] if runs[0].is_industrial else "", []).append(setting)
    keys = dict.fromkeys(key for setting in everyone for key in setting)
    return [
        key
        for key in keys
        if any(len({json.dumps(s.get(key)) for s in part}) > 1 for part in parts.values())
    ]


def _setting(run: Run, member: dict) -> dict:
    """Dotted key -> value of all that decides a member's numbers and that no heading says."""
    found = settings.essential(run.config) | hyper_parameters(member)
    return {key: value for key, value in found.items() if key not in NAMED}


def _in_words(setting: dict, keys: list[str]) -> str:
    """` (learning_rate 0.003, steps 500)`; a key whose last part two share is written out."""
    lasts = [key.rpartition(".")[2] for key in keys]
    names = [last if lasts.count(last) == 1 else key for key, last in zip(keys, lasts, strict=True)]
    words = [f"{n} {setting_text(setting.get(k))}" for n, k in zip(names, keys, strict=True)]
    return f" ({', '.join(words)})" if words else ""


def setting_text(value: object) -> str:
    """`2,000`, `0.003`, `bfloat16`, `(32, 64)`; `''` for no word."""
    if isinstance(value, bool) or not isinstance(value, int | float | list | tuple):
        return "absent" if value is None else str(value) or "''"
    if isinstance(value, list | tuple):
        return f"({', '.join(map(setting_text, value))})"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _folder_names(runs: list[Run]) -> list[str]:
    """What tells the runs' folders apart."""
    shared = os.path.commonpath([run.workdir.absolute().parent for run in runs])
    return [os.path.relpath(run.workdir.absolute(), shared) for run in runs]
