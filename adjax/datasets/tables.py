"""A whole split of a prepared TFDS image-classification set as arrays in memory."""

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from adjax import paths
from adjax.datasets.digests import new_digest
from adjax.errors import DataError, UserError, first_line

if TYPE_CHECKING:  # imported by what reads a set
    import tensorflow_datasets as tfds

SHIPPED = Path(__file__).resolve().parent.parent / "data"  # a TFDS data directory with MNIST
USUAL = "data"  # TFDS data directory, in the folder where a command is given
_AT_ONCE = 16 << 20  # bytes of images that are decoded at a time


class Table(NamedTuple):
    """A split in file order; the arrays are read-only."""

    image: Any  # uint8 [N, H, W, C]: an array, or a `FileTable`, which reads rows
    label: np.ndarray  # int32 [N]
    class_names: tuple[str, ...]  # class_names[label] names a class
    mask: np.ndarray | None = None  # bool [N, H, W], which pixels are anomalous, where known
    masked: np.ndarray | None = None  # bool [N], for which images `mask` is known, if there is one
    path: tuple[str, ...] = ()  # [N], of sets of image files
    held_out: np.ndarray = np.zeros(0, np.int64)  # rows of a validation split of the set's own


def directory_of(name: str, data_dir: str) -> str:
    """Return the TFDS data directory that a set is read from.

    It is the one that was asked for. Where that is the usual one and the set is not in it, a set
    that comes with adjax is read from there.
    """
    first = name.partition("/")[0]
    if data_dir != USUAL or os.path.lexists(os.path.join(data_dir, first)):
        return data_dir
    return str(SHIPPED) if SHIPPED.is_dir() and first in os.listdir(SHIPPED) else data_dir


@functools.cache
def load_table(name: str, split: str, data_dir: str) -> Table:
    """Read a split once a process; later calls return the same arrays.

    Only files under `data_dir` are read; nothing is ever downloaded.

    Args:
      name: a TFDS name, with `/config` where the set has several, e.g. "mnist".
      split: "train", "test" or any TFDS split expression, e.g. "train[:100]".
      data_dir: the TFDS data directory that holds the prepared set, see `directory_of`.

    Raises:
      UserError: if the set is not prepared, has no such split, is damaged, or is not made of uint8
        images of one size with one class label each.

    """
    data_dir = directory_of(name, data_dir)
    missing = DataError(
        f"dataset {name!r} is not prepared in {data_dir!r}: run adjax prepare_data "
        f"--dataset={name} --data_dir={data_dir} [--source=FILE.npz]"
    )
    if not os.path.isdir(data_dir):
        raise missing
    with paths.plain(data_dir) as folder:
        builder = find_prepared(name, data_dir, folder)
        if builder is None:
            raise missing
        check_image_classification(name, builder.info.features)
        _check_split(name, split, builder.info.splits)
        try:
            image, label = _read(builder, split)
        except Exception as error:  # tf.errors, OSError, AssertionError: TFDS has no common base
            where = os.path.join(data_dir, os.path.relpath(builder.data_dir, folder))
            raise DataError(
                f"cannot read split {split!r} of {where} ({first_line(error)}): "
                "delete that folder and prepare the dataset again"
            ) from error
    image.flags.writeable = False
    label.flags.writeable = False
    return Table(image, label, tuple(builder.info.features["label"].names))


def _check_split(name: str, split: str, known: Mapping[str, "tfds.core.SplitInfo"]) -> None:
    """Raise a UserError unless a split expression is one of the set's and holds images."""
    sizes = ", ".join(f"{part} of {info.num_examples:,}" for part, info in known.items())
    problem = f"dataset {name!r}: split {split!r}"
    try:
        number = known[split].num_examples
    except (KeyError, ValueError) as error:
        if "incompatible with" in str(error):  # TFDS has one error for all that is wrong
            raise UserError(
                f"{problem} goes beyond the images there are, {sizes}: choose a smaller part"
            ) from error
        raise UserError(
            f"dataset {name!r} has no split {split!r}: it has {', '.join(known)}"
        ) from error
    if not number:
        raise UserError(f"{problem} holds no image, there are {sizes}: choose a larger part")


@functools.cache
def checksum(name: str, split: str, data_dir: str) -> tuple[str, str]:
    """Return what a split is called, `mnist 3.0.1, train`, and a digest of its images and labels.

    Raises:
      UserError: as `load_table`.

    """
    table, found = load_table(name, split, data_dir), new_digest()
    for array in (table.image, table.label):
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array))
    data_dir = directory_of(name, data_dir)
    with paths.plain(data_dir) as folder:
        version = find_prepared(name, data_dir, folder).info.version
    return f"{name} {version}, {split}", found.hexdigest()


def find_prepared(
    name: str, data_dir: str | os.PathLike[str], folder: str | os.PathLike[str] = ""
) -> "tfds.core.DatasetBuilder | None":
    """Return a builder for the set's files under `data_dir`, or None if there are none.

    Works for names that TFDS does not know, and by files alone: no generation code, no network.

    Args:
      name: of the set.
      data_dir: the TFDS data directory, as errors call it.
      folder: the path to read it by, see `paths.plain`; empty: its own.

    Raises:
      UserError: if the name is malformed or the set's metadata are damaged.

    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import read_only_builder

    try:
        return read_only_builder.builder_from_files(name, data_dir=os.fspath(folder or data_dir))
    except tfds.core.DatasetNotFoundError:
        return None
    except Exception as error:  # ValueError for a name, many for metadata
        raise DataError(
            f"cannot open dataset {name!r} in {os.fspath(data_dir)!r}: {first_line(error)}"
        ) from error


def check_image_classification(name: str, features: "tfds.features.FeaturesDict") -> None:
    """Raise a UserError unless `features` has a uint8 image of fixed size and a class label."""
    import tensorflow_datasets as tfds

    by_name = dict(features) if isinstance(features, tfds.features.FeaturesDict) else {}
    image, label = by_name.get("image"), by_name.get("label")
    if type(image) is not tfds.features.Image or type(label) is not tfds.features.ClassLabel:
        raise UserError(
            f"dataset {name!r} is not an image-classification set: it needs the features image and "
            f"label, it has {', '.join(by_name) or type(features).__name__}"
        )
    if None in image.shape or image.np_dtype != np.uint8:
        raise UserError(
            f"images of dataset {name!r} are {image.np_dtype} of shape {image.shape}: only uint8 "
            "images of one fixed size can be used"
        )


def _read(builder: "tfds.core.DatasetBuilder", split: str) -> tuple[np.ndarray, np.ndarray]:
    """Decode a split in file order: uint8 [N, H, W, C], int32 [N].

    It is decoded some images at a time, so that memory holds the split once.
    """
    import tensorflow_datasets as tfds

    shape, count = builder.info.features["image"].shape, builder.info.splits[split].num_examples
    image, label = np.empty((count, *shape), np.uint8), np.empty(count, np.int32)
    at_once = max(1, _AT_ONCE // int(np.prod(shape)))
    dataset = builder.as_dataset(
        split=split,
        batch_size=at_once,
        decoders=tfds.decode.PartialDecoding({"image": True, "label": True}),
        read_config=tfds.ReadConfig(
            try_autocache=False, interleave_cycle_length=1, skip_prefetch=True
        ),
    )
    read = 0
    for batch in tfds.as_numpy(dataset):
        part = slice(read, read + len(batch["label"]))
        image[part], label[part] = batch["image"], batch["label"]
        read += len(batch["label"])
    if read != count:
        raise ValueError(f"{read} of {count} images are there")
    return image, label
