"""The table of a prediction, `predictions.csv`: its columns, and names that are safe in a cell.

Spreadsheets take a text that begins with `=`, `+`, `-`, `@` or a control character for a formula,
and names of files come from anywhere. Such a text is written with an apostrophe before it, as is
one that begins with an apostrophe, so that whoever takes one leading apostrophe away has the name
again. Texts stand in quotation marks, numbers do not.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

NAME = "predictions.csv"
COLUMNS = (
    "path",  # relative to the folder of the photographs
    "image_score",
    "threshold",  # of the image score
    "threshold_rule",  # that chose it on held-out images, or `BY_HAND`
    "pixel_threshold",  # of the anomaly map
    "pixel_threshold_rule",
    "decision",  # "anomalous" or "normal"
    "defect_pixels",  # of the photograph; none of a normal one
    "defect_area_percent",
    "number_of_regions",  # 8-connected
    "largest_region_pixels",
    "heatmap",  # relative to the table, as is the mask
    "mask",
    "error",  # why there is no score, or there are no pictures
)
# Columns that tables of earlier versions lack.
_LATER = ("threshold_rule", "pixel_threshold", "pixel_threshold_rule")
BY_HAND = "given by hand"  # in place of a rule
_APOSTROPHE = "'"
# Full-width forms count too.
_RISKY = (*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20", _APOSTROPHE)
_TEXT: dict[str, Any] = {
    "encoding": "utf-8",
    "errors": "surrogateescape",
}  # names of files may be any bytes


def escaped(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; `original` gives it back."""
    return _APOSTROPHE + text if text.startswith(_RISKY) else text


def original(cell: str) -> str:
    """Return the text of a cell that `escaped` made."""
    return cell.removeprefix(_APOSTROPHE)


def is_table(path: Path) -> bool:
    """Return whether a file is the table of a prediction, by its first line."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return False
        with path.open(newline="", **_TEXT) as file:
            columns = tuple(next(csv.reader([file.readline(1000)]), ()))
    except (OSError, csv.Error):
        return False
    return columns in (COLUMNS, tuple(name for name in COLUMNS if name not in _LATER))


class TableWriter:
    """Writes rows as they come: what is written survives an interruption."""

    def __init__(self, path: Path):
        """Begin a table, in place of the one that is there."""
        self._file: TextIO = path.open("w", newline="", **_TEXT)
        self._rows = csv.DictWriter(self._file, COLUMNS, quoting=csv.QUOTE_NONNUMERIC)
        self._rows.writeheader()
        self._file.flush()

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows, their texts escaped."""
        for row in rows:
            cells = {k: escaped(v) if isinstance(v, str) else v for k, v in row.items()}
            self._rows.writerow(cells)
        self._file.flush()


def read_rows(
    path: Path, places: Iterable[int] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield where in the file a row begins, and the row with its texts as they were.

    Args:
      path: of the table.
      places: where the rows begin that are asked for; None: all.

    """
    with path.open(newline="", **_TEXT) as file:
        lines = iter(file.readline, "")
        names = next(csv.reader(lines))
        for place in iter(file.tell, None) if places is None else places:
            if places is not None:
                file.seek(place)
            values = next(csv.reader(lines), None)
            if values is None:
                return
            yield place, dict(zip(names, map(original, values), strict=True))
