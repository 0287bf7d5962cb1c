"""The ways that our pixel metrics are measured against compute the same."""

import numpy as np
import pytest

from adjax.evaluation.pixel_metrics import pixel_metrics
from benchmarks import metrics, page


@pytest.fixture(scope="module")
def few():
    """Small maps with ties, so that a loop over all scores is short."""
    maps, masks = metrics.generated(images=5)
    return maps[:, ::4, ::4].round(2), masks[:, ::4, ::4]


def test_loop_over_every_score_equals_ours(few):
    ours = pixel_metrics(*few)
    loop = metrics.metrics_by_loop(*few, np.unique(few[0])[::-1])
    assert loop == pytest.approx({name: ours[name] for name in loop}, rel=1e-10)


def test_ways_agree(few):
    ours = pixel_metrics(*few)
    for way in metrics.WAYS:
        if way.needs in ("numpy", "sklearn"):
            for name, value in way.create(*few)().items():
                tolerance = 0.02 if "loop" in way.name else 1e-10
                assert value == pytest.approx(ours[name], abs=tolerance), (way.name, name)


def test_maps_are_hard_enough_to_be_of_interest():
    maps, masks = metrics.generated(images=10)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert not masks[:2].any()
    assert masks[2:].any((1, 2)).all()
    assert 0.6 < pixel_metrics(maps, masks)["pixel_auroc"] < 0.97


@pytest.mark.slow
def test_there_is_a_row_for_each_way():
    rows = metrics.measure(repeats=2, images=3)
    assert [row["case"] for row in rows][:4] == [way.name for way in metrics.WAYS[:4]]
    assert rows[0]["times"] == 1
    assert rows[0]["memory"] > 0
    assert all(row["memory"] is None for row in rows[1:])


def test_table_of_rows():
    row = {"computes": "AUPRO", "maps": 100, "size": 256, "seconds": 0.5, "spread": 0.1}
    rows = [
        {"case": "adjax", **row, "times": 1.0, "pixel_auroc": 0.9, "aupro": 0.8, "memory": 2.5},
        {"case": "loop", **row, "times": 3.0, "pixel_auroc": None, "aupro": 0.8, "memory": None},
    ]
    text = page.console({"metrics": {"rows": rows}})
    assert "Metrics of 100 maps of 256 x 256 px" in text
    assert "0.900000" in text
    assert "adjax's peak of memory, without the maps: 2.5 times theirs." in text
