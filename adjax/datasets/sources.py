"""Image-classification arrays read from the files that people have at hand."""

import io
import os
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from adjax.errors import UserError

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_CIFAR10_SHEETS = {"train": range(50), "test": range(50, 60)}
_SHEET_COLUMNS, _SHEET_ROWS, _TILE = 20, 50, 32


class Source(NamedTuple):
    """The splits "train" and "test" and, where the file tells, the names of the classes."""

    image: dict[str, np.ndarray]  # uint8 [N, H, W, C]
    label: dict[str, np.ndarray]  # int64 [N], not negative
    class_names: tuple[str, ...] | None


def read_source(path: str | os.PathLike[str]) -> Source:
    """Read an `.npz` of arrays or of CIFAR-10 sheets.

    Arrays: `x_train`, `x_test` uint8 [N, H, W] or [N, H, W, C]; `y_train`, `y_test` integers [N] or
    [N, 1]; optionally `class_names`, strings [K].
    Sheets: `sheet_00` ... `sheet_59`, each the bytes of a lossless WebP image of 20 columns by 50
    rows of 32 px tiles that run down the columns (50 sheets train, 10 test); `y_train`, `y_test`.

    Raises:
      UserError: naming the file, the key and what is wrong.

    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise UserError(f"source {path!r} is not a file: give the path of an .npz")
    try:
        with open(path, "rb") as file, np.load(file) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"cannot read {path!r} as an .npz of plain arrays: {error}") from error
    if "sheet_00" in arrays:
        arrays |= {f"x_{split}": _sheets(path, arrays, split) for split in _CIFAR10_SHEETS}
        arrays["class_names"] = np.array(CIFAR10_CLASSES)
    images, labels = {}, {}
    for split in ("train", "test"):
        images[split] = _images(path, f"x_{split}", arrays)
        labels[split] = _labels(path, f"y_{split}", arrays)
        if len(images[split]) != len(labels[split]):
            raise UserError(
                f"{path}: x_{split} has {len(images[split])} images but y_{split} has "
                f"{len(labels[split])} labels"
            )
    if images["train"].shape[1:] != images["test"].shape[1:]:
        raise UserError(
            f"{path}: images of x_train are {images['train'].shape[1:]} but those of "
            f"x_test are {images['test'].shape[1:]}"
        )
    return Source(images, labels, _class_names(path, arrays))


def _images(path: str, key: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return `arrays[key]` as uint8 [N, H, W, C]."""
    image = _array(path, key, arrays)
    if image.dtype != np.uint8 or image.ndim not in (3, 4) or 0 in image.shape:
        raise UserError(
            f"{path}: {key} is {image.dtype} of shape {image.shape}, it must be uint8 "
            "[N, H, W] or [N, H, W, C] and not empty"
        )
    image = image if image.ndim == 4 else image[..., None]
    if image.shape[-1] not in (1, 3):
        raise UserError(
            f"{path}: {key} has {image.shape[-1]} channels (shape {image.shape}), "
            "it must have 1 or 3, in the last axis"
        )
    return image


def _labels(path: str, key: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return `arrays[key]` as int64 [N]."""
    label = _array(path, key, arrays)
    if label.dtype.kind not in "iu" or not (label.ndim == 1 or label.shape[1:] == (1,)):
        raise UserError(
            f"{path}: {key} is {label.dtype} of shape {label.shape}, it must be "
            "integers [N] or [N, 1]"
        )
    label = label.reshape(-1).astype(np.int64)
    if label.size and label.min() < 0:
        raise UserError(f"{path}: {key} holds the label {label.min()}, labels start at 0")
    return label


def _class_names(path: str, arrays: dict[str, np.ndarray]) -> tuple[str, ...] | None:
    """Return the optional `class_names` as strings."""
    if "class_names" not in arrays:
        return None
    names = arrays["class_names"]
    if names.ndim != 1 or names.dtype.kind != "U" or len(set(names)) != len(names):
        raise UserError(f"{path}: class_names must be different strings [K]")
    return tuple(str(name) for name in names)


def _sheets(path: str, arrays: dict[str, np.ndarray], split: str) -> np.ndarray:
    """Decode the sheets of a CIFAR-10 split: uint8 [N, 32, 32, 3]."""
    return np.concatenate(
        [
            _sheet(path, f"sheet_{index:02d}", _array(path, f"sheet_{index:02d}", arrays))
            for index in _CIFAR10_SHEETS[split]
        ]
    )


def _sheet(path: str, key: str, encoded: np.ndarray) -> np.ndarray:
    """Decode one sheet, uint8 bytes, to its tiles: uint8 [1000, 32, 32, 3]."""
    try:
        from PIL import Image
    except ImportError as error:
        raise UserError(f"{path}: the CIFAR-10 sheets need Pillow: pip install pillow") from error
    try:
        with Image.open(io.BytesIO(encoded.tobytes())) as image:
            sheet = np.asarray(image.convert("RGB"))
    except OSError as error:
        raise UserError(
            f"{path}: {key} is not an image that this Pillow decodes (WebP needed)"
        ) from error
    rows, columns = _SHEET_ROWS, _SHEET_COLUMNS
    if sheet.shape != (rows * _TILE, columns * _TILE, 3):
        raise UserError(
            f"{path}: {key} is an image of shape {sheet.shape}, a CIFAR-10 sheet is "
            f"{(rows * _TILE, columns * _TILE, 3)}"
        )
    tiles = sheet.reshape(rows, _TILE, columns, _TILE, 3).transpose(2, 0, 1, 3, 4)
    return tiles.reshape(rows * columns, _TILE, _TILE, 3)


def _array(path: str, key: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return `arrays[key]`."""
    if key not in arrays:
        raise UserError(
            f"{path} has no {key}: it must hold x_train, y_train, x_test and y_test; "
            f"it has {', '.join(sorted(arrays)[:8]) or 'nothing'}"
        )
    return arrays[key]
