"""A whole split of a prepared TFDS image-classification set as arrays in memory."""

import functools
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from adjax.errors import UserError

if TYPE_CHECKING:  # imported by what reads a set
    import tensorflow_datasets as tfds


class Table(NamedTuple):
    """A split in file order; the arrays are read-only."""

    image: Any  # uint8 [N, H, W, C]: an array, or a `FileTable`, which reads rows
    label: np.ndarray  # int32 [N]
    class_names: tuple[str, ...]  # class_names[label] names a class
    mask: np.ndarray | None = None  # bool [N, H, W], which pixels are anomalous, where known
    masked: np.ndarray | None = None  # bool [N], for which images `mask` is known, if there is one
    path: tuple[str, ...] = ()  # [N], of sets of image files
    held_out: np.ndarray = np.zeros(0, np.int64)  # rows of a validation split of the set's own


@functools.cache
def load_table(name: str, split: str, data_dir: str) -> Table:
    """Read a split once a process; later calls return the same arrays.

    Only files under `data_dir` are read; nothing is ever downloaded.

    Args:
      name: a TFDS name, with `/config` where the set has several, e.g. "mnist".
      split: "train", "test" or any TFDS split expression, e.g. "train[:100]".
      data_dir: the TFDS data directory that holds the prepared set.

    Raises:
      UserError: if the set is not prepared, has no such split, is damaged, or is not made of uint8
        images of one size with one class label each.

    """
    builder = find_prepared(name, data_dir)
    if builder is None:
        raise UserError(
            f"dataset {name!r} is not prepared in {data_dir!r}: run python launch.py "
            f"--mode=prepare_data --dataset={name} --data_dir={data_dir} [--source=FILE.npz]"
        )
    check_image_classification(name, builder.info.features)
    try:
        builder.info.splits[split]
    except (KeyError, ValueError) as error:
        known = ", ".join(builder.info.splits)
        raise UserError(f"dataset {name!r} has no split {split!r}: it has {known}") from error
    try:
        image, label = _read(builder, split)
    except Exception as error:  # tf.errors, OSError, AssertionError: TFDS has no common base
        raise UserError(
            f"cannot read split {split!r} of {builder.data_dir} ({first_line(error)}): "
            "delete that folder and prepare the dataset again"
        ) from error
    image.flags.writeable = False
    label.flags.writeable = False
    return Table(image, label, tuple(builder.info.features["label"].names))


def find_prepared(name: str, data_dir: str | os.PathLike[str]) -> "tfds.core.DatasetBuilder | None":
    """Return a builder for the set's files under `data_dir`, or None if there are none.

    Works for names that TFDS does not know, and by files alone: no generation code, no network.

    Raises:
      UserError: if the name is malformed or the set's metadata are damaged.

    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import read_only_builder

    try:
        return read_only_builder.builder_from_files(name, data_dir=os.fspath(data_dir))
    except tfds.core.DatasetNotFoundError:
        return None
    except Exception as error:  # ValueError for a name, many for metadata
        raise UserError(
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


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its type if it has none."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _read(builder: "tfds.core.DatasetBuilder", split: str) -> tuple[np.ndarray, np.ndarray]:
    """Decode a split in file order: uint8 [N, H, W, C], int32 [N]."""
    import tensorflow_datasets as tfds

    dataset = builder.as_dataset(
        split=split,
        batch_size=-1,
        decoders=tfds.decode.PartialDecoding({"image": True, "label": True}),
        read_config=tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1),
    )
    arrays = tfds.as_numpy(dataset)
    return arrays["image"], arrays["label"].astype(np.int32)
