"""Points of a sweep are what itertools gives; config files get them without JAX."""

import itertools
import subprocess
import sys

import pytest

from adjax import grid

METHODS = grid.axis("method", ("ae", "sdn"))
SEEDS = grid.axis("seed", range(3))


def test_product_is_every_combination_last_axis_fastest():
    points = grid.product(METHODS, SEEDS)
    assert [(p["method"], p["seed"]) for p in points] == list(
        itertools.product(("ae", "sdn"), range(3))
    )
    assert grid.product(METHODS, []) == []


def test_zipped_is_one_of_each():
    rates = grid.axis("teacher.learning_rate", (0.1, 0.2, 0.3))
    assert grid.zipped(SEEDS, rates)[1] == {"seed": 1, "teacher.learning_rate": 0.2}
    with pytest.raises(ValueError, match="longer"):
        grid.zipped(METHODS, SEEDS)


@pytest.mark.parametrize("combine", [grid.product, grid.zipped])
def test_axes_that_set_one_key_are_refused(combine):
    with pytest.raises(ValueError, match="two axes set 'seed'"):
        combine(SEEDS, SEEDS)


def test_products_and_zips_combine():
    points = grid.product(METHODS, grid.zipped(SEEDS, grid.axis("select", ("a", "b", "c"))))
    assert len(points) == 6
    assert points[-1] == {"method": "sdn", "seed": 2, "select": "c"}


def test_name_says_what_differs():
    assert grid.name({"student.loss_weight": 0.5, "seed": 1}) == "loss_weight=0.5,seed=1"


def test_import_is_light(repository):
    code = "import sys; from adjax import grid; print({'jax', 'numpy'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()"
