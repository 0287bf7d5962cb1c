"""Sections: defaults, types, bounds and what is said of a wrong value."""

import dataclasses
import math
import random

import numpy as np
import pytest

from adjax.errors import UserError
from adjax.settings import (
    LARGEST_WEIGHT,
    Section,
    as_dict,
    choice,
    count,
    fields_of,
    flag,
    flat,
    nothing_weighs,
    number,
    rate,
    read,
    read_shared,
    several,
    size,
    weight,
    word,
)


@dataclasses.dataclass(frozen=True)
class Inner(Section):
    """A section within a section."""

    rate: float = number(0.1, "a rate", at_least=0, below=1)


@dataclasses.dataclass(frozen=True)
class Outer(Section):
    """One setting of each kind."""

    steps: int = count(5, "updates")
    width: int = size(8, "channels")
    sigma: float = number(1.0, "px", above=0)
    window: int = count(3, "px", odd=True)
    rule: str = choice("a", ("a", "b"), "which")
    name: str = word("x", "any text")
    mirror: bool = flag(False, "whether")
    widths: tuple = several((1, 2), "channels", at_least=1, least_length=2)
    inner: Inner = Inner()

    def relations(self):
        """Steps are not fewer than the width."""
        if self.steps < self.width - 3:
            yield "steps", "must not be so few"


def test_defaults_come_back_typed():
    values = as_dict(Outer())
    assert flat(values) == {
        "steps": 5,
        "width": 8,
        "sigma": 1.0,
        "window": 3,
        "rule": "a",
        "name": "x",
        "mirror": False,
        "widths": (1, 2),
        "inner.rate": 0.1,
    }
    assert read(Outer(), values, "outer") == Outer()
    assert [key for key, _ in fields_of(Outer(), "outer.")] == [f"outer.{k}" for k in flat(values)]


def test_json_comes_back_typed():
    section = read(Outer(), {"sigma": 2, "widths": [3, 4], "inner": {"rate": 0}}, "outer")
    assert section == Outer(sigma=2.0, widths=(3, 4), inner=Inner(0.0))
    assert type(section.sigma) is type(section.inner.rate) is float


def test_what_is_missing_has_the_default_of_the_instance():
    assert read(Outer(steps=9), {"width": 2}, "outer") == Outer(steps=9, width=2)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"stps": 1}, "config.outer.stps: the config has no such key"),
        ({"inner": 3}, "config.outer.inner=3: must be a section"),
        ({"inner": {"rat": 3}}, "config.outer.inner.rat: the config has no such key"),
        ({"inner": {"rate": 1}}, "config.outer.inner.rate=1: must lie between 0 and 1"),
        ({"steps": 0}, "config.outer.steps=0: must be at least 1"),
        ({"steps": 1.5}, "config.outer.steps=1.5: give a whole number"),
        ({"steps": True}, "config.outer.steps=True: give a whole number"),
        ({"width": 10**6}, "config.outer.width=1000000: must be at least 1 and at most 65536"),
        ({"sigma": 0}, "config.outer.sigma=0: must be positive"),
        ({"sigma": math.nan}, "config.outer.sigma=nan: must be a finite number"),
        ({"sigma": -math.inf}, "config.outer.sigma=-inf: must be a finite number"),
        ({"sigma": 1e300}, "config.outer.sigma=1e+300: must be a finite number"),
        ({"sigma": "1"}, "config.outer.sigma='1': give a number"),
        ({"window": 4}, "config.outer.window=4: use an odd number"),
        ({"rule": "c"}, "config.outer.rule='c': choose one of a, b"),
        ({"rule": 1}, "config.outer.rule=1: choose one of a, b"),
        ({"name": 1}, "config.outer.name=1: give a word"),
        ({"mirror": 1}, "config.outer.mirror=1: give a flag, True or False"),
        ({"widths": (1,)}, "config.outer.widths=(1,): give a tuple of numbers"),
        ({"widths": 3}, "config.outer.widths=3: give a tuple of numbers"),
        ({"widths": (1, "a")}, "config.outer.widths=(1, 'a'): give a whole number"),
        ({"widths": (1, 0)}, "config.outer.widths=(1, 0): must be at least 1"),
        ({"width": 65000}, "config.outer.steps=5: must not be so few"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(values, says):
    with pytest.raises(UserError) as error:
        read(Outer(), values, "outer")
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)


@dataclasses.dataclass(frozen=True)
class Loss(Section):
    """A loss of two terms, and its optimiser."""

    learning_rate: float = rate(1e-3, "of Adam")
    near: float = weight(1.0, "of the one")
    far: float = weight(0.0, "of the other")
    decay: float = number(0.0, "decoupled")

    def relations(self):
        """A term must count."""
        return nothing_weighs(self, "near", "far")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"near": 0}, "near=0.0: one of near and far must be positive"),
        ({"near": 1e-9}, "near=1e-09: too small to count: give 0 or at least 1e-06"),
        ({"far": 2 * LARGEST_WEIGHT}, "far=2000000000.0: must be at least 0 and at most 1e+09"),
        ({"far": -1.0}, "far=-1.0: must be at least 0"),
        ({"learning_rate": 0}, "learning_rate=0: must be positive, at least 1e-10"),
        ({"learning_rate": 1e-300}, "learning_rate=1e-300: must be positive"),
        ({"decay": 1e-40}, "decay=1e-40: too small to count: give 0 or at least 1.2e-38"),
    ],
)
def test_what_would_not_train_is_refused(values, says):
    with pytest.raises(UserError) as error:
        read(Loss(), values, "loss")
    assert str(error.value).startswith(f"config.loss.{says}")


def test_one_term_is_enough():
    assert read(Loss(), {"near": 0, "far": 1e-6}, "loss") == Loss(near=0.0, far=1e-6)


def test_shared_sections_are_those_that_reading_gives():
    """Equal values give one object; values that are only equal in Python's eyes do not."""
    defaults, draw = Outer(), random.Random(0)
    choices = [0, 1, 2, 1.0, 2.0, -0.0, 0.0, True, False, "1", (1, 2), [1, 2], (1.0,), None]
    choices += [np.float64(1.0), np.int64(2), float("nan"), {"rate": 0}, {"rate": 0.0}, {}]
    names = [field.name for field in dataclasses.fields(Outer)] + ["unknown"]
    for _ in range(2000):
        values = {draw.choice(names): draw.choice(choices) for _ in range(draw.randrange(3))}
        found = [outcome(function, defaults, values) for function in (read, read_shared)]
        assert found[0] == found[1], values
        if isinstance(found[0], Outer):
            assert repr(found[0]) == repr(found[1])  # 1 and 1.0, 0.0 and -0.0 differ
            assert read_shared(defaults, dict(values), "outer") is found[1]
            assert found[1].leaves("a.") == flat(as_dict(found[0]), "a.")


def outcome(function, defaults, values):
    try:
        return function(defaults, values, "outer")
    except UserError as error:
        return str(error)
