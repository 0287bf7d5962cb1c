"""One small structure of a table, rendered as console text and Markdown; `pages` renders HTML."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from adjax.paths import on_one_line

ABSENT = "–"  # noqa: RUF001, an en dash: no value


@dataclass(frozen=True)
class Table:
    """A table of text: a column of labels, then groups of columns under common headings.

    Attributes:
      caption: its title.
      corner: heading of the labels.
      groups: (heading, sub-headings) in order.
      rows: each a label and a cell for every sub-heading, or a label alone, which heads the rows
        below it.
      means: rows of means, if there are any.
      notes: sentences that belong under the table.

    """

    caption: str
    corner: str
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    rows: tuple[tuple[str, ...], ...]
    means: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


def to_text(table: Table, width: int = 80) -> str:
    """Return the table for a console; groups that do not fit beside the others go below them."""
    table = _on_lines(table)
    label = max(len(text) for text in (table.corner, *_text_labels(table)))
    blocks, room = [], 0
    for group in _text_groups(table):
        needed = 2 + len(group.heading)
        if needed > room:
            blocks.append([])
            room = width - label
        blocks[-1].append(group)
        room -= needed
    parts = [table.caption, *("\n".join(_text_block(table, label, block)) for block in blocks)]
    notes = (textwrap.fill(note, width, subsequent_indent="  ") for note in table.notes)
    return "\n\n".join([*parts, "\n".join(notes)]).rstrip() + "\n"


def _on_lines(table: Table) -> Table:
    """Return a table whose texts are on one line each."""

    def each(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(map(on_one_line, texts))

    return Table(
        *each((table.caption, table.corner)),
        groups=tuple((on_one_line(heading), each(names)) for heading, names in table.groups),
        rows=tuple(map(each, table.rows)),
        means=tuple(map(each, table.means)),
        notes=each(table.notes),
    )


class _TextGroup(NamedTuple):
    """Columns under a heading, which is as wide as they are together."""

    heading: str
    names: Sequence[str]
    indices: Sequence[int]  # of their cells in a row
    widths: Sequence[int]


def _text_groups(table: Table) -> Iterator[_TextGroup]:
    rows = [row for row in table.rows + table.means if not _is_heading(row)]
    offset = 1
    for heading, names in table.groups:
        indices = range(offset, offset + len(names))
        offset += len(names)
        widths = [
            max(len(name), *(len(row[index]) for row in rows))
            for name, index in zip(names, indices, strict=True)
        ]
        gaps = 2 * (len(widths) - 1)
        widths[0] += max(0, len(heading) - sum(widths) - gaps)
        yield _TextGroup(heading.center(sum(widths) + gaps), names, indices, widths)


def _is_heading(row: tuple[str, ...]) -> bool:
    return len(row) == 1


def _text_labels(table: Table) -> list[str]:
    """The labels of rows and means, those under headings indented."""
    indent = " " * any(map(_is_heading, table.rows))
    return [row[0] if _is_heading(row) else indent + row[0] for row in table.rows + table.means]


def _text_block(table: Table, label: int, groups: list[_TextGroup]) -> list[str]:
    widths = [width for group in groups for width in group.widths]

    def line(first: str, cells: Iterable[str]) -> str:
        return "  ".join([first.ljust(label), *cells]).rstrip()

    def row(first: str, cells: Iterable[str]) -> str:
        return line(first, map(str.rjust, cells, widths))

    rule = line("─" * label, ("─" * len(group.heading) for group in groups))
    lines = [
        line("", (group.heading for group in groups)),
        row(table.corner, (name for group in groups for name in group.names)),
        rule,
    ]
    rows = table.rows + table.means
    for place, (first, cells) in enumerate(zip(_text_labels(table), rows, strict=True)):
        if place == len(table.rows):
            lines.append(rule)
        indices = () if _is_heading(cells) else [i for group in groups for i in group.indices]
        lines.append(row(first, (cells[i] for i in indices)))
    return lines


def to_markdown(table: Table) -> str:
    """Return the table in Markdown, its two rows of headings made one."""
    names = [f"{heading} {name}".strip() for heading, names in table.groups for name in names]
    e = markdown
    lines = [(e(table.corner), *map(e, names)), ("---", *["---:"] * len(names))]
    lines += [(f"**{e(row[0])}**",) if _is_heading(row) else map(e, row) for row in table.rows]
    lines += [(f"**{e(cell)}**" for cell in mean) for mean in table.means]
    empty = [""] * len(names)
    rows = "\n".join(f"| {' | '.join([*cells, *empty][: len(names) + 1])} |" for cells in lines)
    notes = "\n".join(f"- {e(note)}" for note in table.notes)
    return "\n\n".join([f"**{e(table.caption)}**", rows, *([notes] if notes else [])]) + "\n"


def markdown(text: str) -> str:
    """Return a text as Markdown that shows it as it is, on one line, in a cell of a table too."""
    return re.sub(r"[\\`*\[\]<>|]|\b_|_\b(?!\w)|^_|_$", r"\\\g<0>", on_one_line(text))


def markdown_code(text: str) -> str:
    """Return a text as code within a line of Markdown."""
    text = on_one_line(text)
    return f"`` {text} ``" if "`" in text else f"`{text}`"
