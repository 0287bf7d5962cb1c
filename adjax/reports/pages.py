"""HTML pages, made of the templates beside: self-contained files that open from disk, offline.

All that a template is given is escaped by the template engine, whatever it holds: names of files,
categories and settings come from anywhere. Only our own style sheets, scripts and drawings are
not.
"""

import base64
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from adjax.paths import as_text
from adjax.reports.rendering import Table

_TEMPLATES = Path(__file__).parent / "templates"


class Figure(NamedTuple):
    """A figure that a page embeds.

    Attributes:
      name: of the figure.
      alt: what a reader who cannot see it is told.
      caption: how to read it.
      data: the PNG in base64.

    """

    name: str
    alt: str
    caption: str
    data: str


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,  # a value that is missing is an error, not a gap
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["source"] = _source
    return environment


def _source(name: str) -> Markup:
    """Return the text of one of our own style sheets or scripts, as it is."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


def write_page(path: Path, template: str, title: str, **values: object) -> Path:
    """Write a self-contained HTML page from a template; returns its path."""
    page = _environment().get_template(template).render(title=title, **values)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_text(page), encoding="utf-8")
    return path


def to_html(table: Table) -> str:
    """Return the table in HTML; it scrolls inside its own box where it is too wide."""
    macros: Any = _environment().get_template("parts.html").module
    return str(macros.table_of(table))


def embedded(
    paths: Mapping[str, Path | None], texts: Mapping[str, tuple[str, str]]
) -> list[Figure]:
    """Return the figures that there are, in the order of their texts.

    Args:
      paths: of the PNGs, by name; None where there was nothing to draw.
      texts: what a reader who cannot see a figure is told, and its caption, by name.

    """
    return [
        Figure(name, alt, caption, base64.b64encode(path.read_bytes()).decode())
        for name, (alt, caption) in texts.items()
        if (path := paths.get(name))
    ]


def link_to(path: Path, directory: Path) -> str:
    """Return the address of a file on a page of a folder; its name may be any bytes."""
    return quoted(os.path.relpath(path, directory))


def quoted(path: str) -> str:
    """Return a path below a page's folder as an address on it."""
    return quote(os.fsencode(path))
