"""The settings of a sweep, one a row, ranked by what they come to."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adjax.evaluation.metrics import METRICS
from adjax.reports.columns import (
    Column,
    classes_of,
    hyper_parameters_of,
    make_columns,
    setting_of,
    short_names,
)
from adjax.reports.finished_run import Run
from adjax.reports.rendering import ABSENT
from adjax.reports.results_table import name_of
from adjax.reports.words import listing, setting_text

_DIGITS = 3  # that tables print; settings that are equal in these are equally good


class Cell(NamedTuple):
    """A value as it is shown, and what it is sorted by: a number or a text; None comes last."""

    text: str
    value: float | str | None
    is_best: bool = False


class Row(NamedTuple):
    """A setting.

    Attributes:
      name: of its method.
      parameters: its values of the ranking's hyper-parameters.
      metrics: means of the ranking's metrics.
      runs: that have it.

    """

    name: str
    parameters: list[Cell]
    metrics: list[Cell]
    runs: list[Run]


class Ranking(NamedTuple):
    """The settings of one data set, the best by the first metric first.

    Attributes:
      caption: what they are of.
      parameters: names of the hyper-parameters that differ.
      metrics: names of the metrics that were measured.
      rows: one a setting.
      notes: sentences on the means.

    """

    caption: str
    parameters: list[str]
    metrics: list[str]
    rows: list[Row]
    notes: list[str]


def rankings(runs: Sequence[Run], directory: Path) -> list[Ranking]:
    """Return a ranking of each data set and protocol that runs, below a folder, are of."""
    kinds = dict.fromkeys((run.dataset, run.about.noun) for run in runs)
    return [
        _ranking([run for run in runs if (run.dataset, run.about.noun) == kind], directory)
        for kind in kinds
    ]


def _ranking(runs: Sequence[Run], directory: Path) -> Ranking:
    columns, keys = make_columns(runs), hyper_parameters_of(runs)
    measured = [metric for metric in METRICS if classes_of(columns, metric)]
    values = [[_mean(columns, column, metric) for metric in measured] for column in columns]
    best = [_best([own[place] for own in values]) for place in range(len(measured))]
    settings = [_parameters(column, keys) for column in columns]
    names = short_names(keys)
    if len(
        {(c.run.about.name, *map(str, s)) for c, s in zip(columns, settings, strict=True)}
    ) < len(columns):  # settings that were repeated, seeds and all: their folders tell them apart
        names = [*names, "folder"]
        for column, cells in zip(columns, settings, strict=True):
            folder = name_of(column.run, directory)
            cells.append(Cell(folder, folder))
    rows = [
        Row(
            column.run.about.name,
            cells,
            [
                Cell(column.mean(_common(columns, metric), metric), value, _shown(value) == top)
                for metric, value, top in zip(measured, own, best, strict=True)
            ],
            column.runs,
        )
        for column, cells, own in zip(columns, settings, values, strict=True)
    ]
    rows.sort(key=_by_first_metric, reverse=True)
    about = runs[0].about
    caption = f"{about.dataset}{', one class left out' if about.leaves_one_out else ''}"
    titles = [METRICS[metric] for metric in measured]
    return Ranking(caption, names, titles, rows, list(_notes(columns, measured)))


def _by_first_metric(row: Row) -> float:
    known = [cell.value for cell in row.metrics[:1] if cell.value is not None]
    return known[0] if known else -math.inf


def _parameters(column: Column, keys: Sequence[str]) -> list[Cell]:
    setting = setting_of(column.run, column.run.members[0])
    return [_parameter(setting[key]) if key in setting else Cell(ABSENT, None) for key in keys]


def _parameter(value: Any) -> Cell:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Cell(setting_text(value), value if is_number else setting_text(value))


def _common(columns: Sequence[Column], metric: str) -> list[str]:
    """Return the classes that all columns have, or if there are none all."""
    everyone = classes_of(columns, metric)
    own = [set(found) for column in columns if (found := classes_of([column], metric))]
    common = set.intersection(*own)
    return [name for name in everyone if name in common] or everyone


def _mean(columns: Sequence[Column], column: Column, metric: str) -> float | None:
    means = [list(column.values(name, metric).values()) for name in _common(columns, metric)]
    return float(np.mean([np.mean(own) for own in means])) if all(means) else None


def _best(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _shown(max(known)) if len(known) > 1 else None


def _shown(value: float | None) -> float:
    return math.nan if value is None else round(value, _DIGITS)


def _notes(columns: Sequence[Column], metrics: Sequence[str]) -> Iterator[str]:
    """Yield which classes means are over, where not all settings have all."""
    noun = "categories" if columns[0].run.about.has_categories else "classes"
    told = set()
    for metric in metrics:
        common, everyone = _common(columns, metric), classes_of(columns, metric)
        if len(common) < len(everyone) and tuple(common) not in told:
            told.add(tuple(common))
            yield (
                f"Means are over the {len(common)} of {len(everyone)} {noun} that all settings "
                f"have: {listing(common, 15)}."
            )
    seeds = [
        column.values(n, m) for column in columns for m in metrics for n in classes_of([column], m)
    ]
    if any(len(by_seed) > 1 for by_seed in seeds):
        yield "± is the sample standard deviation over seeds."
