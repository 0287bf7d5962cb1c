"""Points of a sweep are what itertools gives; config files get them without JAX."""

import itertools
import re
import shlex
import subprocess
import sys
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ((32, 64), "widths=32+64"),
        ([0.1], "widths=0.1"),
        ("emnist/balanced", "widths=emnist/balanced"),
        (1e-5, "widths=1e-05"),
        (-2, "widths=-2"),
        (1e20, "widths=1e+20"),
    ],
)
def test_name_of_plain_values_is_plain(value, said):
    assert grid.name({"teacher.widths": value}) == said


def test_name_remembers_what_it_was():
    name = grid.name({"widths": (32, 64), "seed": 1})
    assert name.former == "widths=(32, 64),seed=1"
    assert grid.folders("aesc", "a b", "", "seed0").former == "aesc/a b/seed0"


VALUES = st.one_of(
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_characters=",=+")),
    st.tuples(st.integers(), st.text(st.characters(exclude_characters=",=+"))),
)
SAFE = re.compile(r"[A-Za-z0-9_.,=+@-]+(/[A-Za-z0-9_.,=+@-]+)*")


@given(VALUES, VALUES)
def test_names_are_safe_and_tell_values_of_a_kind_apart(one, other):
    first, second = (grid.name({"a.key": value, "seed": 0}) for value in (one, other))
    third, fourth = (grid.folders("x", str(value), "y") for value in (one, other))
    for name in (first, second, third, fourth):
        assert SAFE.fullmatch(name)
        assert shlex.quote(name) == name
        assert quote(name, safe="/,=+@") == name
        parts = name.split("/")
        assert max(map(len, parts)) <= 255
        assert not any(part.startswith((".", "-")) for part in parts)
    if type(one) is type(other) and one != other:
        assert first != second
        assert third != fourth


def test_long_names_are_cut_and_told_apart():
    one, other = (grid.name({f"key{n}": 1.5 for n in range(50)} | {"z": z}) for z in (0, 1))
    assert len(one) <= 255
    assert one != other


def test_import_is_light(repository):
    code = "import sys; from adjax import grid; print({'jax', 'numpy'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()"
