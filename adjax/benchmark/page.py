"""Tables of measured rows, for the console and in their places of a Markdown page.

A page holds prose written by hand and a place, see `adjax.reports.places`, for each table. The rows
are kept beside the page, as JSON of the same name: `write` makes all tables from there, those of
earlier commands too.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from adjax.benchmark.cases import PRECISIONS, ZOO
from adjax.benchmark.circumstances import circumstances
from adjax.benchmark.classical_table import pyod_table
from adjax.benchmark.side_tables import metrics_table, search_table
from adjax.benchmark.zoo_tables import TABLES_OF_ZOO
from adjax.errors import UserError
from adjax.reports.places import fill, has_place, markers
from adjax.reports.rendering import Table, to_markdown, to_text

_KIND = "table"
# The rows of a section make these tables.
TABLES = {
    "speed": ("speed", "ssim", "model"),
    "load": ("load",),
    "population": ("population",),
    "pipeline": ("pipeline",),
    "torch": ("torch",),
    "pyod": ("pyod",),
    "metrics": ("metrics",),
    "search": ("search",),
}


def check(path: str | Path) -> None:
    """Raise `UserError` unless `path` is a page with a pair of markers for every table."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"--output={path}: there is no such page")
    text = path.read_text()
    for names in TABLES.values():
        for name in names:
            if not has_place(text, _KIND, name):
                raise UserError(
                    f"--output={path}: it has no place for the table {name}; add the lines "
                    + " and ".join(markers(_KIND, name))
                )


def measure(
    section: str,
    rows_of: Callable[[], list[dict]],
    packages: Iterable[str],
    output: str | Path | None,
    command: str,
) -> None:
    """Measure the rows of one section and `publish` them.

    Args:
      section: of `TABLES`.
      rows_of: what measures them.
      packages: whose versions belong beside them.
      output: the page, or None.
      command: how to do the same again.

    Raises:
      UserError: before any measurement, see `check`.

    """
    if output is not None:
        check(output)
    origin = {"command": command, **circumstances(*packages)}
    publish({section: {**origin, "rows": rows_of()}}, output)


def publish(sections: dict[str, dict], output: str | Path | None) -> None:
    """Print the tables of measured rows and put them into a page, if one is given.

    Args:
      sections: see `write`.
      output: the page, which `check` has seen, or None.

    """
    print(console(sections))
    if output is not None:
        write(output, sections)
        print(f"tables: {output}")


def write(path: str | Path, sections: dict[str, dict]) -> None:
    """Put measured rows into the tables of a page; other rows, measured before, stay.

    Args:
      path: of the page, see `check`.
      sections: of `TABLES`, by name; each holds `rows`, `command`, `date`, `versions` and
        `hardware`.

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


def _without(parts: list[dict], rows: list[dict]) -> list[dict]:
    """What commands measured before, less what these rows measure again."""
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
    """Where a row stands in its table."""
    names = [case.name for case in ZOO]
    case = names.index(row["case"]) if row["case"] in names else len(names)
    precision = PRECISIONS.index(row.get("precision", PRECISIONS[0]))
    return case, precision, row.get("convolution") == "onednn", row.get("members", 0)


def console(sections: dict[str, dict]) -> str:
    """The same tables as text."""
    return "\n".join(
        to_text(table)
        for section, content in sections.items()
        for table in tables(section, content["rows"]).values()
    )


def tables(section: str, rows: list[dict]) -> dict[str, Table]:
    """The tables of a section by name."""
    return {name: _MAKERS[name](rows) for name in TABLES[section]}


_MAKERS = {
    **TABLES_OF_ZOO,
    "pyod": pyod_table,
    "metrics": metrics_table,
    "search": search_table,
}


def _origin(part: dict, is_one_of_many: bool) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in part["versions"].items())
    cases = ", ".join(dict.fromkeys(row["case"] for row in part["rows"]))
    which = f"{cases}: " if is_one_of_many else ""
    return f"{which}`{part['command']}`, {part['date']}, {part['hardware']}; {versions}.\n"
