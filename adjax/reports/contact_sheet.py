"""The contact sheet of a prediction: small pictures, the most anomalous first.

It is made of `predictions.csv` alone, whose rows are read one by one, and links to the pictures
beside it, so that it opens from disk and stays small.
"""

import html
import os
from pathlib import Path
from urllib.parse import quote

from adjax.reports.prediction_table import NAME, read_rows
from adjax.reports.rendering import facts_to_html, write_page

PER_PAGE = 500
MOST_ERRORS = 100  # that are listed; the table has all


def write_contact_sheet(folder: Path, facts: dict[str, str]) -> Path:
    """Write `index.html`, and `index-2.html` and so on where one page does not hold all.

    Args:
      folder: that holds `predictions.csv` and the pictures it names.
      facts: what the page says of its making.

    Returns:
      The path of the first page.

    """
    path = folder / NAME
    order, failed, unread, anomalous = _order(path)
    pages = range(1, max(1, -(-len(order) // PER_PAGE)) + 1)
    shown = {
        "Images": f"{len(order):,}, {anomalous:,} anomalous"
        + (f"; {unread:,} more could not be read" if unread else ""),
        **facts,
    }
    for page in pages:
        first = (page - 1) * PER_PAGE
        cells = (_cell(row) for _, row in read_rows(path, order[first : first + PER_PAGE]))
        body = [
            f"<header>\n<h1>{anomalous:,} of {len(order):,} images are anomalous</h1>",
            f"{facts_to_html(shown)}</header>",
            f'<ol class="sheet" start="{first + 1}">\n{"".join(cells)}</ol>',
            _links(page, pages),
            _errors(path, failed) if page == pages[-1] else "",
        ]
        title = "Contact sheet" + (f", page {page}" if page > 1 else "")
        write_page(folder / _name(page), "contact_sheet.html", title, body)
    return folder / _name(1)


def _order(path: Path) -> tuple[list[int], list[int], int, int]:
    """Return where rows begin, by falling score, and those with errors; count kinds of rows.

    The counts are of rows without a score and of anomalous ones. Of a table of any length only
    these numbers are held.
    """
    scored, failed, unread, anomalous = [], [], 0, 0
    for place, row in read_rows(path):
        if row["error"]:
            failed.append(place)
        if row["decision"]:
            scored.append((-float(row["image_score"]), place))
            anomalous += row["decision"] == "anomalous"
        else:
            unread += 1
    return [place for _, place in sorted(scored)], failed, unread, anomalous


def _cell(row: dict[str, str]) -> str:
    begin, name = f'<li class="{row["decision"]}">', f"<p>{_e(row['path'])}</p>"
    score = f"{row['decision']}, score {float(row['image_score']):.4g}"
    if not row["heatmap"]:  # the list of errors says why
        return f'{begin}{name}<p class="numbers">{score}; no pictures</p></li>\n'
    thumbnail = f"thumbnails/{row['heatmap'].removeprefix('heatmaps/').removesuffix('.png')}.jpg"
    regions = int(row["number_of_regions"])
    share = f"{float(row['defect_area_percent']):g} %"
    area = f"{share} in {regions} region{'' if regions == 1 else 's'}"
    return (
        f'{begin}<a href="{_link(row["heatmap"])}">'
        f'<img loading="lazy" alt="{_e(row["path"])} and its anomaly map" src="{_link(thumbnail)}">'
        f'</a>{name}<p class="numbers">{score}; '
        f'<a href="{_link(row["mask"])}">mask</a>: {area if regions else "empty"}</p></li>\n'
    )


def _links(page: int, pages: range) -> str:
    if len(pages) == 1:
        return ""
    links = (f'<a href="{_name(n)}">{n}</a>' if n != page else f"<b>{n}</b>" for n in pages)
    return f"<nav><p>Pages: {' '.join(links)}</p></nav>"


def _errors(path: Path, places: list[int]) -> str:
    shown = read_rows(path, places[:MOST_ERRORS])
    items = "".join(f"<li>{_e(row['error'])}</li>" for _, row in shown)
    left = len(places) - MOST_ERRORS
    more = f"<p>and {left:,} more</p>" if left > 0 else ""
    if not items:
        return ""
    return f"<section>\n<h2>Not read or not drawn</h2>\n<ul>{items}</ul>{more}\n</section>"


def _name(page: int) -> str:
    return "index.html" if page == 1 else f"index-{page}.html"


def _link(path: str) -> str:
    return quote(os.fsencode(path))


def _e(value: object) -> str:
    return html.escape(str(value))
