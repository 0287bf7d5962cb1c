"""The checker names what is wrong, and only that."""

import shutil

import numpy as np
import pytest
from industrial_helpers import (
    mask,
    picture,
    write,
    write_dagm,
    write_kolektor,
    write_mvtec,
    write_nanotwice,
    write_rsdds,
)

from adjax.datasets.check import check_data, format_report
from adjax.datasets.layouts import read_index


@pytest.fixture
def root(tmp_path):
    return write_mvtec(tmp_path / "part")


def check(root):
    """The report of a folder; its problems with paths relative to it."""
    report = check_data(read_index("folder", str(root)))
    text = format_report(report)
    problems = [(kind, line.replace(f"{root}/", "")) for kind, line in report.problems]
    assert all(f"  {kind}: {line}" in text for kind, line in report.problems)
    return report, problems


def test_a_sound_set(root):
    report, problems = check(root)
    assert not report.has_problems
    assert not problems
    assert not report.notes
    assert report.images == {
        ("train", "good"): 3, ("test", "good"): 1, ("test", "cut"): 2, ("test", "hole"): 2
    }  # fmt: skip
    assert report.masks == {("test", "cut"): 2, ("test", "hole"): 2}
    assert report.sizes == {(12, 10): 8}
    assert report.channels == {1: 8}
    assert format_report(report) == (
        f"folder part in {root}\n"
        "\n"
        "split  defect  images  ground truth\n"
        "train  good         3\n"
        "test   good         1\n"
        "test   cut          2             2\n"
        "test   hole         2             2\n"
        "\n"
        "height x width: 12 x 10 (8)\n"
        "channels: 1 (8)\n"
        "\n"
        "no problems"
    )


def test_unreadable_files(root):
    (root / "train/good/000.png").write_bytes(b"")
    (root / "train/good/001.png").write_bytes(b"")  # not called duplicates
    path = root / "test/cut/001.png"
    path.write_bytes(path.read_bytes()[:60])
    report, problems = check(root)
    assert report.has_problems
    assert [kind for kind, _ in problems] == ["unreadable"] * 3
    assert [text.partition(":")[0] for _, text in problems] == [
        "test/cut/001.png", "train/good/000.png", "train/good/001.png"
    ]  # fmt: skip


def test_ground_truth(root):
    truth = root / "ground_truth"
    (truth / "cut/000_mask.png").unlink()
    write(truth / "cut/001_mask.png", mask() & False)
    write(truth / "hole/000_mask.png", mask() | True)
    write(truth / "hole/001_mask.png", mask((10, 12)))
    write(truth / "hole/002_mask.png", mask())
    write(truth / "good/000_mask.png", mask() & False)
    report, problems = check(root)
    assert problems == [
        (
            "ground truth",
            "ground_truth/cut/001_mask.png: marks nothing, but its image is defective",
        ),
        (
            "ground truth",
            "ground_truth/hole/000_mask.png: marks the whole image; is it inverted?",
        ),
        (
            "ground truth",
            "ground_truth/hole/001_mask.png: is 10 high and 12 wide but its image 001.png is 12 "
            "high and 10 wide",
        ),
        ("ground truth", "ground_truth/hole/002_mask.png: has no defective image"),
        ("ground truth", "test/cut/000.png: has none, other images do"),
    ]
    assert report.notes == ("not used in ground_truth/good: 000_mask.png",)


def test_duplicates(root):
    shutil.copy(root / "train/good/000.png", root / "test/good/000.png")
    shutil.copy(root / "test/cut/000.png", root / "test/hole/001.png")
    shutil.copy(root / "train/good/001.png", root / "train/good/002.png")
    report, problems = check(root)
    assert problems == [
        ("duplicate in two splits", "test/good/000.png = train/good/000.png"),
        ("duplicate under two defects", "test/cut/000.png = test/hole/001.png"),
    ]
    assert report.notes == ("duplicate within a split: train/good/001.png = train/good/002.png",)


def test_files_that_are_not_read(root):
    for name in ("readme.txt", "train/good/004.HEIC", "train/good/Thumbs.db", "test_extra/0.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"")
    report, problems = check(root)
    assert problems == [("not read", "train/good/004.HEIC: convert it to PNG")]
    assert report.notes == (
        "not used in .: readme.txt",
        "not used in test_extra: 0.png",
        "not used in train/good: Thumbs.db",
    )


def test_how_files_were_read(root):
    write(root / "train/good/001.png", picture(1).astype(np.uint16) * 257)
    write(root / "train/good/002.png", picture(2, (9, 10, 3)))
    report, problems = check(root)
    assert not problems
    assert report.sizes == {(12, 10): 7, (9, 10): 1}
    assert report.notes == (
        "16-bit grey scaled to 8 bits by its full range: train/good/001.png",
        "colour, unlike most: train/good/002.png",
    )


def test_without_ground_truth_or_defects(root):
    shutil.rmtree(root / "ground_truth")
    report, problems = check(root)
    assert not problems
    assert report.notes == ("no ground truth: nothing can be evaluated pixel by pixel",)
    shutil.rmtree(root / "test")
    report, problems = check(root)
    assert not problems
    assert report.notes == ("no defective images: nothing can be evaluated",)


@pytest.mark.parametrize(
    ("name", "folder", "category", "make"),
    [
        ("dagm2007", "Class1", "Class1", write_dagm),
        ("kolektor_sdd", ".", "", write_kolektor),
        ("nanotwice", ".", "", write_nanotwice),
        ("rsdds", "type_ii", "type_ii", write_rsdds),
    ],
)
def test_official_layouts_are_sound(tmp_path, name, folder, category, make):
    make(tmp_path / folder)
    report = check_data(read_index(name, str(tmp_path), category))
    assert not report.problems
    assert not report.notes


def test_ground_truth_without_an_image_in_dagm(tmp_path):
    write_dagm(tmp_path / "Class1")
    path = write(tmp_path / "Class1/Test/Label/0003_label.PNG", mask())
    report = check_data(read_index("dagm2007", str(tmp_path), "Class1"))
    assert report.problems == (("ground truth", f"{path}: has no defective image"),)
