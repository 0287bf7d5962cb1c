"""The ways to search latents that are measured side by side reach the same."""

import numpy as np
import pytest

from benchmarks import page, search


def test_ways_agree_on_every_image():
    image = np.random.default_rng(0).random((5, *search.SHAPE), np.float32)
    batched, *others = search.create_ways(search.sections_of(steps=3), batch=4)
    losses = batched.score(image)
    assert losses.shape == (5,)
    for way in others:
        np.testing.assert_allclose(way.score(image[:2]), losses[:2], rtol=1e-4, err_msg=way.name)


def test_steps_are_the_products():
    assert search.sections_of().anogan_search.steps == 300


@pytest.mark.slow
def test_there_is_a_row_for_each_way():
    first, *others = search.measure(repeats=2, images=8, batch=4, steps=2)
    assert first["times"] == 1
    assert first["difference"] == 0
    assert [row["searched"] for row in (first, *others)] == [8, 8, 8]
    assert all(row["images_per_second"] > 0 for row in others)
    assert all(row["difference"] < 1e-3 for row in others)


def test_table_of_rows():
    row = {"images_per_second": 40.0, "spread": 0.1, "steps": 300, "searched": 1000}
    rows = [
        {"case": "at once", "times": 1.0, "difference": 0.0, **row},
        {"case": "one by one", "times": 1.9, "difference": 2e-5, **row},
    ]
    text = page.console({"search": {"rows": rows}})
    assert "AnoGAN's search, 300 steps" in text
    assert "1,000" in text
    assert "2e-05" in text
