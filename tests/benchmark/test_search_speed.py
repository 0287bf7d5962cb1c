"""The ways to search latents that are measured side by side find the same."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from adjax.benchmark import search
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
def test_table_has_a_row_for_each_side():
    head, _, _, *rows = search.run(repeats=2, images=8, batch=4, steps=2).splitlines()
    assert head.startswith("AnoGAN's search of 8 images of 28 x 28 px, 2 steps")
    assert [row.split()[-1] for row in rows] == ["8", "8", "8"]
