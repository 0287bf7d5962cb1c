"""Images of an industrial set at one size: a whole split in memory, or read file by file.

Images of any shape are squeezed to a square [D], by Pillow's bilinear filter, which is antialiased
when it reduces [D]; masks so that no region of a defect is lost or falls apart.
"""

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from adjax.datasets import memory
from adjax.datasets.digests import digest_of
from adjax.datasets.images import decode, read_mask, read_size
from adjax.datasets.layouts import GOOD, Index, Item
from adjax.errors import UserError

_EIGHT_CONNECTED = np.ones((3, 3))
_HALF, _TOUCH = 0.5 - 1e-9, 1e-9  # parts of a pixel, less what sums may be off


class ImageTable(NamedTuple):
    """A split in the order of the index; the arrays are read-only."""

    image: np.ndarray  # uint8 [N, S, S, C]
    mask: np.ndarray | None  # bool [N, S, S]; None if no defective image has ground truth
    masked: np.ndarray  # bool [N], which images are good or have ground truth that marks something
    defect: tuple[str, ...]  # [N], "good" or the kind of defect
    path: tuple[str, ...]  # [N], relative to the directory of the index


class FileTable:
    """A split as a table whose rows are read from files when they are asked for.

    Nothing is kept, so it may be larger than the memory; any number of threads may read.

    Attributes:
      shape: (N, S, S, C) of the images.
      dtype: uint8.
      defect: `[N]`, "good" or the kind of defect.
      path: `[N]`, relative to the directory of the index.

    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        index: Index,
        *splits: str,
        size: int,
        channels: int,
        bits: int = 0,
        workers: int = 0,
    ):
        """Make a table of splits; `workers` threads decode, 0 means one a processor."""
        self._items = index.of(*splits)
        if not self._items:
            known = ", ".join(sorted({item.split for item in index.items}))
            raise UserError(f"{index.directory} has no {splits[0]} images: it has {known}")
        if size < 1 or channels not in (1, 3):
            raise UserError(
                f"images have a size of at least 1 and 1 or 3 channels: {size, channels}"
            )
        self.shape = (len(self._items), size, size, channels)
        self.defect = tuple(item.defect for item in self._items)
        self.path = tuple(index.name_of(item) for item in self._items)
        self._bits = bits
        self._workers = workers or os.cpu_count() or 1

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read images as rows of an array are read."""
        return self.read(rows)

    def read(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read images: rows int64 `[n]` -> uint8 `[n, S, S, C]`.

        Raises:
          UserError: naming the first file that cannot be read.

        """
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        return self._fill(rows, out, functools.partial(_read_image, bits=self._bits))

    def read_masks(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read ground truth: rows int64 `[n]` -> bool `[n, S, S]`, False where there is none.

        Raises:
          UserError: naming the first file that cannot be read.

        """
        out = np.empty((len(rows), *self.shape[1:3]), bool)
        return self._fill(rows, out, _read_mask)

    def _fill(self, rows, out: np.ndarray, read) -> np.ndarray:
        def fill(number: int) -> None:
            out[number] = read(self._items[rows[number]], *self.shape[2:])

        if len(rows) < 2 or self._workers < 2:
            for number in range(len(rows)):
                fill(number)
        else:
            with ThreadPoolExecutor(min(self._workers, len(rows))) as threads:
                for _ in threads.map(fill, range(len(rows))):
                    pass  # raises what the thread raised
        return out


def load_images(index: Index, *splits: str, size: int, channels: int, bits: int = 0) -> ImageTable:
    """Read splits into memory.

    Args:
      index: files of the category.
      splits: "train", "validation" or "test"; several come one after another.
      size: S, height and width of the images.
      channels: C, 1 (luma) or 3.
      bits: of a grey level, of files that have more than 8, see `images.decode`; 0: all.

    Raises:
      UserError: if the index has no such split, or naming the first file that cannot be read.

    """
    table = FileTable(index, *splits, size=size, channels=channels, bits=bits)
    rows = np.arange(len(table))
    image = table.read(rows)
    mask = table.read_masks(rows)
    good = np.array([defect == GOOD for defect in table.defect])
    masked = good | mask.any((1, 2))
    for array in (image, mask, masked):
        array.flags.writeable = False
    has_truth = (masked & ~good).any() or good.all()
    return ImageTable(image, mask if has_truth else None, masked, table.defect, table.path)


def item_image(item: Item, bits: int = 0) -> Image.Image:
    """Return the item's image at its own size, "L" or "RGB"."""
    image = decode(item.path, bits)
    if item.box is None:
        return image
    top, left, height, width = item.box
    if top + height > image.height or left + width > image.width:
        raise UserError(f"{item.path}: smaller than its ground truth {item.mask or item.box}")
    return image.crop((left, top, left + width, top + height))


def item_mask(item: Item) -> np.ndarray:
    """Return the ground truth of a defective item at its own size: bool `[H, W]`.

    Raises:
      UserError: if there is none, it cannot be read, or its size is not that of the image.

    """
    if item.mask is None:
        raise UserError(f"{item.path}: has no ground truth")
    mask, size = read_mask(item.mask), read_size(item.path)
    if mask.shape != size:
        raise UserError(
            f"{item.mask}: is {mask.shape[0]} high and {mask.shape[1]} wide but its image "
            f"{item.path.name} is {size[0]} high and {size[1]} wide"
        )
    if item.box is None:
        return mask
    top, left, height, width = item.box
    return mask[top : top + height, left : left + width]


def resize_image(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """Make an image grey or colour, then squeeze it to a square, as every image of a table.

    Args:
      image: a photograph of any size.
      size: S, height and width of the result.
      channels: C, 1 or 3.

    Returns:
      uint8 `[S, S, C]`.

    """
    mode = "L" if channels == 1 else "RGB"
    image = image if image.mode == mode else image.convert(mode)  # a copy is as large
    image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(size, size, channels)


def resize_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """Squeeze a mask to a square: bool `[H, W]` -> bool `[S, S]`.

    A pixel is marked where at least half of it is defective. A region (8-connected) that would be
    lost or fall apart so marks every pixel that it touches: those are connected, as it is.
    """
    rows, columns = (_overlap(side, size) for side in mask.shape)
    squeezed = rows @ mask @ columns.T >= _HALF
    labels, _ = ndimage.label(mask, _EIGHT_CONNECTED)
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        region = labels[box] == number
        cover = rows[:, box[0]] @ region @ columns[:, box[1]].T
        is_whole = ndimage.label(cover >= _HALF, _EIGHT_CONNECTED)[1] == 1
        squeezed |= cover >= (_HALF if is_whole else _TOUCH)
    return squeezed


def _overlap(side: int, size: int) -> np.ndarray:
    """Return the parts of each of `size` pixels that lie in each of `side`: `[size, side]`."""
    edges = np.arange(size + 1) * side / size
    low, high = edges[:-1, None], edges[1:, None]
    place = np.arange(side)
    return np.clip(np.minimum(high, place + 1) - np.maximum(low, place), 0, None) * size / side


def _read_image(item: Item, size: int, channels: int, bits: int) -> np.ndarray:
    with memory.room_for(item.path):
        image = resize_image(item_image(item, bits), size, channels)
    digest_of(item.path)  # now, while its bytes are at hand: who is asked for it reads no more
    return image


def _read_mask(item: Item, size: int, channels: int) -> np.ndarray:
    del channels
    if item.mask is None:
        return np.zeros((size, size), bool)
    with memory.room_for(item.mask, memory.MASK):
        mask = resize_mask(item_mask(item), size)
    digest_of(item.mask)
    return mask
