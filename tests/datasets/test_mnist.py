"""The shipped MNIST is the original, byte for byte, and plain TFDS reads it."""

import hashlib
import json
import struct

import numpy as np
import pytest
import tensorflow_datasets as tfds

from adjax.datasets.tables import load_table

PER_CLASS = {
    "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}
MD5 = {  # of the original idx files
    "train": ("6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624"),
    "test": ("2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"),
}


@pytest.fixture
def data_dir(repository):
    return str(repository / "data")


def md5_of_idx(array):
    """MD5 of the idx file of a uint8 array."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return hashlib.md5(header + array.tobytes()).hexdigest()


@pytest.mark.parametrize("split", ["train", "test"])
def test_table_is_the_original_in_its_order(data_dir, split):
    table = load_table("mnist", split, data_dir)
    assert table.image.shape[1:] == (28, 28, 1)
    assert table.image.dtype == np.uint8
    assert table.label.dtype == np.int32
    assert np.bincount(table.label).tolist() == PER_CLASS[split]
    assert table.class_names == tuple("0123456789")
    assert (md5_of_idx(table.image[..., 0]), md5_of_idx(table.label.astype(np.uint8))) == MD5[split]


def test_table_is_held_once_and_read_only(data_dir):
    table = load_table("mnist", "test", data_dir)
    assert load_table("mnist", "test", data_dir) is table
    for array in table[:2]:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_split_expression(data_dir):
    table = load_table("mnist", "test[10:20]", data_dir)
    np.testing.assert_array_equal(table.image, load_table("mnist", "test", data_dir).image[10:20])


def test_plain_tfds_reads_it(data_dir):
    dataset, info = tfds.load(
        "mnist",
        data_dir=data_dir,
        download=False,
        split="test",
        with_info=True,
        as_supervised=True,
        batch_size=-1,
    )
    image, label = tfds.as_numpy(dataset)
    assert info.splits["train"].num_examples == 60_000
    assert info.splits["train"].num_shards == info.splits["test"].num_shards == 1
    assert (md5_of_idx(image[..., 0]), md5_of_idx(label.astype(np.uint8))) == MD5["test"]


def test_metadata_hold_no_machine_path(repository):
    for path in (repository / "data" / "mnist").rglob("*.json"):
        for value in json.dumps(json.loads(path.read_text())).split('"'):
            assert not value.startswith("/"), (path, value)
