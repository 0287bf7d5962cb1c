"""Images brought to one median brightness, so that a lamp tells nothing."""

from typing import Any

import numpy as np

from adjax.datasets.tables import Table

_AT_ONCE = 64  # images


def reference_median(table: Table) -> float:
    """Return the median of the images' medians over all their values, of the normal images.

    Args:
      table: training images, uint8 `[N, S, S, C]`.

    """
    rows = np.flatnonzero(table.label == 0)
    parts = [rows[first : first + _AT_ONCE] for first in range(0, len(rows), _AT_ONCE)]
    medians = [np.median(table.image[part], (1, 2, 3)) for part in parts]
    return float(np.median(np.concatenate(medians)))


def to_median(image: np.ndarray, reference: float, xp: Any = np) -> np.ndarray:
    """Multiply each image so that the median of its values is the reference.

    Args:
      image: uint8 `[B, S, S, C]`.
      reference: see `reference_median`; images with a median of 0 count as if it was 1.
      xp: `numpy`, or `jax.numpy` within a program, whose results are the same.

    Returns:
      uint8, what exceeds 255 clipped.

    """
    value = image.astype(xp.float32)
    median = xp.maximum(xp.median(value, (1, 2, 3), keepdims=True), xp.float32(1))
    return xp.clip(xp.rint(value * (xp.float32(reference) / median)), 0, 255).astype(xp.uint8)


def all_to_median(image: np.ndarray, reference: float) -> np.ndarray:
    """Do the same as `to_median` to all images of a table, some at a time: floats are large."""
    out = np.empty_like(image)
    for first in range(0, len(image), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        out[part] = to_median(image[part], reference)
    return out


class MedianTable:
    """A table read from files whose rows are brought to one median as they are read.

    Attributes:
      shape: (N, S, S, C).
      dtype: uint8.

    """

    dtype = np.dtype(np.uint8)

    def __init__(self, table: Any, reference: float):
        """Take a `FileTable` and the median."""
        self._table, self._reference = table, reference
        self.shape = table.shape

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, rows) -> np.ndarray:
        """Read images as rows of an array are read."""
        return to_median(self._table[rows], self._reference)
