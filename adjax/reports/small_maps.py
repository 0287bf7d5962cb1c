"""Anomaly maps at a size that hundreds of them fit into one page."""

import base64
import struct
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

SIDE = 32  # of a small map, at most
_RANGE = struct.Struct("<ff")


class SmallMap(NamedTuple):
    """A map in cells of 256 levels: `low + level / 255 * (high - low)` bounds what is in a cell.

    Attributes:
      low: least of the cells' values.
      high: greatest.
      cells: levels, uint8 `[s, s]` row by row.

    """

    low: float
    high: float
    cells: bytes

    @property
    def text(self) -> str:
        """The levels in base64."""
        return base64.b64encode(self.cells).decode()


def side_of(size: int) -> int:
    """Return s, the side of the small map of one of `size` pixels a side."""
    return min(SIDE, size)


def shrunk(anomaly_map: np.ndarray) -> SmallMap:
    """Return a map `[S, S]` in cells of the greatest value in each, rounded up.

    So no pixel that reaches a threshold is lost: the cells that reach it hold all of them.
    """
    size = len(anomaly_map)
    edges = np.arange(side_of(size)) * size // side_of(size)
    cells = anomaly_map.astype(np.float32)
    for axis in (0, 1):
        cells = np.maximum.reduceat(cells, edges, axis)
    low, high = float(cells.min()), float(cells.max())
    if high == low:
        return SmallMap(low, high, bytes(cells.size))
    level = np.ceil((cells.astype(float) - low) / (high - low) * 255)
    return SmallMap(low, high, level.astype(np.uint8).tobytes())


class SmallMaps:
    """Small maps in the order of a table's rows, in a file that has no name and ends with it."""

    def __init__(self, folder: Path, side: int):
        """Begin the file in a folder, for maps of `side` cells a side."""
        self.side = side
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115, `__exit__` closes it
        self._size = _RANGE.size + side**2

    def __enter__(self) -> "SmallMaps":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def append(self, small: SmallMap | None) -> None:
        """Add the map of the next row, or that it has none."""
        low, high, cells = small or (np.nan, np.nan, bytes(self.side**2))
        self._file.write(_RANGE.pack(low, high) + cells)

    def read(self, row: int) -> SmallMap | None:
        """Return the map of a row, if it has one."""
        self._file.seek(row * self._size)
        content = self._file.read(self._size)
        low, high = _RANGE.unpack_from(content)
        return None if np.isnan(low) else SmallMap(low, high, content[_RANGE.size :])
