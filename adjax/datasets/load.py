"""What a run trains and is tested on, whatever kind of data set its config names."""

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

from adjax.datasets.industrial import load_images, open_images
from adjax.datasets.layouts import GOOD, INDUSTRIAL, Index, categories, read_index
from adjax.datasets.one_class import (
    LeaveOneOutSplit,
    OneClassSplit,
    leave_one_out_split,
    one_class_split,
    resolve_class,
)
from adjax.datasets.tables import Table, load_table
from adjax.errors import UserError
from adjax.settings import leaves_one_out

IN_MEMORY = 4 << 30  # bytes of a training set that is held in memory; a larger one is streamed


def is_industrial(name: str) -> bool:
    """Whether a data set is one of folders with normal and defective images of one kind."""
    return name in INDUSTRIAL


def industrial_index(data) -> Index:
    """The files of a config's category.

    Args:
      data: `config.data`; an empty `dir` means the folder of the set's name in the folder that the
        environment variable ADJAX_DATA_DIR names, or in `data`.

    """
    directory = data.dir or str(Path(os.environ.get("ADJAX_DATA_DIR", "data")) / data.name)
    if not data.dir and not Path(directory).is_dir():
        raise UserError(
            f"config.data.dir: give the folder of {data.name}, or in ADJAX_DATA_DIR the one that "
            f"holds it ({directory} does not exist)"
        )
    return read_index(data.name, directory, data.normal_class)


def has_split(data, split: str) -> bool:
    """Whether an industrial set has images of a split."""
    return bool(industrial_index(data).of(split))


def load(data, split: str) -> Table:
    """A split of a config's data set.

    Args:
      data: `config.data`.
      split: "train" or "test". Of industrial sets, labels number the kinds of defects, 0 is normal.
        Where one class is left out, both are one pool of all images, those of the training split
        first: `training_rows` and `test_rows` say which are whose.

    Raises:
      UserError: for a set that is not there or cannot be read.

    """
    if leaves_one_out(data):
        return _load_pool(data.name, data.train_split, data.test_split, data.dir)
    if not is_industrial(data.name):
        return load_table(data.name, data[f"{split}_split"], data.dir)
    return _load_industrial(industrial_index(data), split, data.size, data.channels)


@functools.lru_cache(maxsize=2)
def _load_pool(name: str, train_split: str, test_split: str, directory: str) -> Table:
    parts = [load_table(name, split, directory) for split in (train_split, test_split)]
    image, label = (
        np.concatenate([getattr(part, key) for part in parts]) for key in ("image", "label")
    )
    image.flags.writeable = label.flags.writeable = False
    return parts[0]._replace(image=image, label=label)


@functools.lru_cache(maxsize=8)
def _load_industrial(index: Index, split: str, size: int, channels: int) -> Table:
    splits = ("train", "validation") if split == "train" else (split,)
    items = index.of(*splits)
    too_large = len(items) * size * size * channels > IN_MEMORY
    read = open_images if split == "train" and too_large else load_images
    found = read(index, *splits, size=size, channels=channels)
    class_names = (GOOD, *sorted({item.defect for item in items} - {GOOD}))
    return Table(
        image=found.image if read is load_images else found,
        label=np.array([class_names.index(item.defect) for item in items], np.int32),
        class_names=class_names,
        mask=found.mask if split == "test" else None,
        path=found.path,
        held_out=np.flatnonzero([item.split == "validation" for item in items]),
    )


def normal_label(data, table: Table, normal_class: int | str) -> int:
    """The label that `normal_class` names; raises `UserError` if it has no such class."""
    return 0 if is_industrial(data.name) else resolve_class(table, normal_class)


def describe_class(data, table: Table, normal_class: int | str) -> dict[str, Any]:
    """How results name a normal class: its number, for order, and its name."""
    if is_industrial(data.name):
        known = categories(data.name)
        number = known.index(normal_class) if normal_class in known else len(known)
        return {"normal_class": number, "class_name": normal_class or data.name}
    number = resolve_class(table, normal_class)
    return {"normal_class": number, "class_name": table.class_names[number]}


def training_rows(data, table: Table, member: dict[str, Any]) -> OneClassSplit:
    """The rows that a member trains on and those that are held out.

    Args:
      data: `config.data`.
      table: of the training split.
      member: its settings, seed and normal class among them.

    """
    if leaves_one_out(data):
        found = _left_out(data, table, member)
        return OneClassSplit(found.train, found.validation)
    label = normal_label(data, table, member["data.normal_class"])
    if len(table.held_out):  # the data set's own validation split
        rows = np.flatnonzero(table.label == label)
        return OneClassSplit(np.setdiff1d(rows, table.held_out), table.held_out)
    return one_class_split(table.label, label, data.validation_fraction, member["seed"])


def test_rows(data, table: Table, member: dict[str, Any]) -> np.ndarray:
    """The rows that a member is tested on, ascending: all, or of a pool those not trained on.

    Args:
      data: `config.data`.
      table: of the test split.
      member: its settings, seed and normal class among them.

    """
    if leaves_one_out(data):
        return _left_out(data, table, member).test
    return np.arange(len(table.label))


def is_anomalous(data, table: Table, normal_class: int | str) -> np.ndarray:
    """Which images of a table are anomalous, bool `[N]`: those not of the normal class.

    Where one class is left out, `normal_class` names it and its images are the anomalous ones.
    """
    same = table.label == normal_label(data, table, normal_class)
    return same if leaves_one_out(data) else ~same


def _left_out(data, table: Table, member: dict[str, Any]) -> LeaveOneOutSplit:
    label = normal_label(data, table, member["data.normal_class"])
    return leave_one_out_split(table.label, label, data.validation_fraction, member["seed"])
