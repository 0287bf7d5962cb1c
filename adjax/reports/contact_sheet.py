"""The contact sheet of a prediction: small pictures, the most anomalous first, to decide with.

It is made of `predictions.csv`, whose rows are read one by one, and of small anomaly maps, which
stand in the page: its script draws them anew and decides anew when a threshold is moved. Pictures
are linked, so that a page opens from disk and stays small.
"""

import base64
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from adjax.reports import heat
from adjax.reports.pages import quoted, write_page
from adjax.reports.prediction_table import BY_HAND, NAME, read_rows
from adjax.reports.small_maps import SmallMap, SmallMaps
from adjax.reports.words import count

PER_PAGE = 500
MOST_ERRORS = 100  # that are listed; the table has all
MOST_SCORES = 20_000  # whose scores are in every page, to count what a threshold does to all
_FLAGS = {"image": "--threshold", "pixel": "--pixel_threshold"}
_STOPS = 17  # of the colour bar


class _Threshold(NamedTuple):
    """A threshold as the page says it, and the range to move it in.

    Attributes:
      value: as the detector compares it, in float32.
      rule: that chose it, or `BY_HAND`.
      low: end of the slider.
      high: the other end.

    """

    value: float
    rule: str
    low: float
    high: float

    @property
    def origin(self) -> str:
        """Where it is from."""
        if self.rule == BY_HAND:
            return f"{BY_HAND}, not chosen on held-out images"
        return f"{self.rule}, chosen on held-out normal images"


class _Overview(NamedTuple):
    """A table's rows in numbers: of one of any length only these are held.

    Attributes:
      order: of the rows with a score, the highest first: where in the file each begins, its number.
      scores: theirs, float32.
      failed: where rows with an error begin.
      unread: number of rows without a score.
      anomalous: number of rows so decided.
      thresholds: of the image score and of pixels, with their rules; None without any score.

    """

    order: list[tuple[int, int]]
    scores: np.ndarray
    failed: list[int]
    unread: int
    anomalous: int
    thresholds: dict[str, tuple[float, str]] | None


class _Card(NamedTuple):
    """An image on the sheet; links are empty where there are no pictures."""

    path: str
    decision: str
    score: str
    heatmap: str
    mask: str
    thumbnail: str
    marked: str
    map: SmallMap | None


def write_contact_sheet(
    folder: Path, facts: dict[str, str], maps: SmallMaps | None = None, command: str = ""
) -> Path:
    """Write `index.html`, and `index-2.html` and so on where one page does not hold all.

    Args:
      folder: that holds `predictions.csv` and the pictures it names.
      facts: what the page says of its making.
      maps: of the table's rows; without them nothing is drawn over the photographs.
      command: that predicted, to be repeated with other thresholds.

    Returns:
      The path of the first page.

    """
    path = folder / NAME
    found = _overview(path)
    pages = range(1, max(1, -(-len(found.order) // PER_PAGE)) + 1)
    unread = f"; {found.unread:,} more could not be read" if found.unread else ""
    thresholds = _thresholds(found, maps)
    data = {
        "thresholds": {name: one._asdict() for name, one in thresholds.items()},
        "flags": _FLAGS,
        "byHand": BY_HAND,
        "command": _without_thresholds(command),
        "side": maps.side if maps else 0,
        "palette": _base64(heat.colours()),
        "brightest": heat.BRIGHTEST,
        "scores": _base64(found.scores) if len(found.scores) <= MOST_SCORES else "",
        "total": len(found.order),
    }
    for page in pages:
        first = (page - 1) * PER_PAGE
        is_last = page == pages[-1]
        write_page(
            folder / _name(page),
            "contact_sheet.html",
            "Contact sheet" + (f", page {page}" if page > 1 else ""),
            facts={"Images": f"{len(found.order):,} scored{unread}", **facts},
            anomalous=found.anomalous,
            total=len(found.order),
            thresholds=thresholds,
            colour_bar=_colour_bar(),
            first=first + 1,
            cards=_cards(path, found.order[first : first + PER_PAGE], maps),
            pages=[(number, _name(number)) for number in pages],
            page=page,
            errors=_errors(path, found.failed) if is_last else [],
            more_errors=max(0, len(found.failed) - MOST_ERRORS),
            errors_are_on="" if is_last or not found.failed else _name(pages[-1]),
            data=data,
        )
    return folder / _name(1)


def _overview(path: Path) -> _Overview:
    """Read the table once."""
    scored, failed, unread, anomalous, thresholds = [], [], 0, 0, None
    for number, (place, row) in enumerate(read_rows(path)):
        if row["error"]:
            failed.append(place)
        if row["decision"]:
            scored.append((-float(row["image_score"]), place, number))
            anomalous += row["decision"] == "anomalous"
            thresholds = thresholds or {
                "image": (float(row["threshold"]), row["threshold_rule"]),
                "pixel": (float(row["pixel_threshold"]), row["pixel_threshold_rule"]),
            }
        else:
            unread += 1
    scored.sort()
    scores = np.array([-score for score, _, _ in scored], "<f4")
    order = [(place, number) for _, place, number in scored]
    return _Overview(order, scores, failed, unread, anomalous, thresholds)


def _thresholds(found: _Overview, maps: SmallMaps | None) -> dict[str, _Threshold]:
    """Return both thresholds with the ranges of scores and of maps; none if nothing is scored."""
    if found.thresholds is None:
        return {}
    (image, image_rule), (pixel, pixel_rule) = (
        found.thresholds[name] for name in ("image", "pixel")
    )
    small = [maps.read(number) for _, number in found.order] if maps else []
    values = [value for one in small if one for value in (one.low, one.high)]
    return {
        "image": _Threshold(image, image_rule, *_range([*found.scores.tolist(), image])),
        "pixel": _Threshold(pixel, pixel_rule, *_range([*values, pixel])),
    }


def _range(values: list[float]) -> tuple[float, float]:
    """Return ends between which a threshold can part the values in any way, or call all normal."""
    low, high = min(values), max(values)
    return low, high + 0.02 * ((high - low) or abs(high) or 1.0)


def _cards(path: Path, order: list[tuple[int, int]], maps: SmallMaps | None) -> Iterator[_Card]:
    rows = read_rows(path, [place for place, _ in order])
    for (_, row), (_, number) in zip(rows, order, strict=True):
        pictures = {"heatmap": "", "mask": "", "thumbnail": "", "marked": ""}
        if row["heatmap"]:  # else the list of errors says why
            name = row["heatmap"].removeprefix("heatmaps/").removesuffix(".png")
            pictures = {
                "heatmap": quoted(row["heatmap"]),
                "mask": quoted(row["mask"]),
                "thumbnail": quoted(f"thumbnails/{name}.jpg"),
                "marked": _marked(row),
            }
        yield _Card(
            path=row["path"],
            decision=row["decision"],
            score=row["image_score"],
            map=maps.read(number) if maps and row["heatmap"] else None,
            **pictures,
        )


def _marked(row: dict[str, str]) -> str:
    """Return `0.8 % in 12 regions`."""
    regions = int(row["number_of_regions"])
    if not regions:
        return "no pixel reaches the threshold"
    return f"{float(row['defect_area_percent']):.3g} % in {count(regions, 'region')}"


def _errors(path: Path, places: list[int]) -> list[str]:
    return [row["error"] for _, row in read_rows(path, places[:MOST_ERRORS])]


def _without_thresholds(command: str) -> str:
    """Return a command without the thresholds that it gives by hand."""
    words, kept = iter(shlex.split(command)), []
    for word in words:
        name = f"--{word.partition('=')[0].lstrip('-')}"
        if not word.startswith("-") or name not in _FLAGS.values():
            kept.append(word)
        elif "=" not in word:
            next(words, None)  # its value
    return shlex.join(kept)


def _colour_bar() -> str:
    """Return the colours of a heat map, over the grey of a photograph, as a CSS gradient."""
    stops = heat.colours()[np.linspace(0, 255, _STOPS).astype(int)].tolist()
    return ", ".join(f"rgba({r}, {g}, {b}, {a / 255:.2f})" for r, g, b, a in stops)


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _name(page: int) -> str:
    return "index.html" if page == 1 else f"index-{page}.html"
