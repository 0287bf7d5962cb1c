"""Layouts of industrial data sets: which files a set has and what each of them is.

`read_index` reads a set as its publishers lay it out. No image is decoded; ground truth is, where
only it tells which images have a defect (`rsdds` and the official form of `kolektor_sdd`). Defaults
of ours, which no publisher states, are marked [D]: above all splits into training and test images.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from adjax.datasets.catalog import INDUSTRIAL
from adjax.datasets.digests import Stamp, stamp
from adjax.datasets.images import EXTENSIONS, read_mask
from adjax.errors import UserError

GOOD = "good"  # the defect of normal images
# What people call folders of normal images, in any case.
GOOD_NAMES = (
    *(GOOD, "goods", "ok", "okay", "normal", "normals", "nominal", "pass", "passed", "clean"),
    *("defect-free", "defect_free", "no_defect", "non-defective", "non_defective", "no_anomaly"),
)
SPLITS = ("train", "validation", "test")

Box = tuple[int, int, int, int]  # top, left, height, width

_RSDDS = {"type_i": "Type-I RSDDs dataset", "type_ii": "Type-II RSDDs dataset"}


class Item(NamedTuple):
    """One image of a set, as found on disk."""

    path: Path
    defect: str  # "good" or the kind of defect
    mask: Path | None  # ground truth; None if there is none (good images: all normal)
    split: str  # one of SPLITS
    box: Box | None = None  # the crop that the item is, or None: the whole image

    @property
    def is_good(self) -> bool:
        """True if the image is normal."""
        return self.defect == GOOD


class Index(NamedTuple):
    """All images of one category, sorted by split, defect, path and box."""

    name: str
    category: str
    directory: Path  # of the category
    items: tuple[Item, ...]
    stamps: tuple[Stamp, ...] = ()  # of their files, so that written files make another index

    def of(self, *splits: str) -> tuple[Item, ...]:
        """Return the items of a split, or of several one after another."""
        return tuple(item for split in splits for item in self.items if item.split == split)

    def name_of(self, item: Item) -> str:
        """Return the item's path relative to the directory; a crop's has `@top,left` appended."""
        name = item.path.relative_to(self.directory).as_posix()
        return name if item.box is None else f"{name}@{item.box[0]},{item.box[1]}"


def read_index(name: str, directory: str, category: str = "", good: str = "") -> Index:
    """Find the images of a category, their splits, defects and ground truth.

    Args:
      name: one of `catalog.INDUSTRIAL`.
      directory: folder that holds the set.
      category: a folder of the set, official or not; empty, or the set's name, where the set has
        only one. For "folder" it is a folder in `directory`, or empty: `directory` itself.
      good: where defects are folders, names of those that hold normal images, between commas,
        beside `GOOD_NAMES`; all others hold defects.

    Raises:
      UserError: in one line, if the set, the directory or the category does not exist, or its files
        do not have the layout.

    """
    root, layout = find_category(name, directory, category), _LAYOUTS[name]
    items = layout.read(root, good) if layout.read in _BY_FOLDERS else layout.read(root)
    if not any(item.split == "train" for item in items):
        raise UserError(f"{root} holds no training images of {name}: {layout.expects}")
    _refuse_shared(items)
    if not category:
        category = name if layout.find is _find_top else root.resolve().name
    items = tuple(sorted(items, key=_order))
    paths = [path for item in items for path in (item.path, item.mask) if path]
    return Index(name, category, root, items, tuple(map(stamp, paths)))


def find_category(name: str, directory: str, category: str) -> Path:
    """Return the folder of a category; arguments as of `read_index`.

    Raises:
      UserError: if there is no such set, directory or category.

    """
    if name not in INDUSTRIAL:
        raise UserError(f"unknown data set {name!r}: choose one of {', '.join(INDUSTRIAL)}")
    top = Path(directory)
    if not directory or not os.path.isdir(top):
        raise UserError(f"the directory {directory!r} of {name} does not exist")
    return _LAYOUTS[name].find(name, top, category)


def _refuse_shared(items: list[Item]) -> None:
    """Raise `UserError` if one file is in two splits, by a link or because folders are the same."""
    known: dict[tuple, Item] = {}
    for item in items:
        status = item.path.stat()
        other = known.setdefault((status.st_dev, status.st_ino, item.box), item)
        if other.split != item.split:
            raise UserError(
                f"{item.path} is the same file as {other.path}: an image is of {other.split} or of "
                f"{item.split}, not of both"
            )


def _order(item: Item) -> tuple:
    return item.split, item.defect, item.path.as_posix(), item.box or ()


class Layout(NamedTuple):
    """Layout of a set on disk."""

    find: Callable[[str, Path, str], Path]  # name, directory, category -> folder of the category
    read: Callable[
        ..., list[Item]
    ]  # the category's folder, and `good` where it is in `_BY_FOLDERS`
    expects: str  # the layout in words, for errors


# Folders of a category.


def _find_folder(name: str, top: Path, category: str) -> Path:
    """Return the category's folder, of that name but for case."""
    folder = category and child(top, category)
    if folder:
        return folder
    present = ", ".join(folder.name for folder in folders(top)) or "no folders"
    hint = f"; give the folder above {top}" if category and top.name == category else ""
    raise UserError(f"{top} has no category {category!r} of {name}: it has {present}{hint}")


def _find_rsdds(name: str, top: Path, category: str) -> Path:
    if category not in _RSDDS:
        raise UserError(f"{name} has no category {category!r}: choose one of {', '.join(_RSDDS)}")
    folder = child(top, _RSDDS[category], category)
    if not folder:
        raise UserError(f"{top} has no folder {_RSDDS[category]!r}, the {category} of {name}")
    return folder


def _find_top(name: str, top: Path, category: str) -> Path:
    if category not in ("", name):
        raise UserError(f"{name} has no category {category!r}: leave it empty or give {name!r}")
    return top


def _find_own(name: str, top: Path, category: str) -> Path:
    return _find_folder(name, top, category) if category else top


# Readers: the folder of a category -> its items.


def _read_defect_folders(root: Path, good: str = "") -> list[Item]:
    """Read `train/good`, `validation/good`, `test/DEFECT`, `ground_truth/DEFECT/NNN_mask.png`.

    A folder of normal images may have any of `GOOD_NAMES` or of the names in `good`. Training and
    validation images may also lie in `train` and `validation` themselves. MVTec 3D-AD puts images
    and masks of a defect into its folders `rgb` and `gt`.
    """
    items = []
    for split in SPLITS:
        folder = root / split
        if images_in(folder):
            if split == "test":
                raise UserError(f"{folder}: images must lie in {folder / GOOD} or {folder}/DEFECT")
            items += [Item(path, GOOD, None, split) for path in images_in(folder)]
        for defect in folders(folder):
            kind = GOOD if _is_good(defect, good) else defect.name
            if split != "test" and kind != GOOD:
                raise UserError(
                    f"{defect}: {split} images must be normal, put them into {folder / GOOD}"
                )
            pictures = defect / "rgb" if (defect / "rgb").is_dir() else defect
            masks = defect / "gt" if pictures != defect else root / "ground_truth" / defect.name
            items += _pairs(pictures, masks, kind, split)
    return items


def _is_good(folder: Path, good: str) -> bool:
    """Return whether a folder's name says that it holds normal images.

    Raises:
      UserError: if the name is neither one of `GOOD_NAMES` nor of those given, but has such a word.

    """
    name = folder.name.casefold()
    given = [word.strip().casefold() for word in good.split(",") if word.strip()]
    if name in GOOD_NAMES or name in given:
        return True
    words = re.split(r"[^a-z]+", name)
    if not given and not {*words}.isdisjoint(GOOD_NAMES):
        raise UserError(
            f"{folder}: its name does not say whether it holds normal images; name those that do "
            f"by --config.data.good={folder.name}, or none by --config.data.good={GOOD}"
        )
    return False


def _read_own_folder(root: Path, good: str = "") -> list[Item]:
    """Read the layout of MVTec AD, or a plain folder of normal images: all are for training."""
    if (root / "train").is_dir():
        return _read_defect_folders(root, good)
    return [Item(path, GOOD, None, "train") for path in images_in(root)]


def _read_dagm(root: Path) -> list[Item]:
    """Read `Train` and `Test`, each with `Label/Labels.txt` and `Label/NNNN_label.PNG`.

    Both hold good and defective images. [D]: the good ones of `Train` are for training, all others
    are the test split. Masks are ellipses around the defects, weak labels.
    """
    items = []
    for part in ("Train", "Test"):
        folder = child(root, part)
        if not folder:
            raise UserError(f"{root} has no folder {part!r}: DAGM 2007 has Train and Test")
        label_folder = child(folder, "Label")
        if not label_folder:
            raise UserError(f"{folder} has no folder 'Label' with Labels.txt")
        defective = _read_dagm_labels(label_folder / "Labels.txt")
        masks = masks_in(label_folder)
        images = {path.stem: path for path in images_in(folder)}
        if len(images) < len(images_in(folder)):
            raise UserError(f"{folder}: two images differ in nothing but their extension")
        for stem in sorted(images.keys() ^ defective.keys()):
            missing = f"{folder}: image {stem} of Labels.txt does not exist"
            raise UserError(missing if stem in defective else f"{images[stem]}: not in Labels.txt")
        for stem, path in images.items():
            if defective[stem]:
                items.append(Item(path, "defect", masks.get(stem.casefold()), "test"))
            else:
                items.append(Item(path, GOOD, None, part.lower()))
    return items


def _read_dagm_labels(path: Path) -> dict[str, bool]:
    """Read `Labels.txt`: stem of an image (column 3) -> is it defective (column 2).

    Files are named without their extension, as copies of the set have others than it says.
    """
    try:
        rows = [line.split() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: DAGM 2007 says there what is defective") from error
    rows = [row for row in rows if len(row) > 1]  # the first line holds one number
    for row in rows:
        if len(row) < 3 or row[1] not in ("0", "1"):
            raise UserError(f"{path}: cannot read the line {' '.join(row)!r}")
    return {Path(row[2]).stem: row[1] == "1" for row in rows}


def _read_kolektor(root: Path) -> list[Item]:
    """Read `kosNN/PartN.jpg` with `PartN_label.bmp`, or the layout of MVTec AD.

    Which images are defective follows from the masks. [D]: defective images, and all of every fifth
    folder (one folder is one object), are the test split.
    """
    if (root / "train").is_dir():
        return _read_defect_folders(root)
    items = []
    for number, folder in enumerate(folders(root)):
        masks = masks_in(folder, "_label")
        images = [path for path in images_in(folder) if path not in masks.values()]
        for path in images:
            mask = masks.get(path.stem.casefold())
            if mask is None:
                raise UserError(f"{path}: has no {path.stem}_label.bmp to say if it is defective")
            if read_mask(mask).any():
                items.append(Item(path, "defect", mask, "test"))
            else:
                items.append(Item(path, GOOD, None, "test" if number % 5 == 4 else "train"))
    return items


def _read_nanotwice(root: Path) -> list[Item]:
    """Read `Normal/*.tif`, `Anomalous/images/*.tif` and `Anomalous/gt/*_gt.png`.

    The names of the folders are those that public code for the set reads. [D]: normal images are
    for training, so the test split holds anomalous images only.
    """
    normal, anomalous = child(root, "Normal"), child(root, "Anomalous")
    if not normal or not anomalous:
        raise UserError(f"{root} must have the folders Normal and Anomalous of NanoTWICE")
    items = _pairs(normal, None, GOOD, "train")
    return items + _pairs(
        child(anomalous, "images") or anomalous, child(anomalous, "gt"), "anomalous", "test"
    )


def _read_rsdds(root: Path) -> list[Item]:
    """Read square crops of `Rail surface images/rail_N.jpg`, with `GroundTruth/rail_N.jpg`.

    Every image has a defect, so items are crops, as wide as the narrow side of the image, side by
    side from its top; the rest at its end is left out. [D]: defective crops, and all crops of every
    fifth image, are the test split.
    """
    images, truth = child(root, "Rail surface images"), child(root, "GroundTruth")
    if not images or not truth:
        raise UserError(f"{root} must have the folders 'Rail surface images' and 'GroundTruth'")
    items = []
    for number, whole in enumerate(_pairs(images, truth, "defect", "test")):
        if whole.mask is None:
            raise UserError(f"{whole.path}: has no ground truth in {truth}")
        mask = read_mask(whole.mask)
        for top, left, height, width in _squares(*mask.shape):
            box = (top, left, height, width)
            if mask[top : top + height, left : left + width].any():
                items.append(whole._replace(box=box))
            else:
                split = "test" if number % 5 == 4 else "train"
                items.append(Item(whole.path, GOOD, None, split, box))
    return items


def _squares(height: int, width: int) -> list[Box]:
    """Return square boxes side by side along the longer side."""
    side, count = min(height, width), max(height, width) // min(height, width)
    starts = [side * number for number in range(count)]
    return [(s, 0, side, side) if height >= width else (0, s, side, side) for s in starts]


# Files and folders.


def folders(folder: Path) -> list[Path]:
    """Return the folders in a folder that are not hidden, sorted; none if it does not exist."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def images_in(folder: Path) -> list[Path]:
    """Return the image files in a folder, by extension in any case, sorted; no hidden ones."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()
    )


def child(folder: Path, *names: str) -> Path | None:
    """Return the folder in a folder that has one of the names; failing that, in any case."""
    wanted, present = [name.casefold() for name in names], folders(folder)
    alike = (path for path in present if path.name.casefold() in wanted)
    return next((path for path in present if path.name in names), None) or next(alike, None)


def masks_in(folder: Path | None, *suffixes: str) -> dict[str, Path]:
    """Return the ground-truth files by the name of their image: its stem, lower case.

    Args:
      folder: folder of masks; None: there are none.
      suffixes: endings of which the stem of a mask must have one; without any they are `_mask`,
        `_label`, `_gt` and nothing.

    """
    masks: dict[str, Path] = {}
    for path in images_in(folder) if folder else []:
        stem = path.stem.casefold()
        suffix = next((s for s in suffixes or ("_mask", "_label", "_gt") if stem.endswith(s)), "")
        if suffixes and not suffix:
            continue
        key = stem.removesuffix(suffix)
        if key in masks:
            raise UserError(f"{path} and {masks[key].name} are ground truth of the same image")
        masks[key] = path
    return masks


def _pairs(folder: Path, mask_folder: Path | None, defect: str, split: str) -> list[Item]:
    """Return the images of a folder, with their masks if they are defective."""
    masks = {} if defect == GOOD else masks_in(mask_folder)
    items, taken = [], set()
    for path in images_in(folder):
        mask = masks.get(path.stem.casefold())
        if mask in taken:
            raise UserError(f"{mask} is ground truth of two images, one of them {path}")
        taken |= {mask} - {None}
        items.append(Item(path, defect, mask, split))
    return items


_AS_MVTEC = "it must have train/good, test/good, test/DEFECT and, if known, ground_truth/DEFECT"
_EXTENSIONS = f"files must end with {', '.join(EXTENSIONS)}"

_BY_FOLDERS = (_read_defect_folders, _read_own_folder)

_LAYOUTS = {
    "mvtec_ad": Layout(_find_folder, _read_defect_folders, _AS_MVTEC),
    "mvtec_3d_rgb": Layout(_find_folder, _read_defect_folders, _AS_MVTEC),
    "dagm2007": Layout(_find_folder, _read_dagm, "Train must hold good images"),
    "rsdds": Layout(_find_rsdds, _read_rsdds, "images must have crops without a defect"),
    "nanotwice": Layout(_find_top, _read_nanotwice, "Normal must hold images"),
    "kolektor_sdd": Layout(_find_top, _read_kolektor, "it must have kos01/Part0.jpg and so on"),
    "folder": Layout(
        _find_own,
        _read_own_folder,
        f"put normal images into it, or into train/good ({_EXTENSIONS})",
    ),
}
