"""Images that a run trains on and is tested on, under each protocol."""

import dataclasses

import numpy as np
import pytest
from industrial_helpers import mask, picture, write, write_kolektor, write_mvtec, write_mvtec_3d

from adjax.datasets import category as category_module
from adjax.datasets.industrial import FileTable
from adjax.datasets.one_class import leave_one_out_split, one_class_split
from adjax.datasets.settings import CategoryData, ClassData
from adjax.datasets.tables import load_table
from adjax.datasets.tasks import create_task
from adjax.errors import UserError

ALL_SPLITS = ("train", "validation", "test")


def category(directory, name="mvtec_ad", category="part", **values):
    values = {"validation_fraction": 0.4, "size": 12, "channels": 1} | values
    return create_task(CategoryData(name, dir=str(directory), normal_class=category, **values))


def member(normal_class="part", seed=0):
    return {"seed": seed, "data.normal_class": normal_class}


@pytest.fixture
def task(tmp_path):
    write_mvtec(tmp_path / "part")
    return category(tmp_path)


def classes(protocol="one_class", test_split="test[:50]", **values):
    data = ClassData(train_split="train[:200]", test_split=test_split, protocol=protocol, **values)
    return create_task(data)


def test_answers_of_tasks(task):
    answers = [
        (task.noun, task.protocol, task.decides, task.varying)
        for task in (classes(), classes("leave_one_out"), task)
    ]
    assert answers == [
        ("class", "one_class", False, ("data.normal_class",)),
        ("abnormal class", "leave_one_out", False, ("data.normal_class",)),
        ("category", "category", True, ()),
    ]


# Categories.


def test_training_images_are_normal(task):
    train = task.training_table()
    assert (train.image.shape, train.image.dtype) == ((3, 12, 12, 1), np.uint8)
    assert train.label.tolist() == [0, 0, 0]
    assert train.class_names == ("good",)
    assert train.path == ("train/good/000.png", "train/good/001.png", "train/good/002.png")
    assert train.mask is None
    assert train.held_out.tolist() == []


def test_labels_of_the_test_split_number_the_kinds_of_defects(task):
    tested = task.tested([member(), member(seed=1)])
    test = tested.table
    assert test.class_names == ("good", "cut", "hole")
    assert test.label.tolist() == [1, 1, 0, 2, 2]
    assert test.label.dtype == np.int32
    assert test.mask.any((1, 2)).tolist() == [True, True, False, True, True]
    assert task.label(test, "part") == 0
    assert tested.anomalous.tolist() == [[True, True, False, True, True]] * 2
    assert tested.counted.tolist() == [[True] * 5] * 2


def test_same_files_are_read_once(task):
    assert task.training_table().image is task.training_table().image


def test_defects_without_good_test_images_keep_their_numbers(tmp_path):
    write_mvtec(tmp_path / "part")
    (tmp_path / "part/test/good/000.png").unlink()
    test = category(tmp_path).tested([member()]).table
    assert test.class_names == ("good", "cut", "hole")
    assert test.label.tolist() == [1, 1, 2, 2]


def test_no_masks_where_one_is_missing(tmp_path):
    write_mvtec(tmp_path / "part", masks=False)
    assert category(tmp_path).tested([member()]).table.mask is None


def test_without_test_images_the_held_out_ones_are_tested(tmp_path):
    for number in range(5):
        write(tmp_path / f"mine/{number}.png", picture(number))
    task = category(tmp_path, "folder", "mine")
    train = task.training_table()
    rows = task.split(train, member("mine", 3)).validation
    tested = task.tested([member("mine", 3), member("mine", 4)])
    assert tested.table.path == tuple(train.path[row] for row in rows)
    np.testing.assert_array_equal(tested.table.image, train.image[rows])
    assert tested.anomalous.shape == tested.counted.shape == (2, 2)
    assert not tested.anomalous.any()


def test_held_out_rows_are_drawn_from_the_training_images(task):
    train = task.training_table()
    splits = [task.split(train, member(seed=seed)) for seed in range(6)]
    for rows in splits:
        assert len(rows.validation) == 1
        assert sorted([*rows.train, *rows.validation]) == [0, 1, 2]
    assert len({tuple(rows.validation) for rows in splits}) > 1


def test_thresholds_need_held_out_images(tmp_path):
    write_mvtec(tmp_path / "part")
    task = category(tmp_path, validation_fraction=0.0)
    with pytest.raises(UserError, match=r"validation_fraction=0\.0: .* of 3 none is held out$"):
        task.split(task.training_table(), member())


OFFICIAL = {
    "mvtec_ad": lambda root: write_mvtec(root / "part", splits=ALL_SPLITS),
    "mvtec_3d_rgb": lambda root: write_mvtec_3d(root / "part"),
    "folder": lambda root: write_mvtec(root / "part", splits=ALL_SPLITS),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_validation_split_is_held_out_whatever_the_seed(tmp_path, name):
    OFFICIAL[name](tmp_path)
    task = category(tmp_path, name, validation_fraction=0.0)
    train = task.training_table()
    count = 1 if name == "mvtec_3d_rgb" else 3
    assert len(train.image) == len(train.path) == count + 1
    assert train.held_out.tolist() == [count]
    assert train.path[count].startswith("validation/")
    for seed in (0, 1):
        rows = task.split(train, member(seed=seed))
        assert rows.train.tolist() == list(range(count))
        assert rows.validation.tolist() == [count]


def test_validation_images_of_kolektor_in_folders(tmp_path):
    write_mvtec(tmp_path, splits=ALL_SPLITS)
    task = category(tmp_path, "kolektor_sdd", "kolektor_sdd")
    assert task.training_table().held_out.tolist() == [3]
    write_kolektor(tmp_path / "official")
    task = category(tmp_path / "official", "kolektor_sdd", "kolektor_sdd")
    assert task.training_table().held_out.tolist() == []


def test_directory_of_all_sets(tmp_path, monkeypatch):
    write_mvtec(tmp_path / "mvtec_ad/part")
    task = category("")
    monkeypatch.setenv("ADJAX_DATA_DIR", str(tmp_path))
    assert task.is_present()
    assert len(task.training_table().image) == 3
    monkeypatch.delenv("ADJAX_DATA_DIR")
    monkeypatch.chdir(tmp_path)
    assert not task.is_present()
    with pytest.raises(UserError, match=r"^config\.data\.dir: .*data/mvtec_ad does not exist"):
        task.training_table()
    (tmp_path / "mvtec_ad").rename(tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere").rename(tmp_path / "data/mvtec_ad")
    assert len(task.training_table().image) == 3


def test_larger_than_memory_is_streamed(tmp_path, monkeypatch):
    write_mvtec(tmp_path / "part", splits=ALL_SPLITS)
    task = category(tmp_path)
    bytes_of_train = 4 * 12 * 12
    monkeypatch.setattr(category_module, "IN_MEMORY", bytes_of_train)
    held = task.training_table()
    assert isinstance(held.image, np.ndarray)
    category_module._load_category.cache_clear()
    monkeypatch.setattr(category_module, "IN_MEMORY", bytes_of_train - 1)
    streamed = task.training_table()
    assert isinstance(streamed.image, FileTable)
    assert streamed.image.shape == held.image.shape
    np.testing.assert_array_equal(streamed.image[np.arange(4)], held.image)
    np.testing.assert_array_equal(streamed.label, held.label)
    assert streamed[2:3] + streamed[4:5] == held[2:3] + held[4:5]
    np.testing.assert_array_equal(streamed.held_out, held.held_out)
    assert isinstance(task.tested([member()]).table.image, np.ndarray)
    category_module._load_category.cache_clear()


def test_names_of_categories(task, tmp_path):
    test = task.tested([member()]).table
    names = [task.describe(test, name) for name in ("carpet", "zipper", "part")]
    assert [n["normal_class"] for n in names] == [0, 14, 15]
    assert [n["class_name"] for n in names] == ["carpet", "zipper", "part"]
    mine = category(tmp_path, "folder", "")
    assert mine.describe(test, "") == {"normal_class": 0, "class_name": "folder"}


def test_missing_category_is_one_line(task):
    absent = create_task(dataclasses.replace(task.data, normal_class="bottle"))
    assert not absent.is_present()
    with pytest.raises(UserError, match=r"has no category 'bottle' of mvtec_ad: it has part$"):
        absent.training_table()


def test_damaged_image_is_named(task, tmp_path):
    path = tmp_path / "part/test/cut/001.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UserError, match=r"test/cut/001\.png"):
        task.tested([member()])


def test_mask_of_another_size_is_named(task, tmp_path):
    write(tmp_path / "part/ground_truth/hole/000_mask.png", mask((6, 6)))
    with pytest.raises(UserError, match=r"hole/000_mask\.png: is 6 high and 6 wide"):
        task.tested([member()])


# Image classes.


def test_one_class_is_normal():
    task = classes()
    train, tested = task.training_table(), task.tested([member(3), member(7)])
    assert task.is_present()
    assert (len(train.image), len(tested.table.image)) == (200, 50)
    assert task.label(train, 3) == task.label(train, "3") == 3
    assert task.describe(train, 3) == {"normal_class": 3, "class_name": "3"}
    rows = task.split(train, member(3))
    expected = one_class_split(train.label, 3, task.data.validation_fraction, 0)
    for actual, desired in zip(rows, expected, strict=True):
        np.testing.assert_array_equal(actual, desired)
    np.testing.assert_array_equal(tested.anomalous[1], tested.table.label != 7)
    assert tested.counted.all()


def test_one_class_is_left_out_of_a_pool():
    task = classes("leave_one_out")
    parts = [load_table("mnist", split, "data") for split in ("train[:200]", "test[:50]")]
    pool = task.training_table()
    assert task.training_table().image is pool.image
    np.testing.assert_array_equal(pool.image, np.concatenate([part.image for part in parts]))
    np.testing.assert_array_equal(pool.label, np.concatenate([part.label for part in parts]))
    assert not pool.image.flags.writeable
    members = [member(3, seed=1), member(8, seed=2)]
    tested = task.tested(members)
    in_pool = []
    for one, anomalous, counted in zip(members, *tested[1:], strict=True):
        label = one["data.normal_class"]
        fraction, seed = task.data.validation_fraction, one["seed"]
        expected = leave_one_out_split(pool.label, label, fraction, seed)
        rows = task.split(pool, one)
        np.testing.assert_array_equal(rows.train, expected.train)
        np.testing.assert_array_equal(rows.validation, expected.validation)
        np.testing.assert_array_equal(anomalous, tested.table.label == label)
        np.testing.assert_array_equal(
            tested.table.image[counted], pool.image[expected.test], strict=True
        )
        in_pool.append(expected.test)
    assert len(tested.table.image) == len(np.union1d(*in_pool)) < 250


@pytest.mark.parametrize(
    ("test_split", "normal_class", "says"),
    [("test[:1]", 3, "holds no images of normal_class 3"), ("test[:1]", 7, "holds only images of")],
)
def test_both_kinds_must_be_tested(test_split, normal_class, says):
    with pytest.raises(UserError, match=rf"^config\.data\.test_split='test\[:1\]' {says}"):
        classes(test_split=test_split).tested([member(normal_class)])


def test_class_that_does_not_exist():
    task = classes()
    for name in (10, "ten"):
        with pytest.raises(UserError, match=f"normal_class={name!r} is not a class: give 0 to 9"):
            task.split(task.training_table(), member(name))
