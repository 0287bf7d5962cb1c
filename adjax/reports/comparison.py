"""Runs and sweeps side by side: rows are settings or classes, columns the folders compared."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from adjax.errors import UserError
from adjax.evaluation.metrics import METRICS
from adjax.reports.columns import NAMED, Column, classes_of, make_columns, setting_of
from adjax.reports.finished_run import Run
from adjax.reports.finished_sweep import Sweep, provenance
from adjax.reports.rendering import ABSENT, Table
from adjax.reports.words import listing, setting_text

_PAGES = (".html", ".htm")
_MOST_VALUES = 6  # of a setting that are named


def is_page(path: str | Path) -> bool:
    """Return whether a path is that of a page in HTML."""
    return Path(path).suffix in _PAGES


class Side(NamedTuple):
    """What is compared: a run, a sweep or a record.

    Attributes:
      name: what tells it from the others.
      path: its folder or file.
      sweep: its runs.

    """

    name: str
    path: Path
    sweep: Sweep

    @property
    def runs(self) -> list[Run]:
        """Its runs with results."""
        return self.sweep.runs


Row = dict[str, Column]  # what stands in a row, by the names of sides


def sides_of(paths: Sequence[Path], sweeps: Sequence[Sweep]) -> list[Side]:
    """Return the sides of a comparison, named by what their paths do not share.

    Raises:
      UserError: if one is given twice.

    """
    whole = [Path(os.path.abspath(path)) for path in paths]
    for path in whole:
        if whole.count(path) > 1:
            raise UserError(f"--workdir: {path} is given twice: a comparison is of different ones")
    shared = os.path.commonpath([path.parent for path in whole])
    names = [os.path.relpath(path, shared) for path in whole]
    return [Side(*parts) for parts in zip(names, paths, sweeps, strict=True)]


def matched(sides: Sequence[Side]) -> Iterator[tuple[Run, dict[str, Row]]]:
    """Yield what stands in the same rows: for each data set a run of it, and the rows by heading.

    Columns of one heading are one row. Where no side has several, all stand in one row, whatever
    they are called: that is what is compared.
    """
    runs = [run for side in sides for run in side.runs]
    for kind in dict.fromkeys((run.dataset, run.about.noun) for run in runs):
        rows: dict[str, Row] = {}
        own = {
            side.name: [run for run in side.runs if (run.dataset, run.about.noun) == kind]
            for side in sides
        }
        columns = {name: make_columns(part) for name, part in own.items() if part}
        is_one = all(len(found) == 1 for found in columns.values())
        for name, found in columns.items():
            for column in found:
                rows.setdefault("" if is_one else column.heading, {})[name] = column
        yield next(run for part in own.values() for run in part), rows


def metric_tables(sides: Sequence[Side]) -> Iterator[Table]:
    """Yield a table of each data set and metric: a row a class, or of several settings a row each.

    Of two sides the difference stands beside them.
    """
    for run, rows in matched(sides):
        everyone = [column for row in rows.values() for column in row.values()]
        for metric in METRICS:
            if not classes_of(everyone, metric):
                continue
            caption = f"{run.about.dataset}, {METRICS[metric]}"
            caption += ", one class left out" if run.about.leaves_one_out else ""
            names = [side.name for side in sides]
            groups = (("", (*names, *(["difference"] if len(names) == 2 else []))),)
            if list(rows) == [""]:
                classes = classes_of(everyone, metric)
                body = [_row(name, names, rows[""], metric, [name]) for name in classes]
                common = _common(rows[""], metric)
                label = (
                    "mean"
                    if len(common) == len(classes)
                    else f"mean of {listing(common or classes)}"
                )
                means = [_row(label, names, rows[""], metric, common)] if common[1:] else []
                yield Table(caption, run.about.noun, groups, tuple(body), tuple(means))
                continue
            body = [
                _row(heading, names, row, metric, _common(row, metric))
                for heading, row in rows.items()
                if any(classes_of([column], metric) for column in row.values())
            ]
            note = "Means over the classes that all in a row have."
            yield Table(caption, "setting", groups, tuple(body), notes=(note,))


def _common(row: Row, metric: str) -> list[str]:
    """Return the classes of which all columns of a row have a metric."""
    own = [set(classes_of([column], metric)) for column in row.values()]
    return [c for c in classes_of(list(row.values()), metric) if all(c in part for part in own)]


def _row(
    label: str, names: Sequence[str], row: Row, metric: str, classes: Sequence[str]
) -> tuple[str, ...]:
    """Return a label, the means over classes of all sides, and of two their difference."""
    cells = [row[n].mean(classes, metric) if n in row and classes else ABSENT for n in names]
    if len(names) > 2:
        return label, *cells
    if ABSENT in cells:
        return label, *cells, ABSENT
    first, second = (float(cell.split()[0]) for cell in cells)  # as they are printed
    return label, *cells, f"{second - first:+.3f}".replace("-", "\N{MINUS SIGN}")


def settings_table(sides: Sequence[Side]) -> Table:
    """Return the settings in which sides differ, a row each: the values that each side has."""
    own = [[setting_of(r, m) | _named(r, m) for r in s.runs for m in r.members] for s in sides]
    keys = dict.fromkeys(key for side in own for setting in side for key in sorted(setting))
    rows = []
    for key in keys:
        values = [_values(key, settings) for settings in own]
        if len({frozenset(found) for found in values}) > 1:
            rows.append((key, *(listing(list(found.values()), _MOST_VALUES) for found in values)))
    rows = rows or [("none", *(ABSENT for _ in sides))]
    groups = (("", tuple(side.name for side in sides)),)
    return Table("Settings that differ", "setting", groups, tuple(rows))


def _named(run: Run, member: Mapping) -> dict[str, object]:
    """Settings that headings and rows say elsewhere."""
    names = {"method": run.about.title, "data.name": run.about.dataset}
    names |= {"data.normal_class": member["class_name"], "seed": member["seed"]}
    return {key: names[key] for key in NAMED if key in names}


def _values(key: str, settings: Sequence[Mapping]) -> dict[str, str]:
    """Return the texts of the values that a setting has, by the values."""
    found = [setting.get(key) for setting in settings]
    return {json.dumps(value): setting_text(value) for value in found}


def circumstances_table(sides: Sequence[Side]) -> Table:
    """Return how the numbers of each side came about."""
    facts = [provenance(side.sweep) for side in sides]
    names = dict.fromkeys(name for own in facts for name in own)
    rows = tuple((name, *(own.get(name, ABSENT) for own in facts)) for name in names)
    return Table("How they came about", "", (("", tuple(side.name for side in sides)),), rows)
