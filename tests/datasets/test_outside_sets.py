"""The industrial sets that lie outside the checkout, where there are any."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from adjax.datasets.check import check_data
from adjax.datasets.industrial import FileTable, load_images
from adjax.datasets.layouts import read_index


@pytest.fixture
def outside(repository):
    folder = Path(os.environ.get("ADJAX_DATA_DIR") or repository.parent / "shared" / "data")
    if not (folder / "mvtec_ad").is_dir():
        pytest.skip("no industrial sets: set ADJAX_DATA_DIR to the folder of outside data")
    return folder


SETS = {
    # train good, validation good, test good, test defective, of these with ground truth
    ("mvtec_ad", "bottle"): (209, 0, 20, 63, 63),
    ("mvtec_ad", "screw"): (320, 0, 41, 119, 119),
    ("mvtec_ad", "toothbrush"): (48, 0, 12, 30, 30),
    ("mvtec_3d_rgb", "tire"): (210, 29, 25, 87, 87),
    ("dagm2007", "Class8"): (200, 0, 120, 150, 150),
    ("kolektor_sdd", ""): (295, 0, 52, 52, 52),
    ("folder", "fabric_03"): (154, 0, 66, 74, 74),
}
PLACES = {"folder": "aitex"}


def index_of(outside, name, category):
    folder = outside / PLACES.get(name, name)
    if not (folder / category).is_dir():
        pytest.skip(f"no {name} {category} in {outside}")
    return read_index(name, str(folder), category)


@pytest.mark.parametrize(("name", "category"), SETS)
def test_counts(outside, name, category):
    items = index_of(outside, name, category).items
    counts = Counter((item.split, item.is_good) for item in items)
    masks = sum(item.mask is not None for item in items)
    splits = (("train", True), ("validation", True), ("test", True), ("test", False))
    assert (*(counts[key] for key in splits), masks) == SETS[name, category]
    assert sum(counts.values()) == sum(SETS[name, category][:4])


@pytest.mark.parametrize(
    ("name", "category", "channels"),
    [("mvtec_ad", "toothbrush", 3), ("mvtec_3d_rgb", "tire", 3), ("kolektor_sdd", "", 1)],
)
def test_tables(outside, name, category, channels):
    index = index_of(outside, name, category)
    table = load_images(index, "test", size=64, channels=channels)
    assert table.image.shape[1:] == (64, 64, channels)
    assert 10 < table.image.mean() < 220
    good = np.array(table.defect) == "good"
    assert not table.mask[good].any()
    assert table.mask[~good].any((1, 2)).mean() > 0.7  # the smallest vanish at this size
    files = FileTable(index, "test", size=64, channels=channels)
    np.testing.assert_array_equal(files.read([0, 30]), table.image[[0, 30]])


@pytest.mark.parametrize(
    ("name", "category", "kinds"),
    [
        ("mvtec_ad", "bottle", set()),
        ("mvtec_ad", "screw", set()),
        ("mvtec_ad", "toothbrush", set()),
        ("mvtec_3d_rgb", "tire", set()),
        ("folder", "fabric_03", set()),
        ("kolektor_sdd", "", set()),
    ],
)
def test_check(outside, name, category, kinds):
    report = check_data(index_of(outside, name, category))
    assert {kind for kind, _ in report.problems} == kinds
    assert sum(report.sizes.values()) == len({item.path for item in report.index.items})
