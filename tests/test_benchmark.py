"""The speed of a config's stages and of its score; also where the score is by sliding windows."""

import re

import numpy as np
import pytest
from PIL import Image

from adjax import benchmark
from configs import folder, mnist


def measured(config) -> list[list[str]]:
    """The rows of the table, cell by cell."""
    text = benchmark.run(config, repeats=1, seconds=0.01)
    head, _, columns, *rows = text.splitlines()
    assert head.startswith(f"{config.data.name}, {config.method}, population 1 (map)")
    assert columns.split() == ["images/s", "spread", "compile", "s", "GFLOP/s", "input", "wait"]
    rows = [re.split(r"\s{2,}", row.strip()) for row in rows]
    for _, rate, spread, compile_seconds, flops, *_ in rows:
        assert float(rate) > 0
        assert float(compile_seconds) > 0
        assert float(flops) >= 0
        assert spread.endswith("%")
    return rows


@pytest.fixture
def photographs(tmp_path):
    """A folder of normal images."""
    rng = np.random.default_rng(0)
    for number in range(10):
        image = Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8))
        image.save(tmp_path / f"{number}.png")
    return tmp_path


def windowed(method: str, photographs):
    """A config of small photographs, trained on patches of a quarter of them."""
    config = folder.get_config(f"{method},smoke")
    config.data.update(dir=str(photographs), size=32, patch=16)
    config.windows.stride = 16
    config.mesh.update(member=1, data=1)
    return config


def test_patches_are_scored_by_windows(photographs):
    """The code of the network fits patches of one size; the score sees whole images."""
    rows = measured(windowed("ae", photographs))
    assert [row[0] for row in rows] == ["train teacher", "score"]


@pytest.mark.slow
def test_patches_of_a_student(photographs):
    rows = measured(windowed("oe_sdn", photographs))
    assert [row[0] for row in rows] == ["train teacher", "train student", "score"]


@pytest.mark.slow
def test_image_classes():
    rows = measured(mnist.get_config("oe_sdn,smoke"))
    assert [row[0] for row in rows] == ["train teacher", "train student", "score"]
