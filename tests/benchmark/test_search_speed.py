"""The ways to search latents that are measured side by side find the same."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from adjax.benchmark import page, search
from adjax.methods import create_method
from configs import mnist


def test_sides_agree_on_every_image():
    config = ConfigDict(search.CONFIG)
    config.anogan_search.steps = 3
    image = np.random.default_rng(0).random((5, *search.SHAPE), np.float32)
    batched, *others = search.create_sides(config, batch=4)
    losses = batched.score(image)
    assert losses.shape == (5,)
    for side in others:
        np.testing.assert_allclose(side.score(image[:2]), losses[:2], rtol=1e-4, err_msg=side.name)


def test_what_is_measured_is_the_default_of_a_digit():
    config = mnist.get_config("anogan")
    assert config.anogan_search.to_dict() == search.CONFIG["anogan_search"]
    for key in ("latent_size", "widths", "kernel"):
        assert config.anogan[key] == search.CONFIG["anogan"][key]
    assert create_method(config).name == search.CONFIG["method"]


@pytest.mark.slow
def test_there_is_a_row_for_each_side():
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
