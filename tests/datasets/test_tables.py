"""A set that cannot be read says so in one line, at once, without the network."""

import socket
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds

from adjax.datasets import tables
from adjax.datasets.prepare import import_dataset
from adjax.datasets.tables import load_table
from adjax.errors import UserError


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def prepared(tmp_path):
    """A folder that holds the set `mine`: six 4 x 4 images, two classes."""
    image, label = np.zeros((6, 4, 4), np.uint8), np.arange(6) % 2
    np.savez(tmp_path / "a.npz", x_train=image, y_train=label, x_test=image, y_test=label)
    import_dataset("mine", str(tmp_path / "a.npz"), str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["fashion_mnist", "emnist/letters", "no_such_set"])
def test_absent_set(tmp_path, name):
    begin = time.monotonic()
    with pytest.raises(UserError) as caught:
        load_table(name, "train", str(tmp_path))
    assert time.monotonic() - begin < 2
    assert str(caught.value) == (
        f"dataset {name!r} is not prepared in {str(tmp_path)!r}: run adjax prepare_data "
        f"--dataset={name} --data_dir={tmp_path} [--source=FILE.npz]"
    )


@pytest.mark.parametrize("split", ["validation", "train[", "train[:5"])
def test_unknown_split(prepared, split):
    with pytest.raises(UserError, match=r"has no split .*: it has train, test"):
        load_table("mine", split, str(prepared))


def test_a_split_is_the_same_however_it_is_read(tmp_path, monkeypatch):
    image = np.random.default_rng(0).integers(0, 256, (7, 4, 4), np.uint8)
    label = np.arange(7) % 2
    np.savez(tmp_path / "a.npz", x_train=image, y_train=label, x_test=image, y_test=label)
    import_dataset("mine", str(tmp_path / "a.npz"), str(tmp_path))
    for at_once in (1, 50, 10**6):
        monkeypatch.setattr(tables, "_AT_ONCE", at_once)
        table = load_table.__wrapped__("mine", "train", str(tmp_path))
        np.testing.assert_array_equal(table.image[..., 0], image)
        np.testing.assert_array_equal(table.label, label)
        part = load_table.__wrapped__("mine", "train[2:5]", str(tmp_path))
        np.testing.assert_array_equal(part.image[..., 0], image[2:5])


@pytest.mark.parametrize(
    ("split", "says"),
    [
        ("train[:0]", "holds no image, there are train of .*: choose a larger part"),
        ("test[:400]", "goes beyond the images there are, train of .*: choose a smaller part"),
        ("train[3:400]", "goes beyond"),
    ],
)
def test_split_that_does_not_fit_the_set(prepared, split, says):
    with pytest.raises(UserError, match=says) as caught:
        load_table("mine", split, str(prepared))
    assert "delete" not in str(caught.value)  # nothing is wrong with the files


def test_malformed_name(prepared):
    with pytest.raises(UserError, match="cannot open dataset 'a b'") as caught:
        load_table("a b", "train", str(prepared))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["dataset_info.json", "features.json"])
def test_damaged_metadata(prepared, file):
    (prepared / "mine" / "1.0.0" / file).write_text("{")
    with pytest.raises(UserError, match="cannot open dataset 'mine'") as caught:
        load_table("mine", "train", str(prepared))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0, 40, None])
def test_damaged_data(prepared, keep):
    (file,) = (prepared / "mine" / "1.0.0").glob("*train*")
    content = file.read_bytes()
    file.unlink()
    if keep is not None:
        file.write_bytes(content[:keep])
    with pytest.raises(
        UserError, match=r"cannot read split 'train' .* delete that folder"
    ) as caught:
        load_table("mine", "train", str(prepared))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (tfds.features.Image(shape=(None, None, 3)), "only uint8 images of one fixed size"),
        (tfds.features.Image(shape=(4, 4, 1), dtype=np.uint16), "only uint8 images of one fixed"),
        (tfds.features.Tensor(shape=(4, 4, 1), dtype=np.uint8), "not an image-classification set"),
    ],
)
def test_unusable_features(tmp_path, image, message):
    features = tfds.features.FeaturesDict(
        {"image": image, "label": tfds.features.ClassLabel(num_classes=2)}
    )
    channels = image.shape[-1]
    pixels = np.zeros((4, 4, channels), image.np_dtype)
    tfds.dataset_builders.store_as_tfds_dataset(
        name="odd",
        version="1.0.0",
        features=features,
        split_datasets={"train": [(0, {"image": pixels, "label": 1})]},
        data_dir=tmp_path,
    )
    with pytest.raises(UserError, match=message):
        load_table("odd", "train", str(tmp_path))
