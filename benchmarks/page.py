"""Measured rows as tables, on the console and in their places of a Markdown page.

A page holds hand-written prose and, for each table, a place (see `adjax.reports.results_page`).
The rows are kept beside the page, as JSON of the same name: `write` makes all tables from there,
including those of earlier commands.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from adjax.circumstances import circumstances
from adjax.reports.rendering import to_markdown, to_text
from adjax.reports.results_page import fill, require_places
from benchmarks.cases import PRECISIONS, ZOO
from benchmarks.tables import NAMES, tables

_KIND = "table"


def measure(
    rows_of: Callable[[], dict[str, list[dict]]],
    packages: Iterable[str],
    output: str | Path | None,
    command: str,
) -> None:
    """Measure, print the tables and put them into a page.

    Args:
      rows_of: measures and returns the rows of sections, see `tables.SECTIONS`.
      packages: packages whose versions to list beside adjax's own.
      output: the page, or None.
      command: the command that repeats the measurement.

    Raises:
      UserError: before any measurement, see `check`.

    """
    if output is not None:
        check(output)
    origin = {"command": command, **circumstances(others=packages)}
    sections = {name: {**origin, "rows": rows} for name, rows in rows_of().items() if rows}
    print(console(sections))
    if output is not None:
        write(output, sections)
        print(f"tables: {output}")


def check(path: str | Path) -> None:
    """Raise `UserError` unless `path` is a page with a pair of markers for every table."""
    require_places(path, _KIND, {name: f"the table {name}" for name in NAMES})


def write(path: str | Path, sections: dict[str, dict]) -> None:
    """Put measured rows into the tables of a page; other rows, measured earlier, stay.

    Args:
      path: the page, see `check`.
      sections: by name; each holds `rows`, `command`, `date`, `versions` and `hardware`.

    """
    path = Path(path)
    data = path.with_suffix(".json")
    kept = json.loads(data.read_text()) if data.exists() else {}
    for section, measured in sections.items():
        kept[section] = [*_without(kept.get(section, []), measured["rows"]), measured]
    data.write_text(json.dumps(kept, indent=1) + "\n")
    text = path.read_text()
    for section, parts in kept.items():
        rows = sorted((row for part in parts for row in part["rows"]), key=_position)
        origins = "\n".join(_origin(part, len(parts) > 1) for part in parts)
        for name, table in tables(section, rows).items():
            text = fill(text, _KIND, name, f"{to_markdown(table)}\n{origins}")
    path.write_text(text)


def console(sections: dict[str, dict]) -> str:
    """Return the tables of sections as text."""
    return "\n".join(
        to_text(table)
        for section, content in sections.items()
        for table in tables(section, content["rows"]).values()
    )


def _without(parts: list[dict], rows: list[dict]) -> list[dict]:
    """Return the parts measured by earlier commands, without rows that are measured again."""
    again = {_identity(row) for row in rows}
    left = [
        part | {"rows": [row for row in part["rows"] if _identity(row) not in again]}
        for part in parts
    ]
    return [part for part in left if part["rows"]]


_IDENTITY = ("case", "precision", "convolution", "members", "axis", "images")


def _identity(row: dict) -> tuple:
    return tuple(row.get(key) for key in _IDENTITY)


def _position(row: dict) -> tuple:
    """Return the sort key of a row in its table."""
    names = [case.name for case in ZOO]
    case = names.index(row["case"]) if row["case"] in names else len(names)
    precision = PRECISIONS.index(row.get("precision", PRECISIONS[0]))
    return case, precision, row.get("convolution") == "onednn", row.get("members", 0)


def _origin(part: dict, is_one_of_many: bool) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in part["versions"].items())
    cases = ", ".join(dict.fromkeys(row["case"] for row in part["rows"]))
    which = f"{cases}: " if is_one_of_many else ""
    day = part["date"][:10]
    return f"{which}`{part['command']}`, {day}, {part['hardware']}; {versions}.\n"
