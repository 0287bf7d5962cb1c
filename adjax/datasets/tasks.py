"""Tasks: which images a run trains on, holds out and is tested on, and which are anomalous.

A task is made of the config's section `data` and owns its protocol; no other room asks what kind of
data set a run has.
"""

import abc
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from adjax.datasets.contents import Contents, digest_of_texts
from adjax.datasets.one_class import (
    LeaveOneOutSplit,
    OneClassSplit,
    leave_one_out_split,
    one_class_split,
    resolve_class,
)
from adjax.datasets.settings import CategoryData, ClassData
from adjax.datasets.tables import Table, checksum, load_table
from adjax.errors import UserError

Member = dict[str, Any]  # a member's settings by dotted keys: "seed", "data.normal_class", ...


class Tested(NamedTuple):
    """The images that the members of a run are tested on.

    Attributes:
      table: N images, those of all members.
      anomalous: bool `[P, N]`, which are anomalous for a member.
      counted: bool `[P, N]`, which a member is tested on; all, unless each has a split of its own.

    """

    table: Table
    anomalous: np.ndarray
    counted: np.ndarray


class Task(abc.ABC):
    """The data and the protocol of a run.

    Attributes:
      data: the section of the config.
      noun: word for the class or category that a member's `data.normal_class` names.
      protocol: "one_class", "leave_one_out" or "category".
      decides: whether thresholds are chosen, so that photographs can be judged.
      varying: keys of the config in which the members of a population may differ.

    """

    def __init__(self, data: ClassData | CategoryData):
        """Make the task of a config's section `data`; see `create_task`."""
        self.data = data
        self.noun = data.noun
        self.protocol = data.protocol
        self.decides = data.decides
        self.varying = data.varying

    def is_present(self) -> bool:
        """Return whether there are data where the config says, sound or not."""
        return True

    @abc.abstractmethod
    def verify(self) -> None:
        """Read all images once; raise `DataError` if the files are at fault, naming the first."""

    def doubts(self) -> list[str]:
        """Return sentences on what makes a result of these data doubtful, none of them fatal."""
        return []

    def facts(self) -> dict[str, Any]:
        """Return what the results of a run say of its data."""
        return {}

    def kept(self) -> dict[str, Any]:
        """Return what follows from the training images and must last as long as the run."""
        return {}

    @abc.abstractmethod
    def contents(self) -> Contents:
        """Return what the images of the training table are; `UserError` if they cannot be read."""

    @abc.abstractmethod
    def tested_digest(self, tested: Table) -> str:
        """Return a digest of the test images, with their names and masks."""

    def controlled(self, image: np.ndarray) -> np.ndarray | None:
        """Return test images without what confounds their kinds; None where nothing is known to."""
        return None

    @abc.abstractmethod
    def training_table(self) -> Table:
        """Return the images of which `split` chooses; raise `UserError` if they cannot be read."""

    @abc.abstractmethod
    def split(self, table: Table, member: Member) -> OneClassSplit:
        """Return the rows of the training table that a member trains on and those held out."""

    @abc.abstractmethod
    def tested(self, members: list[Member], held_out: np.ndarray | None = None) -> Tested:
        """Return the images that P members are tested on.

        Args:
          members: the P members.
          held_out: the first one's rows of the training table, for sets without test images; None:
            those that `split` draws.

        Raises:
          UserError: if they cannot be read, or, where classes are told apart, a member has images
            of one kind only.

        """

    @abc.abstractmethod
    def label(self, table: Table, normal_class: int | str) -> int:
        """Return the label that `normal_class` names; raise `UserError` if there is none."""

    @abc.abstractmethod
    def describe(self, table: Table, normal_class: int | str) -> dict[str, Any]:
        """Return how results name a normal class: its number, for order, and its name."""


class OneClass(Task):
    """One class of a TFDS set is normal: train on it, test on all classes (as in Deep SVDD)."""

    def verify(self) -> None:
        """Read both splits; raise `DataError` if the set is not prepared or damaged."""
        self.training_table()
        self._test_table()

    def training_table(self) -> Table:
        """Return the training split."""
        return load_table(self.data.name, self.data.train_split, self.data.dir)

    def split(self, table: Table, member: Member) -> OneClassSplit:
        """Return rows of the normal class."""
        label = self.label(table, member["data.normal_class"])
        return one_class_split(table.label, label, self.data.validation_fraction, member["seed"])

    def contents(self) -> Contents:
        """Return one digest for the training split."""
        return self._contents(self.data.train_split)

    def tested_digest(self, tested: Table) -> str:
        """Return the digest of the test split."""
        del tested
        return self._contents(self.data.test_split).digest

    def _contents(self, *splits: str) -> Contents:
        names, digests = zip(
            *(checksum(self.data.name, split, self.data.dir) for split in splits), strict=True
        )
        images = sum(
            len(load_table(self.data.name, split, self.data.dir).label) for split in splits
        )
        return Contents(" + ".join(names), images, digest_of_texts(digests), {})

    def tested(self, members: list[Member], held_out: np.ndarray | None = None) -> Tested:
        """Return the test split for every member, or its part of the pool."""
        del held_out
        table = self._test_table()
        own = [self._tested_rows(table, member) for member in members]
        if all(len(of_member) == len(table.label) for of_member in own):
            counted = np.ones((len(own), len(table.label)), bool)
        else:
            rows = np.unique(np.concatenate(own))
            if len(rows) < len(table.label):
                table = table._replace(image=table.image[rows], label=table.label[rows])
            counted = np.stack([np.isin(rows, of_member) for of_member in own])
        anomalous = np.stack([self._anomalous(table, m["data.normal_class"]) for m in members])
        for member, kind, of_member in zip(members, anomalous, counted, strict=True):
            normal = ~kind[of_member]
            if normal.all() or not normal.any():
                label = self.label(table, member["data.normal_class"])
                raise UserError(
                    f"config.data.test_split={self.data.test_split!r} holds "
                    f"{'only' if normal.any() else 'no'} images of normal_class {label}: "
                    "choose a larger split"
                )
        return Tested(table, anomalous, counted)

    def label(self, table: Table, normal_class: int | str) -> int:
        """Return the label of a class given by label or by name."""
        return resolve_class(table, normal_class)

    def describe(self, table: Table, normal_class: int | str) -> dict[str, Any]:
        """Return the label of a class and its name."""
        number = self.label(table, normal_class)
        return {"normal_class": number, "class_name": table.class_names[number]}

    def _test_table(self) -> Table:
        return load_table(self.data.name, self.data.test_split, self.data.dir)

    def _tested_rows(self, table: Table, member: Member) -> np.ndarray:
        """Rows of the test table that a member is tested on, ascending: int64 `[n]`."""
        del member
        return np.arange(len(table.label))

    def _anomalous(self, table: Table, normal_class: int | str) -> np.ndarray:
        """Images of the test table that are anomalous: bool `[N]`."""
        return table.label != self.label(table, normal_class)


class LeaveOneOut(OneClass):
    """One class of a TFDS set is abnormal, all others are normal (GANomaly's protocol).

    `data.normal_class` names the abnormal one. Both splits are one pool, those of the training
    split first, of which each member trains on rows of its own and is tested on the others.
    """

    def training_table(self) -> Table:
        """Return the pool of all images."""
        return _load_pool(
            self.data.name, self.data.train_split, self.data.test_split, self.data.dir
        )

    def split(self, table: Table, member: Member) -> OneClassSplit:
        """Return rows of the normal classes."""
        rows = self._rows(table, member)
        return OneClassSplit(rows.train, rows.validation)

    def contents(self) -> Contents:
        """Return one digest for the pool."""
        return self._contents(self.data.train_split, self.data.test_split)

    def tested_digest(self, tested: Table) -> str:
        """Return the digest of the pool: what a member is tested on follows from its seed."""
        return self.contents().digest

    def _test_table(self) -> Table:
        return self.training_table()

    def _tested_rows(self, table: Table, member: Member) -> np.ndarray:
        return self._rows(table, member).test

    def _anomalous(self, table: Table, normal_class: int | str) -> np.ndarray:
        return table.label == self.label(table, normal_class)

    def _rows(self, table: Table, member: Member) -> LeaveOneOutSplit:
        label = self.label(table, member["data.normal_class"])
        fraction = self.data.validation_fraction
        return leave_one_out_split(table.label, label, fraction, member["seed"])


def create_task(data: ClassData | CategoryData, kept: Mapping[str, Any] = {}) -> Task:
    """Return the task of a config's section `data`, as `adjax.datasets.settings` types it.

    Args:
      data: the section.
      kept: of a run that has begun, what it keeps, see `Task.kept`.

    """
    if data.protocol == "category":
        from adjax.datasets.category import Category  # here: other tasks read no image files

        return Category(data, kept)
    return {"one_class": OneClass, "leave_one_out": LeaveOneOut}[data.protocol](data)


@functools.lru_cache(maxsize=2)
def _load_pool(name: str, train_split: str, test_split: str, directory: str) -> Table:
    parts = [load_table(name, split, directory) for split in (train_split, test_split)]
    image, label = (
        np.concatenate([getattr(part, key) for part in parts]) for key in ("image", "label")
    )
    image.flags.writeable = label.flags.writeable = False
    return parts[0]._replace(image=image, label=label)
