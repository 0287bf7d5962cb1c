"""Markdown pages with places whose text is made by a command, and the page of results.

A place is what stands between a pair of lines, all else is written by hand:

    <!-- KIND: NAME -->
    <!-- end of KIND: NAME -->

The page of results has a place a sweep, made from the results of its runs.
"""

import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from adjax.errors import UserError
from adjax.paths import as_text, on_one_line
from adjax.reports.decisions import decision_tables
from adjax.reports.finished_sweep import Defaults, Sweep, commands, provenance, remarks, title
from adjax.reports.notes import on_images
from adjax.reports.rendering import markdown, markdown_code, to_markdown
from adjax.reports.result_tables import results_tables

_KIND = "results"
_PAGE = """# Results

What stands between the markers is made by

    {command}

from the `results.json` of every run below these folders: a number of ours is an AUROC in there, or
the mean of several over seeds or classes. What stands elsewhere is written by hand.
"""


def markers(kind: str, name: str) -> tuple[str, str]:
    """Return the lines that open and close a place; a name that would end them is quoted."""
    if on_one_line(name) != name or "--" in name or ">" in name:
        name = quote(os.fsencode(name)).replace("--", "%2D%2D")
    return f"<!-- {kind}: {name} -->", f"<!-- end of {kind}: {name} -->"


def place(kind: str, name: str, text: str) -> str:
    """Return a place with its text."""
    start, end = markers(kind, name)
    return f"{start}\n\n{text.strip()}\n\n{end}"


def has_place(page: str, kind: str, name: str) -> bool:
    """Return whether a page has this place."""
    return _pattern(kind, name).search(page) is not None


def require_places(path: str | Path, kind: str, names: Mapping[str, str]) -> None:
    """Raise `UserError` unless the page of --output has places of a kind.

    Args:
      path: the page.
      kind: of the places.
      names: their names, and what a message calls what they are for.

    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"--output={path}: there is no such page")
    text = path.read_text()
    for name, what in names.items():
        if not has_place(text, kind, name):
            lines = " and ".join(markers(kind, name))
            raise UserError(f"--output={path}: it has no place for {what}; add the lines {lines}")


def fill(page: str, kind: str, name: str, text: str) -> str:
    """Return the page with this place's text replaced."""
    return _pattern(kind, name).sub(lambda _: place(kind, name, text), page)


def _pattern(kind: str, name: str) -> re.Pattern:
    return re.compile(".*?".join(map(re.escape, markers(kind, name))), re.DOTALL)


def write_results(
    path: str | Path, sweeps: Sequence[Sweep], defaults: Sequence[Defaults], command: str = ""
) -> Path:
    """Write or renew a page's sections of these sweeps; everything else on the page stays.

    Args:
      path: of the Markdown page; made if need be. A sweep without a place goes to its end.
      sweeps: each is named by its folder.
      defaults: for each sweep a function that gives the config of a method, as JSON, whose settings
        are not worth telling.
      command: that does it, for a new page.

    Raises:
      UserError: if the path is not that of a Markdown page.

    """
    path = Path(path)
    if path.suffix != ".md":
        raise UserError(f"--output={path}: give a Markdown page, e.g. --output=docs/results.md")
    page = path.read_text(encoding="utf-8") if path.is_file() else _PAGE.format(command=command)
    for sweep, config in zip(sweeps, defaults, strict=True):
        name, text = sweep.directory.as_posix(), _section(sweep, config)
        if has_place(page, _KIND, name):
            page = fill(page, _KIND, name, text)
        else:
            page = f"{page.rstrip()}\n\n{place(_KIND, name, text)}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_text(page), encoding="utf-8")
    return path


def _section(sweep: Sweep, defaults: Defaults) -> str:
    """A sweep in Markdown: its name, how its numbers came about, its tables, what they lack.

    A single run also has its thresholds: those of many belong to their own reports.
    """
    facts = [f"{name}: {text}" for name, text in provenance(sweep, defaults).items()]
    tables = results_tables(sweep.runs, sweep.refused)
    if len(sweep.runs) == 1:
        tables += decision_tables(sweep.runs[0])
    parts = [
        f"## {title(sweep.runs)} ({markdown_code(sweep.directory.as_posix())})",
        "\n".join(textwrap.indent(command, "    ") for command in commands(sweep)),
        "\n".join(f"- {markdown(line)}" for line in (*facts, *remarks(sweep))),
        *map(to_markdown, tables),
        "\n".join(f"- {markdown(sentence)}" for sentence in on_images(sweep.runs)),
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part)
