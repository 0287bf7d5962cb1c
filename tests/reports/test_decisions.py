"""Tables of thresholds, and how they fare when the test images change."""

import pytest

from adjax.reports import read_run
from adjax.reports.decisions import decision_tables
from adjax.reports.rendering import to_text

ROBUSTNESS = [
    {"change": "none", "strength": 0.0, "pixel_auroc": 0.85, "f1": {"quantile": 0.55}},
    {"change": "brightness", "strength": -0.05, "pixel_auroc": 0.8, "f1": {"quantile": 0.5}},
    {"change": "contrast", "strength": 0.4, "pixel_auroc": 0.8, "f1": {"quantile": 0.4}},
    {"change": "gradient", "strength": 0.2, "pixel_auroc": 0.8, "f1": {"quantile": 0.3}},
    {"change": "noise", "strength": 0.02, "pixel_auroc": 0.7, "f1": {"quantile": 0.2}},
]


@pytest.fixture
def tables(write_industrial):
    """A function that writes a run and makes its tables."""
    return lambda **options: list(decision_tables(read_run(write_industrial("a", **options))))


def test_thresholds_of_pixels_and_images(tables):
    pixels, images = tables()
    assert pixels.caption == "Thresholds of the anomaly map, category toothbrush"
    assert [row[0] for row in pixels.rows] == [
        *("quantile", "k sigma", "minimum area", "best F1 (oracle)"),
    ]
    assert pixels.rows[0][1:] == ("0.3", "0.550", "0.500", "0.600", "1.23%")
    assert pixels.notes[1:] == (
        "Predictions and the F1 of the results are by quantile.",
        "F1 stays within 5 % of the best from 0.25 to 0.5, a range that 5.00% of the normal test "
        "pixels lie in.",
    )
    assert images.rows == (("quantile 0.95", "0.05", "0.250", "0.750"),)


def test_without_masks_there_are_thresholds_alone(tables):
    pixels, images = tables(masks=False)
    assert pixels.groups == (("", ("threshold",)),)
    assert pixels.rows[1] == ("k sigma", "0.5")
    assert "oracle" not in " ".join(pixels.notes)
    assert images.rows[0][2:] == ("0.250", "0.750")


def test_without_anomalous_images_nothing_is_found(tables):
    _, images = tables(tested=False)
    assert images.groups == (("", ("threshold", "normal images flagged")),)


def test_changes_are_told_in_their_units(tables):
    _, _, table = tables(values={"robustness": ROBUSTNESS})
    assert table.groups == (("", ("pixel AUROC", "F1, quantile")),)
    assert [row[0] for row in table.rows] == [
        *("none", "brightness \N{MINUS SIGN}0.05", "contrast +40 %", "gradient 20 %", "noise 0.02"),
    ]
    assert table.rows[1][1:] == ("0.800", "0.500")
    assert max(map(len, to_text(table).splitlines())) <= 80


def test_members_stand_below_each_other(tables):
    pixels, images = tables(members=[("screw", 0), ("screw", 1)])
    assert pixels.caption == "Thresholds of the anomaly map"
    headings = [row[0] for row in pixels.rows if len(row) == 1]
    assert headings == ["category screw, seed 0", "category screw, seed 1"]
    assert len(pixels.rows) == 2 * (1 + 4)
    assert sum(note.startswith("category screw, seed 1: F1 stays") for note in pixels.notes) == 1
    assert len(images.rows) == 2 * (1 + 1)


def test_image_classes_have_none(write_workdir):
    assert list(decision_tables(read_run(write_workdir()))) == []
