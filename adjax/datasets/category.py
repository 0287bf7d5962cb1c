"""The task of an industrial category: normal images to train on, defective ones to find."""

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adjax.datasets.audit import audit, describe
from adjax.datasets.brightness import MedianTable, all_to_median, reference_median
from adjax.datasets.catalog import CATEGORIES
from adjax.datasets.contents import Contents, contents_of_files, digest_of_texts
from adjax.datasets.digests import digests_of
from adjax.datasets.doubts import check_held_out, doubts
from adjax.datasets.industrial import FileTable, load_images
from adjax.datasets.layouts import GOOD, Index, find_category, read_index
from adjax.datasets.one_class import OneClassSplit, one_class_split
from adjax.datasets.settings import CategoryData
from adjax.datasets.tables import Table
from adjax.datasets.tasks import Member, Task, Tested
from adjax.errors import DataError, UserError

_READ_AT_ONCE = 64  # images, of a set that is streamed
IN_MEMORY = 4 << 30  # bytes of a training set that is held in memory; a larger one is streamed


class Category(Task):
    """A category of an industrial set: train on its normal images, find the defective ones.

    Labels number the kinds of defects, 0 is normal. Thresholds are chosen on held-out images.
    """

    def __init__(self, data: CategoryData, kept: Mapping[str, Any] = {}):
        """Make the task of a config's section `data`; see `create_task`."""
        super().__init__(data)
        self._kept = kept

    def is_present(self) -> bool:
        """Return whether the category's folder is where the config says, whatever it holds."""
        try:
            find_category(self.data.name, self._directory(), self.data.normal_class)
        except UserError:
            return False
        return True

    def verify(self) -> None:
        """Read all images and masks once; raise `DataError` if the files are at fault."""
        try:
            table = self.training_table()
            if not isinstance(table.image, np.ndarray):
                for start in range(0, len(table.label), _READ_AT_ONCE):
                    table.image[np.arange(start, min(start + _READ_AT_ONCE, len(table.label)))]
            self.split(table, {"seed": 0})
            self.tested([{"seed": 0}])
        except UserError as error:
            raise DataError(str(error)) from error

    def index(self) -> Index:
        """Return the files of the category."""
        data = self.data
        return read_index(data.name, self._directory(), data.normal_class, data.good)

    def _directory(self) -> str:
        """Return the folder of the set.

        An empty `data.dir` means the folder of the set's name in the folder that the environment
        variable ADJAX_DATA_DIR names, or in `data`.
        """
        data = self.data
        directory = data.dir or str(Path(os.environ.get("ADJAX_DATA_DIR", "data")) / data.name)
        if not data.dir and not os.path.isdir(directory):
            raise UserError(
                f"config.data.dir: give the folder of {data.name}, or in ADJAX_DATA_DIR the one "
                f"that holds it ({directory} does not exist)"
            )
        return directory

    def training_table(self) -> Table:
        """Return the normal images, those of a validation split of the set's own among them."""
        return self._table("train")

    def doubts(self) -> list[str]:
        """Return sentences on what makes a result of the category's images doubtful."""
        return list(doubts(self.index(), self.data))

    def facts(self) -> dict[str, Any]:
        """Return what results say of the category.

        `doubts` and `confounded` hold sentences, on its images and on what tells their kinds apart,
        `reference_median` the brightness that all are brought to, `tests_held_out` says that there
        are no test images.
        """
        index, facts = self.index(), {}
        if sentences := self.doubts():
            facts["doubts"] = sentences
        if sentences := self._confounders():
            facts["confounded"] = sentences
        if self.data.normalise != "none":
            facts["reference_median"] = self._reference_median()
        if not index.of("test"):
            facts["tests_held_out"] = True
        return facts

    def kept(self) -> dict[str, Any]:
        """Return the median brightness that networks of this run are used to."""
        if self.data.normalise == "none":
            return {}
        return {"reference_median": self._reference_median()}

    def contents(self) -> Contents:
        """Return what the normal images are; files of images in memory are not read again."""
        index = self.index()
        items = index.of("train", "validation")
        sizes = (item.path.stat().st_size for item in items)
        found = zip(sizes, digests_of(item.path for item in items), strict=True)
        files = zip((index.name_of(item) for item in items), found, strict=True)
        return contents_of_files(f"{index.name}, {index.category}", dict(files))

    def tested_digest(self, tested: Table) -> str:
        """Return a digest of the test images, their names and masks; else of the held-out ones."""
        index = self.index()
        by_name = {index.name_of(item): item for item in index.items}
        items = [by_name[name] for name in tested.path]
        images = digests_of(item.path for item in items)
        masks = iter(digests_of(item.mask for item in items if item.mask))
        return digest_of_texts(
            f"{name} {image} {next(masks) if item.mask else ''}"
            for name, item, image in zip(tested.path, items, images, strict=True)
        )

    def controlled(self, image: np.ndarray) -> np.ndarray | None:
        """Return images at the training images' median brightness, where that may matter.

        None where no plain statistic tells the kinds of images apart, or all are so already.
        """
        if self.data.normalise != "none" or not self._confounders():
            return None
        return all_to_median(image, self._reference_median())

    def _confounders(self) -> list[str]:
        return describe(audit(self.index(), self.data.bits))

    def _reference_median(self) -> float:
        if "reference_median" in self._kept:
            return self._kept["reference_median"]
        return _reference(*self._read_as)

    @property
    def _read_as(self) -> tuple[Index, int, int, int]:
        """The files of the category, and how their images are read."""
        return self.index(), self.data.size, self.data.channels, self.data.bits

    def split(self, table: Table, member: Member) -> OneClassSplit:
        """Return the rows that a member trains on and those held out; `UserError` if none are."""
        if len(table.held_out):  # the data set's own validation split
            rows = np.flatnonzero(table.label == 0)
            return OneClassSplit(np.setdiff1d(rows, table.held_out), table.held_out)
        fraction = self.data.validation_fraction
        split = one_class_split(table.label, 0, fraction, member["seed"])
        check_held_out(len(table.image), len(split.validation), fraction)
        return split

    def tested(self, members: list[Member], held_out: np.ndarray | None = None) -> Tested:
        """Return the test split for every member.

        A set without test images is tested on the held-out normal ones of its first member: there
        is nothing to measure, but scores to choose thresholds by and examples to look at.
        """
        index = self.index()
        if index.of("test"):
            table = self._table("test")
        else:
            train = self.training_table()
            rows = self.split(train, members[0]).validation if held_out is None else held_out
            table = train._replace(
                image=train.image[rows],
                label=train.label[rows],
                path=tuple(train.path[row] for row in rows),
                held_out=train.held_out[:0],
            )
        anomalous = np.repeat([table.label != 0], len(members), axis=0)
        return Tested(table, anomalous, np.ones_like(anomalous))

    def _table(self, split: str) -> Table:
        if self.data.normalise == "none":
            return _load_category(*self._read_as, split)
        return _load_normalised(*self._read_as, split, self._reference_median())

    def label(self, table: Table, normal_class: str) -> int:
        """Return 0, the label of normal images."""
        return 0

    def describe(self, table: Table, normal_class: str) -> dict[str, Any]:
        """Return the official number of a category and its name."""
        known = CATEGORIES[self.data.name]
        number = known.index(normal_class) if normal_class in known else len(known)
        return {"normal_class": number, "class_name": normal_class or self.data.name}


@functools.lru_cache(maxsize=8)
def _load_category(index: Index, size: int, channels: int, bits: int, split: str) -> Table:
    splits = ("train", "validation") if split == "train" else (split,)
    items = index.of(*splits)
    too_large = len(items) * size * size * channels > IN_MEMORY
    read = FileTable if split == "train" and too_large else load_images
    table = read(index, *splits, size=size, channels=channels, bits=bits)
    class_names = (GOOD, *sorted({item.defect for item in items} - {GOOD}))
    return Table(
        image=table.image if read is load_images else table,
        label=np.array([class_names.index(item.defect) for item in items], np.int32),
        class_names=class_names,
        mask=table.mask if split == "test" else None,
        masked=table.masked if split == "test" else None,
        path=table.path,
        held_out=np.flatnonzero([item.split == "validation" for item in items]),
    )


@functools.lru_cache(maxsize=8)
def _load_normalised(
    index: Index, size: int, channels: int, bits: int, split: str, reference: float
) -> Table:
    """Load a split whose images have the training images' median."""
    table = _load_category(index, size, channels, bits, split)
    bring = MedianTable if isinstance(table.image, FileTable) else all_to_median
    return table._replace(image=bring(table.image, reference))


@functools.lru_cache(maxsize=8)
def _reference(index: Index, size: int, channels: int, bits: int) -> float:
    return reference_median(_load_category(index, size, channels, bits, "train"))
