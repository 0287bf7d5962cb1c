"""One small table structure, rendered as console text, Markdown and HTML."""

import html
import textwrap
from dataclasses import dataclass
from typing import NamedTuple

ABSENT = "–"  # noqa: RUF001, an en dash: no value


@dataclass(frozen=True)
class Table:
    """A table of text: a column of labels, then groups of columns under common headings.

    groups: (heading, sub-headings) in order; each row is a label and a cell for every sub-heading,
        or a label alone, which heads the rows below it.
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
    """The table for a console; groups that do not fit beside the others go into a block below."""
    blocks, used = [[]], 0
    offset = 1
    for heading, names in table.groups:
        indices = range(offset, offset + len(names))
        group = _TextGroup(heading, names, _widths(table, heading, names, indices), indices)
        offset += len(names)
        if blocks[-1] and used + 2 + group.width > width:
            blocks.append([])
        if not blocks[-1]:
            used = _label_width(table)
        blocks[-1].append(group)
        used += 2 + group.width
    parts = [table.caption, *("\n".join(_text_block(table, block)) for block in blocks)]
    notes = (textwrap.fill(note, width, subsequent_indent="  ") for note in table.notes)
    return "\n\n".join([*parts, "\n".join(notes)]).rstrip() + "\n"


class _TextGroup(NamedTuple):
    heading: str
    names: tuple[str, ...]
    widths: list[int]
    indices: range

    @property
    def width(self) -> int:
        return sum(self.widths) + 2 * (len(self.widths) - 1)


def _is_heading(row: tuple[str, ...]) -> bool:
    return len(row) == 1


def _text_rows(table: Table, rows: tuple[tuple[str, ...], ...]) -> list[tuple[str, ...]]:
    """The rows, those under headings indented."""
    if not any(map(_is_heading, table.rows)):
        return list(rows)
    return [row if _is_heading(row) else (f" {row[0]}", *row[1:]) for row in rows]


def _label_width(table: Table) -> int:
    rows = _text_rows(table, table.rows + table.means)
    return max(len(label) for label in (table.corner, *(row[0] for row in rows)))


def _widths(table: Table, heading: str, names: tuple[str, ...], indices: range) -> list[int]:
    rows = [row for row in table.rows + table.means if not _is_heading(row)]
    widths = [
        max(len(name), *(len(row[index]) for row in rows))
        for name, index in zip(names, indices, strict=True)
    ]
    widths[0] += max(0, len(heading) - sum(widths) - 2 * (len(widths) - 1))
    return widths


def _text_block(table: Table, groups: list[_TextGroup]) -> list[str]:
    label = _label_width(table)

    def line(first: str, cells) -> str:
        return "  ".join([first.ljust(label), *cells]).rstrip()

    def row(first: str, cells) -> str:
        widths = [width for group in groups for width in group.widths]
        return line(first, (c.rjust(w) for c, w in zip(cells, widths, strict=False)))

    rule = line("─" * label, ("─" * group.width for group in groups))
    lines = [line("", (group.heading.center(group.width) for group in groups))]
    lines += [row(table.corner, (name for group in groups for name in group.names)), rule]
    for rows in filter(None, (table.rows, table.means)):
        lines += [rule] if rows is table.means else []
        for cells in _text_rows(table, rows):
            chosen = () if _is_heading(cells) else [cells[i] for g in groups for i in g.indices]
            lines.append(row(cells[0], chosen))
    return lines


def to_markdown(table: Table) -> str:
    """The table as a Markdown table, its two rows of headings made one."""
    names = [f"{heading} {name}".strip() for heading, names in table.groups for name in names]
    lines = [(table.corner, *names), ("---", *["---:"] * len(names))]
    lines += [(f"**{row[0]}**",) if _is_heading(row) else row for row in table.rows]
    lines += [tuple(f"**{cell}**" for cell in mean) for mean in table.means]
    empty = [""] * len(names)
    rows = "\n".join(f"| {' | '.join((*cells, *empty)[: len(names) + 1])} |" for cells in lines)
    notes = "\n".join(f"- {note}" for note in table.notes)
    return "\n\n".join([f"**{table.caption}**", rows, *([notes] if notes else [])]) + "\n"


def to_html(table: Table) -> str:
    """The table as a `<figure>` whose table scrolls inside its own box where it is too wide."""
    e = html.escape
    two_rows = any(heading for heading, _ in table.groups)
    corner = f'<th scope="col"{" rowspan=2" if two_rows else ""}>{e(table.corner)}</th>'
    heads = [f'<th scope="col">{e(name)}</th>' for _, names in table.groups for name in names]
    if two_rows:
        groups = "".join(
            f'<th scope="colgroup" colspan="{len(names)}">{e(heading)}</th>'
            for heading, names in table.groups
        )
        head = f"<tr>{corner}{groups}</tr>\n<tr>{''.join(heads)}</tr>"
    else:
        head = f"<tr>{corner}{''.join(heads)}</tr>"
    body, foot = (
        "".join(_html_row(row, 1 + len(heads)) for row in rows)
        for rows in (table.rows, table.means)
    )
    foot = f"<tfoot>{foot}</tfoot>\n" if foot else ""
    notes = "".join(f"<li>{e(note)}</li>" for note in table.notes)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{e(table.caption)}">\n'
        f"<table>\n<caption>{e(table.caption)}</caption>\n<thead>{head}</thead>\n"
        f"<tbody>{body}</tbody>\n{foot}</table>\n</div>\n"
        + (f'<ul class="notes">{notes}</ul>\n' if notes else "")
    )


def _html_row(row: tuple[str, ...], width: int) -> str:
    if _is_heading(row):
        heading = f'<th scope="rowgroup" colspan="{width}">{html.escape(row[0])}</th>'
        return f'<tr class="heading">{heading}</tr>'
    cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
    return f'<tr><th scope="row">{html.escape(row[0])}</th>{cells}</tr>'
