"""Every layout is read as its publishers lay it out, and what is wrong is said in one line."""

import shutil
from collections import Counter

import numpy as np
import pytest
from industrial_helpers import (
    mask,
    picture,
    write,
    write_dagm,
    write_kolektor,
    write_mvtec,
    write_mvtec_3d,
    write_nanotwice,
    write_rsdds,
)

from adjax.datasets.catalog import CATEGORIES, INDUSTRIAL, OBJECTS, TEXTURES, title
from adjax.datasets.layouts import Item, find_category, read_index
from adjax.errors import UserError


def rows_of(index):
    """(split, defect, path, mask, box) of each item, paths relative."""
    directory = index.directory
    return [
        (
            item.split,
            item.defect,
            item.path.relative_to(directory).as_posix(),
            item.mask and item.mask.relative_to(directory).as_posix(),
            item.box,
        )
        for item in index.items
    ]


def refusal(*arguments):
    with pytest.raises(UserError) as caught:
        read_index(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("extension", ["png", "JPG", "jpeg", "bmp", "tif", "TIFF", "webp"])
def test_mvtec_ad(tmp_path, extension):
    write_mvtec(tmp_path / "bottle", extension)
    index = read_index("mvtec_ad", str(tmp_path), "bottle")
    assert index[:3] == ("mvtec_ad", "bottle", tmp_path / "bottle")
    truth = "ground_truth/{}/{:03d}_mask.png"
    assert rows_of(index) == [
        *(
            ("test", defect, f"test/{defect}/{n:03d}.{extension}", truth.format(defect, n), None)
            for defect, n in (("cut", 0), ("cut", 1))
        ),
        ("test", "good", f"test/good/000.{extension}", None, None),
        *(
            ("test", "hole", f"test/hole/{n:03d}.{extension}", truth.format("hole", n), None)
            for n in range(2)
        ),
        *(("train", "good", f"train/good/{n:03d}.{extension}", None, None) for n in range(3)),
    ]


def test_masks_may_be_missing(tmp_path):
    write_mvtec(tmp_path / "a", masks=False)
    assert {item.mask for item in read_index("mvtec_ad", str(tmp_path), "a").items} == {None}
    write_mvtec(tmp_path / "b")
    (tmp_path / "b/ground_truth/hole/001_mask.png").unlink()
    items = read_index("mvtec_ad", str(tmp_path), "b").items
    assert [item.path.name for item in items if not item.is_good and not item.mask] == ["001.png"]


def test_hidden_and_other_files_are_left_out(tmp_path):
    write_mvtec(tmp_path / "a")
    expected = read_index("mvtec_ad", str(tmp_path), "a")
    for name in ("train/good/._000.png", "train/good/notes.txt", "test/.cache/000.png"):
        (tmp_path / "a" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "a" / name).write_bytes(b"")
    assert read_index("mvtec_ad", str(tmp_path), "a") == expected


def test_mvtec_3d(tmp_path):
    write_mvtec_3d(tmp_path / "tire")
    assert rows_of(read_index("mvtec_3d_rgb", str(tmp_path), "tire")) == [
        ("test", "good", "test/good/rgb/000.png", None, None),
        ("test", "hole", "test/hole/rgb/000.png", "test/hole/gt/000.png", None),
        ("train", "good", "train/good/rgb/000.png", None, None),
        ("validation", "good", "validation/good/rgb/000.png", None, None),
    ]
    write_mvtec(tmp_path / "rope", splits=("train", "validation", "test"))
    splits = Counter(item.split for item in read_index("mvtec_3d_rgb", str(tmp_path), "rope").items)
    assert splits == {"train": 3, "validation": 1, "test": 5}


@pytest.mark.parametrize("extension", ["PNG", "jpg"])  # Labels.txt says .PNG
def test_dagm(tmp_path, extension):
    write_dagm(tmp_path / "Class8", extension)
    assert rows_of(read_index("dagm2007", str(tmp_path), "Class8")) == [
        ("test", "defect", f"Test/0002.{extension}", f"Test/Label/0002_label.{extension}", None),
        ("test", "defect", f"Train/0005.{extension}", f"Train/Label/0005_label.{extension}", None),
        ("test", "good", f"Test/0001.{extension}", None, None),
        ("test", "good", f"Test/0003.{extension}", None, None),
        ("train", "good", f"Train/0004.{extension}", None, None),
        ("train", "good", f"Train/0006.{extension}", None, None),
    ]


def test_dagm_must_agree_with_its_labels(tmp_path):
    root = write_dagm(tmp_path / "Class1")
    labels, arguments = root / "Train/Label/Labels.txt", ("dagm2007", str(tmp_path), "Class1")
    text = labels.read_text()
    labels.write_text(text.replace("0004", "0009"))
    assert "Train/0004.PNG: not in Labels.txt" in refusal(*arguments)
    labels.write_text(text + "7\t0\t0007.PNG\t0\t0\n")
    assert "image 0007 of Labels.txt does not exist" in refusal(*arguments)
    labels.write_text(text + "7\t2\t0007.PNG\t0\t0\n")
    assert "cannot read the line '7 2 0007.PNG 0 0'" in refusal(*arguments)
    labels.unlink()
    assert f"cannot read {labels}" in refusal(*arguments)


def test_rsdds(tmp_path):
    write_rsdds(tmp_path / "Type-I RSDDs dataset")
    index = read_index("rsdds", str(tmp_path), "type_i")
    images, truth = "Rail surface images/rail_{}.jpg", "GroundTruth/rail_{}.jpg"
    good = [(n, top) for n in range(1, 7) for top in (0, 20)]
    assert rows_of(index) == [
        *(
            ("test", "defect", images.format(n), truth.format(n), (10, 0, 10, 10))
            for n in range(1, 7)
        ),
        *(("test", "good", images.format(5), None, (t, 0, 10, 10)) for n, t in good if n == 5),
        *(("train", "good", images.format(n), None, (t, 0, 10, 10)) for n, t in good if n != 5),
    ]
    assert index.name_of(index.items[0]) == "Rail surface images/rail_1.jpg@10,0"
    (tmp_path / "Type-I RSDDs dataset" / truth.format(3)).unlink()
    assert "rail_3.jpg: has no ground truth" in refusal("rsdds", str(tmp_path), "type_i")


def test_nanotwice(tmp_path):
    write_nanotwice(tmp_path)
    index = read_index("nanotwice", str(tmp_path))
    assert index.category == "nanotwice"
    images, truth = "Anomalous/images/ER1{}.tif", "Anomalous/gt/ER1{}_gt.png"
    assert rows_of(index) == [
        *(("test", "anomalous", images.format(n), truth.format(n), None) for n in range(2)),
        *(("train", "good", f"Normal/ER{n}.tif", None, None) for n in range(2)),
    ]


def test_kolektor(tmp_path):
    write_kolektor(tmp_path)
    index = read_index("kolektor_sdd", str(tmp_path), "kolektor_sdd")
    assert index.of("test") == (
        Item(tmp_path / "kos01/Part1.jpg", "defect", tmp_path / "kos01/Part1_label.bmp", "test"),
        *(Item(tmp_path / f"kos05/Part{n}.jpg", "good", None, "test") for n in range(2)),
    )
    assert len(index.of("train")) == 9
    (tmp_path / "kos02/Part0_label.bmp").unlink()
    assert "Part0.jpg: has no Part0_label.bmp" in refusal("kolektor_sdd", str(tmp_path), "")


def test_kolektor_in_folders(tmp_path):
    write_mvtec(tmp_path)
    assert len(read_index("kolektor_sdd", str(tmp_path), "").items) == 8


def test_own_folder(tmp_path):
    write_mvtec(tmp_path / "fabric")
    index = read_index("folder", str(tmp_path / "fabric"), "")
    assert index == read_index("folder", str(tmp_path), "fabric")
    assert index.category == "fabric"
    assert len(index.items) == 8


def test_a_plain_folder_is_for_training(tmp_path):
    paths = [write(tmp_path / f"photo {n}.jpg", picture(n)) for n in range(3)]
    index = read_index("folder", str(tmp_path), "")
    assert index.items == tuple(Item(path, "good", None, "train") for path in paths)


def test_training_images_may_lie_in_train(tmp_path):
    write(tmp_path / "train/a.png", picture(0))
    assert [item.split for item in read_index("folder", str(tmp_path)).items] == ["train"]


def test_errors_say_what_is_there(tmp_path):
    write_mvtec(tmp_path / "bottle")
    here = str(tmp_path)
    assert refusal("mvtec", here, "bottle").startswith("unknown data set 'mvtec': choose one of")
    assert "'nowhere' of mvtec_ad does not exist" in refusal("mvtec_ad", "nowhere", "bottle")
    assert "no category 'cable' of mvtec_ad: it has bottle" in refusal("mvtec_ad", here, "cable")
    assert "no category ''" in refusal("mvtec_ad", here, "")
    inside = refusal("mvtec_ad", here + "/bottle", "bottle")
    assert f"give the folder above {here}/bottle" in inside
    assert "choose one of type_i, type_ii" in refusal("rsdds", here, "type_iii")
    assert "'Type-II RSDDs dataset'" in refusal("rsdds", here, "type_ii")
    assert "leave it empty" in refusal("nanotwice", here, "bottle")
    assert "Normal and Anomalous" in refusal("nanotwice", here, "")
    assert "no folder 'Label'" in refusal("dagm2007", here, "bottle")
    assert "kos01/Part0.jpg" in refusal("kolektor_sdd", here, "")
    assert "put normal images into it" in refusal("folder", here, "")


def test_misplaced_images_are_refused(tmp_path):
    write_mvtec(tmp_path)
    write(tmp_path / "train/cut/000.png", picture(0))
    assert "train images must be normal" in refusal("folder", str(tmp_path), "")
    (tmp_path / "train/cut/000.png").unlink()
    (tmp_path / "train/cut").rmdir()
    path = write(tmp_path / "test/000.png", picture(0))
    assert "test: images must lie in" in refusal("folder", str(tmp_path), "")
    path.unlink()
    write(tmp_path / "ground_truth/cut/000.png", mask())
    assert "ground truth of the same image" in refusal("folder", str(tmp_path), "")
    (tmp_path / "ground_truth/cut/000.png").unlink()
    write(tmp_path / "test/cut/000.jpg", picture(0))
    assert "ground truth of two images" in refusal("folder", str(tmp_path), "")


def test_catalog():
    assert CATEGORIES["mvtec_ad"] == TEXTURES + OBJECTS
    assert {name: len(CATEGORIES[name]) for name in INDUSTRIAL} == {
        "mvtec_ad": 15,
        "mvtec_3d_rgb": 10,
        "dagm2007": 10,
        "rsdds": 2,
        "nanotwice": 1,
        "kolektor_sdd": 1,
        "folder": 0,
    }
    assert (title("mvtec_ad"), title("kmnist")) == ("MVTec AD", "kmnist")


def test_wide_images_are_cropped_along_their_width(tmp_path):
    root = tmp_path / "type_ii"
    write(root / "Rail surface images/rail_1.png", picture(0, (10, 25)))
    write(root / "GroundTruth/rail_1.png", np.eye(10, 25, dtype=bool))
    boxes = [item.box for item in read_index("rsdds", str(tmp_path), "type_ii").items]
    assert boxes == [(0, 0, 10, 10), (0, 10, 10, 10)]


@pytest.mark.parametrize("name", ["Good", "OK", "normal", "Defect-Free", "pass"])
def test_usual_words_for_good_are_good_in_train_and_test(tmp_path, name):
    for folder in (f"train/{name}", f"test/{name}", "test/dent"):
        write(tmp_path / folder / "0.png", picture(0, (4, 4)))
    index = read_index("folder", str(tmp_path))
    assert [(item.split, item.defect) for item in index.items] == [
        *(("test", "dent"), ("test", "good"), ("train", "good")),
    ]


def test_what_is_ambiguous_is_asked_for(tmp_path):
    for folder in ("train/good", "test/not_good", "test/OK2"):
        write(tmp_path / folder / "0.png", picture(0, (4, 4)))
    with pytest.raises(UserError, match=r"test/OK2: its name .* by --config\.data\.good=OK2"):
        read_index("folder", str(tmp_path))
    for good, kinds in (("ok2", {"good", "not_good"}), ("good", {"OK2", "not_good"})):
        index = read_index("folder", str(tmp_path), good=good)
        assert {item.defect for item in index.of("test")} == kinds


def test_names_of_good_folders_can_be_given(tmp_path):
    for folder in ("train/gut", "test/gut", "test/heil", "test/dent"):
        write(tmp_path / folder / "0.png", picture(0, (4, 4)))
    with pytest.raises(UserError, match="train images must be normal"):
        read_index("folder", str(tmp_path))
    index = read_index("folder", str(tmp_path), good="gut, Heil")
    assert [item.defect for item in index.of("test")] == ["dent", "good", "good"]


@pytest.mark.parametrize("link", ["symbolic", "hard", "folder"])
def test_file_in_two_splits_is_refused(tmp_path, link):
    """However it got there: what is trained on is not tested."""
    root = write_mvtec(tmp_path / "a")
    train, test = root / "train/good/001.png", root / "test/good/000.png"
    if link == "folder":
        shutil.rmtree(root / "train/good")
        (root / "train/good").symlink_to(root / "test/good")
        train = root / "train/good/000.png"
    else:
        train.unlink()
        train.symlink_to(test) if link == "symbolic" else train.hardlink_to(test)
    line = refusal("mvtec_ad", str(tmp_path), "a")
    assert "is the same file as" in line
    assert str(train) in line
    assert str(test) in line


def test_crops_of_one_file_may_be_in_two_splits(tmp_path):
    index = read_index("rsdds", str(write_rsdds(tmp_path / "type_i").parent), "type_i")
    assert {item.split for item in index.items} == {"train", "test"}
    assert len({item.path for item in index.items}) < len(index.items)


def test_category_is_found_whatever_its_folder_holds(tmp_path):
    (tmp_path / "a").mkdir()
    assert find_category("mvtec_ad", str(tmp_path), "a") == tmp_path / "a"
    with pytest.raises(UserError, match="has no category 'b'"):
        find_category("mvtec_ad", str(tmp_path), "b")
