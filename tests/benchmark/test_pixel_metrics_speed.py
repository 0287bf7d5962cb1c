"""What our pixel metrics are measured against computes the same."""

import numpy as np
import pytest

from adjax.benchmark import metrics
from adjax.evaluation import pixel_metrics


@pytest.fixture(scope="module")
def few():
    """Small maps with ties, so that a loop over all scores is short."""
    maps, masks = metrics.generated(images=5)
    return maps[:, ::4, ::4].round(2), masks[:, ::4, ::4]


def test_loop_over_every_score_equals_ours(few):
    ours = pixel_metrics(*few)
    loop = metrics.metrics_by_loop(*few, np.unique(few[0])[::-1])
    assert loop == pytest.approx({name: ours[name] for name in loop}, rel=1e-10)


def test_sides_agree(few):
    ours = pixel_metrics(*few)
    for side in metrics.SIDES:
        if side.needs in ("numpy", "sklearn"):
            for name, value in side.create(*few)().items():
                tolerance = 0.02 if "loop" in side.name else 1e-10
                assert value == pytest.approx(ours[name], abs=tolerance), (side.name, name)


def test_maps_are_hard_enough_to_be_of_interest():
    maps, masks = metrics.generated(images=10)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert not masks[:2].any()
    assert masks[2:].any((1, 2)).all()
    assert 0.6 < pixel_metrics(maps, masks)["pixel_auroc"] < 0.97


@pytest.mark.slow
def test_table_has_a_row_for_each_side():
    head, _, _, *rows, _, memory = metrics.run(repeats=2, images=3).splitlines()
    assert head.startswith("3 maps of 256 x 256 px")
    assert [row[:24].strip() for row in rows][:4] == [side.name for side in metrics.SIDES[:4]]
    assert "times theirs" in memory
