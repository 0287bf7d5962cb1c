"""What a run trains and is tested on: one call for image classes and for industrial folders."""

import importlib

import numpy as np
import pytest
from industrial_helpers import mask, picture, write, write_kolektor, write_mvtec, write_mvtec_3d
from ml_collections import ConfigDict

from adjax import datasets
from adjax.errors import UserError
from configs import mnist

module = importlib.import_module("adjax.datasets.load")  # the package's `load` is its function
ALL_SPLITS = ("train", "validation", "test")


def data_of(directory, name="mvtec_ad", category="part", **values):
    """A section `data` of a config."""
    made = {"name": name, "dir": str(directory), "normal_class": category}
    return ConfigDict(made | {"validation_fraction": 0.4, "size": 12, "channels": 1} | values)


def member_of(data, seed=0):
    return {"seed": seed, "data.normal_class": data.normal_class}


@pytest.fixture
def data(tmp_path):
    write_mvtec(tmp_path / "part")
    return data_of(tmp_path)


def test_training_images_are_normal(data):
    train = datasets.load(data, "train")
    assert (train.image.shape, train.image.dtype) == ((3, 12, 12, 1), np.uint8)
    assert train.label.tolist() == [0, 0, 0]
    assert train.class_names == ("good",)
    assert train.path == ("train/good/000.png", "train/good/001.png", "train/good/002.png")
    assert train.mask is None
    assert train.held_out.tolist() == []


def test_labels_of_the_test_split_number_the_kinds_of_defects(data):
    test = datasets.load(data, "test")
    assert test.class_names == ("good", "cut", "hole")
    assert test.label.tolist() == [1, 1, 0, 2, 2]
    assert test.label.dtype == np.int32
    assert test.mask.any((1, 2)).tolist() == [True, True, False, True, True]
    assert datasets.normal_label(data, test, "part") == 0


def test_same_files_are_read_once(data):
    assert datasets.load(data, "train").image is datasets.load(data, "train").image


def test_defects_without_good_test_images_keep_their_numbers(tmp_path):
    write_mvtec(tmp_path / "part")
    (tmp_path / "part/test/good/000.png").unlink()
    test = datasets.load(data_of(tmp_path), "test")
    assert test.class_names == ("good", "cut", "hole")
    assert test.label.tolist() == [1, 1, 2, 2]


def test_no_masks_where_one_is_missing(tmp_path):
    write_mvtec(tmp_path / "part", masks=False)
    assert datasets.load(data_of(tmp_path), "test").mask is None


def test_splits_that_are_there(data, tmp_path):
    assert [datasets.has_split(data, split) for split in ALL_SPLITS] == [True, False, True]
    write(tmp_path / "mine/a.png", picture(0))
    mine = data_of(tmp_path, "folder", "mine")
    assert [datasets.has_split(mine, split) for split in ALL_SPLITS] == [True, False, False]


def test_held_out_rows_are_drawn_from_the_training_images(data):
    train = datasets.load(data, "train")
    splits = [datasets.training_rows(data, train, member_of(data, seed)) for seed in range(6)]
    for rows in splits:
        assert len(rows.validation) == 1
        assert sorted([*rows.train, *rows.validation]) == [0, 1, 2]
    assert len({tuple(rows.validation) for rows in splits}) > 1


OFFICIAL = {
    "mvtec_ad": lambda root: write_mvtec(root / "part", splits=ALL_SPLITS),
    "mvtec_3d_rgb": lambda root: write_mvtec_3d(root / "part"),
    "folder": lambda root: write_mvtec(root / "part", splits=ALL_SPLITS),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_validation_split_is_held_out_whatever_the_seed(tmp_path, name):
    OFFICIAL[name](tmp_path)
    data = data_of(tmp_path, name, validation_fraction=0.0)
    train = datasets.load(data, "train")
    count = 1 if name == "mvtec_3d_rgb" else 3
    assert len(train.image) == len(train.path) == count + 1
    assert train.held_out.tolist() == [count]
    assert train.path[count].startswith("validation/")
    for seed in (0, 1):
        rows = datasets.training_rows(data, train, member_of(data, seed))
        assert rows.train.tolist() == list(range(count))
        assert rows.validation.tolist() == [count]


def test_validation_images_of_kolektor_in_folders(tmp_path):
    write_mvtec(tmp_path, splits=ALL_SPLITS)
    data = data_of(tmp_path, "kolektor_sdd", "kolektor_sdd")
    assert datasets.load(data, "train").held_out.tolist() == [3]
    write_kolektor(tmp_path / "official")
    data.dir = str(tmp_path / "official")
    assert datasets.load(data, "train").held_out.tolist() == []


def test_directory_of_all_sets(tmp_path, monkeypatch):
    write_mvtec(tmp_path / "mvtec_ad/part")
    data = data_of("")
    monkeypatch.setenv("ADJAX_DATA_DIR", str(tmp_path))
    assert len(datasets.load(data, "train").image) == 3
    monkeypatch.delenv("ADJAX_DATA_DIR")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^config\.data\.dir: .*data/mvtec_ad does not exist"):
        datasets.load(data, "train")
    (tmp_path / "mvtec_ad").rename(tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere").rename(tmp_path / "data/mvtec_ad")
    assert len(datasets.load(data, "train").image) == 3


def test_larger_than_memory_is_streamed(tmp_path, monkeypatch):
    write_mvtec(tmp_path / "part", splits=ALL_SPLITS)
    data = data_of(tmp_path)
    bytes_of_train = 4 * 12 * 12
    monkeypatch.setattr(module, "IN_MEMORY", bytes_of_train)
    held = datasets.load(data, "train")
    assert isinstance(held.image, np.ndarray)
    module._load_industrial.cache_clear()
    monkeypatch.setattr(module, "IN_MEMORY", bytes_of_train - 1)
    streamed = datasets.load(data, "train")
    assert isinstance(streamed.image, datasets.FileTable)
    assert streamed.image.shape == held.image.shape
    np.testing.assert_array_equal(streamed.image[np.arange(4)], held.image)
    np.testing.assert_array_equal(streamed.label, held.label)
    assert streamed[2:3] + streamed[4:5] == held[2:3] + held[4:5]
    np.testing.assert_array_equal(streamed.held_out, held.held_out)
    assert isinstance(datasets.load(data, "test").image, np.ndarray)
    module._load_industrial.cache_clear()


def test_names_of_classes(data, tmp_path):
    test = datasets.load(data, "test")
    names = [datasets.describe_class(data, test, name) for name in ("carpet", "zipper", "part")]
    assert [n["normal_class"] for n in names] == [0, 14, 15]
    assert [n["class_name"] for n in names] == ["carpet", "zipper", "part"]
    mine = data_of(tmp_path, "folder", "")
    assert datasets.describe_class(mine, test, "") == {"normal_class": 0, "class_name": "folder"}


def test_missing_category_is_one_line(data):
    data.normal_class = "bottle"
    with pytest.raises(UserError, match=r"has no category 'bottle' of mvtec_ad: it has part$"):
        datasets.load(data, "train")


def test_damaged_image_is_named(data, tmp_path):
    path = tmp_path / "part/test/cut/001.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UserError, match=r"test/cut/001\.png"):
        datasets.load(data, "test")


def test_mask_of_another_size_is_named(data, tmp_path):
    write(tmp_path / "part/ground_truth/hole/000_mask.png", mask((6, 6)))
    with pytest.raises(UserError, match=r"hole/000_mask\.png: is 6 high and 6 wide"):
        datasets.load(data, "test")


def test_image_classes_go_through_the_same_call():
    data = mnist.get_config("ae").data
    data.train_split, data.test_split = "train[:200]", "test[:50]"
    train, test = (datasets.load(data, split) for split in ("train", "test"))
    assert (len(train.image), len(test.image)) == (200, 50)
    assert datasets.normal_label(data, test, 3) == 3
    assert datasets.describe_class(data, test, 3) == {"normal_class": 3, "class_name": "3"}
    rows = datasets.training_rows(data, train, {"seed": 0, "data.normal_class": 3})
    expected = datasets.one_class_split(train.label, 3, data.validation_fraction, 0)
    for found, desired in zip(rows, expected, strict=True):
        np.testing.assert_array_equal(found, desired)


def test_pool_of_which_one_class_is_left_out():
    data = mnist.get_config("ae").data
    data.update(train_split="train[:200]", test_split="test[:50]", protocol="leave_one_out")
    parts = [datasets.load_table("mnist", s, "data") for s in ("train[:200]", "test[:50]")]
    pool = datasets.load(data, "train")
    assert datasets.load(data, "test").image is pool.image
    np.testing.assert_array_equal(pool.image, np.concatenate([part.image for part in parts]))
    np.testing.assert_array_equal(pool.label, np.concatenate([part.label for part in parts]))
    assert not pool.image.flags.writeable
    member = {"seed": 1, "data.normal_class": 3}
    expected = datasets.leave_one_out_split(pool.label, 3, data.validation_fraction, 1)
    rows = datasets.training_rows(data, pool, member)
    found = (*rows, datasets.test_rows(data, pool, member))
    for actual, desired in zip(found, expected, strict=True):
        np.testing.assert_array_equal(actual, desired)
    np.testing.assert_array_equal(datasets.is_anomalous(data, pool, 3), pool.label == 3)
    data.protocol = "one_class"
    np.testing.assert_array_equal(datasets.is_anomalous(data, pool, 3), pool.label != 3)
    assert len(datasets.test_rows(data, pool, member)) == 250
