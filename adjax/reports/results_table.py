"""The results of a sweep as data: one row a member, for pandas, R or a spreadsheet.

A row holds where its run lies, what was trained on what, every setting in which the runs differ,
every metric and what it cost. `results.parquet` in a sweep's folder also holds, out of sight of
who reads its rows, what the reports of the sweep rest on, see `sources`.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from adjax import files
from adjax.reports.columns import NAMED
from adjax.reports.finished_run import Run, hyper_parameters
from adjax.reports.finished_search import Search
from adjax.reports.finished_sweep import Sweep
from adjax.reports.prediction_table import escaped
from adjax.reports.sources import ROWS, TABLE, as_metadata

_SUFFIXES = (".parquet", ".csv")
_OF_MEMBER = ("class_name", "normal_class", "seed")
_OF_STAGES = ("train_seconds", "compile_seconds")


def is_table(path: str | Path) -> bool:
    """Return whether a path is that of a table of results, not of a page or a record."""
    return Path(path).suffix in _SUFFIXES


def write_table(path: Path, sweep: Sweep) -> Path:
    """Write the rows of a sweep as Parquet or CSV; return the path.

    In CSV no text is one that a spreadsheet takes for a formula, see `prediction_table`.
    """
    values = columns(sweep)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        _write_csv(path, values)
    else:
        _write_parquet(path, values, {})
    return path


def write_sweep_table(sweep: Sweep) -> Path:
    """Write `results.csv` and `results.parquet` into a sweep's folder; return the latter's path."""
    directory = sweep.directory
    values, metadata = columns(sweep), as_metadata(sweep.sources)
    files.remove_left(directory)
    # Several drivers of a sweep may end at once.
    files.write_file(directory / ROWS, lambda part: _write_csv(part, values))
    files.write_file(directory / TABLE, lambda part: _write_parquet(part, values, metadata))
    return directory / TABLE


def name_of(run: Run, directory: Path) -> str:
    """Return the name of a run's folder below the sweep's."""
    return run.workdir.relative_to(directory).as_posix()


def columns(sweep: Sweep) -> dict[str, list]:
    """Return the values of all rows by the names of the columns; None where a row has none.

    Of a search a row is a trial, finished or not.
    """
    directory, search = sweep.directory, sweep.search
    rows, settings, metrics, costs = [], [], [], []
    for run in sweep.runs if search is None else search.runs.values():
        for member in run.members:
            rows.append(_facts(run, member, directory))
            settings.append(_settings(run, member))
            metrics.append(_metrics(member))
            costs.append(_costs(run))
    if search is not None:
        _add_trials(search, rows, settings, metrics, costs)
    return {
        name: _of_one_type([part.get(name) for part in group])
        for group, names in (
            (rows, _names(rows)),
            (settings, _differing(settings)),
            (metrics, _names(metrics)),
            (costs, _names(costs)),
        )
        for name in names
    }


def _add_trials(search: Search, rows, settings, metrics, costs) -> None:
    """Add to the rows of a search how each trial went, and rows of those that are no runs."""
    finished = {row["run"]: row for row in rows}
    example, usual = rows[0], settings[0]
    for trial in search.trials:
        if trial["run"] not in finished:
            rows.append(example | {"run": trial["run"]})
            settings.append(usual | trial["values"])
            metrics.append({})
            costs.append({})
        finished.setdefault(trial["run"], rows[-1]).update(
            {
                "trial": trial["number"],
                "ended": search.ended(trial),
                "steps": trial["steps"],
                search.objective: trial["value"],
            }
        )


def _facts(run: Run, member: dict, directory: Path) -> dict[str, Any]:
    return {
        "run": name_of(run, directory),
        "method": run.method,
        "title": run.about.name,
        "dataset": run.dataset,
        **{key: member[key] for key in _OF_MEMBER},
        "image_score": run.results["image_score"],
    }


def _settings(run: Run, member: dict) -> dict[str, Any]:
    """All that decides a member's numbers and has no column yet, by dotted keys."""
    values = run.settings | hyper_parameters(member)
    taken = (*NAMED, "image_score")
    return {key: value for key, value in values.items() if key not in taken}


def _metrics(member: dict) -> dict[str, Any]:
    values = {
        key: value for key, value in member.items() if key not in _OF_MEMBER and "." not in key
    }
    return dict(_flat(values))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested results with dotted names; of rules, each by its name."""
    items: Iterable[tuple[Any, Any]]
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list):
        items = (
            (item.get("rule", place) if isinstance(item, Mapping) else place, item)
            for place, item in enumerate(value)
        )
    else:
        yield name, value
        return
    for key, inner in items:
        yield from _flat(inner, f"{name}.{key}" if name else str(key))


def _costs(run: Run) -> dict[str, Any]:
    """Return a member's share of what its run cost; the sum over rows is what was spent."""
    stages = [stage for stage in run.results.get("stages", []) if not stage.get("cached")]
    costs = {
        key: sum(stage.get(key, 0.0) for stage in stages) / len(run.members) for key in _OF_STAGES
    }
    return costs | {key: run.results[key] for key in ("config_hash", "date") if key in run.results}


def _names(parts: Sequence[dict]) -> list[str]:
    return list(dict.fromkeys(name for part in parts for name in part))


def _differing(settings: Sequence[dict]) -> list[str]:
    """Return the keys of which two rows have different values."""
    first: dict[str, Any] = {}
    found = {}
    for setting in settings:
        for key, value in setting.items():
            known = first.setdefault(key, value)
            if known is not value and json.dumps(known) != json.dumps(value):
                found[key] = True
    return sorted(found)


def _of_one_type(values: list) -> list:
    """Return values that a column can hold: whole numbers, numbers, flags, or texts."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool} or kinds <= {int}:
        return values
    if kinds <= {int, float}:
        return [float(value) if value is not None else None for value in values]
    return [_text(v) if v is not None else None for v in values]


def _text(value: Any) -> str:
    """Return a value as text that a file may hold: names of folders may be any bytes."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="replace").decode()


def _write_csv(path: Path, columns: Mapping[str, list]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow(escaped(v) if isinstance(v, str) else v for v in row)


def _write_parquet(path: Path, columns: Mapping[str, list], metadata: dict[bytes, bytes]) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()})
    table = table.replace_schema_metadata(metadata)
    with path.open("wb") as file:  # of a path, pyarrow takes text only
        pyarrow.parquet.write_table(table, file, compression="zstd")
