"""A set prepared by TFDS is its index: same order, same pixels, without network."""

import re
import socket

import numpy as np
import pytest
import tensorflow_datasets as tfds
from industrial_helpers import picture, write, write_kolektor, write_mvtec, write_rsdds

from adjax.datasets import import_dataset, import_folder, read_image, read_index, read_mask
from adjax.datasets.builders import _BUILDERS
from adjax.datasets.layouts import INDUSTRIAL, categories
from adjax.errors import UserError


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def assert_equals(index, name, data_dir):
    """Every split that `tfds.load` reads is that of the index."""
    splits = tfds.load(name, data_dir=data_dir, download=False)
    assert set(splits) == {item.split for item in index.items}
    for split, dataset in splits.items():
        examples = list(dataset.as_numpy_iterator())
        for example, item in zip(examples, index.of(split), strict=True):
            image = read_image(item.path)
            marked = read_mask(item.mask) if item.mask else np.zeros(image.shape[:2], bool)
            if item.box is not None:
                top, left, height, width = item.box
                image = image[top : top + height, left : left + width]
                marked = marked[top : top + height, left : left + width]
            np.testing.assert_array_equal(example["image"], image)
            np.testing.assert_array_equal(example["mask"], marked[..., None] * np.uint8(255))
            assert example["has_mask"] == (item.is_good or item.mask is not None)
            assert example["label"] == (item.defect != "good")
            assert example["defect"].decode() == item.defect
            assert example["file"].decode() == index.name_of(item)


def test_mvtec_of_grey_and_colour_images(tmp_path):
    root = write_mvtec(tmp_path / "source/bottle")
    write(root / "test/cut/001.png", picture(0, (12, 10, 3)))
    (root / "ground_truth/hole/001_mask.png").unlink()
    data_dir = str(tmp_path / "data")
    folder = import_dataset("mvtec_ad/bottle", str(tmp_path / "source"), data_dir)
    assert folder == f"{data_dir}/mvtec_ad/bottle/1.0.0"
    index = read_index("mvtec_ad", str(tmp_path / "source"), "bottle")
    assert_equals(index, "mvtec_ad/bottle", data_dir)
    with pytest.raises(UserError, match=f"already prepared: delete {re.escape(folder)}"):
        import_folder("mvtec_ad", "bottle", str(tmp_path / "source"), data_dir)


def test_crops(tmp_path):
    write_rsdds(tmp_path / "type_i", count=2)
    import_folder("rsdds", "type_i", str(tmp_path), str(tmp_path / "data"))
    index = read_index("rsdds", str(tmp_path), "type_i")
    assert_equals(index, "rsdds/type_i", str(tmp_path / "data"))


def test_a_set_of_one_category(tmp_path):
    write_kolektor(tmp_path / "source", count=2)
    import_folder("kolektor_sdd", "", str(tmp_path / "source"), str(tmp_path / "data"))
    index = read_index("kolektor_sdd", str(tmp_path / "source"))
    assert_equals(index, "kolektor_sdd", str(tmp_path / "data"))


def test_own_photographs(tmp_path):
    for number in range(3):
        write(tmp_path / f"photos/{number}.jpg", picture(number, (9, 7, 3)))
    import_folder("folder", "my_parts", str(tmp_path / "photos"), str(tmp_path / "data"))
    index = read_index("folder", str(tmp_path / "photos"))
    assert_equals(index, "folder/my_parts", str(tmp_path / "data"))


def test_a_damaged_file_leaves_nothing(tmp_path):
    root = write_mvtec(tmp_path / "bottle")
    (root / "train/good/002.png").write_bytes(b"")
    data_dir = tmp_path / "data"
    with pytest.raises(UserError) as caught:
        import_folder("mvtec_ad", "bottle", str(tmp_path), str(data_dir))
    assert str(caught.value) == f"{root}/train/good/002.png: the file is empty (0 bytes)"
    assert not list(data_dir.rglob("*.tfrecord*"))


def test_wrong_arguments(tmp_path):
    write(tmp_path / "photos/0.png", picture(0))
    with pytest.raises(UserError, match="unknown data set 'mnist'"):
        import_folder("mnist", "", str(tmp_path), str(tmp_path / "data"))
    with pytest.raises(UserError, match="must be of letters"):
        import_folder("folder", "my parts", str(tmp_path / "photos"), str(tmp_path / "data"))
    with pytest.raises(UserError, match="rsdds cannot be downloaded: give --source=FOLDER"):
        import_dataset("rsdds/type_i", "", str(tmp_path / "data"))


def test_every_set_has_a_builder():
    assert tuple(_BUILDERS) == INDUSTRIAL
    for name, builder in _BUILDERS.items():
        assert tuple(config.name for config in builder.BUILDER_CONFIGS) == categories(name)
