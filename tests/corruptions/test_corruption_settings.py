"""Every value of a parameter is refused in one line, or makes images."""

import dataclasses
import inspect
import math
import subprocess
import sys

import numpy as np
import pytest
from corruption_helpers import CORRUPTION, STAIN, draw

from adjax.corruptions import _FUNCTIONS, TAKES_SOURCE, image_function
from adjax.corruptions.degradation import gaussian_blurring
from adjax.corruptions.settings import LEAST_CHANGE, Corruptions, Crops, PipelineSets
from adjax.errors import UserError
from adjax.settings import as_dict, flat, read

SECTIONS = {"auxiliary": PipelineSets(), "corruption": Corruptions(), "crops": Crops()}
FUNCTIONS = [(kind, name) for kind, section in SECTIONS.items() for name in as_dict(section)]
WRONG_FOR_ALL = ["word", "", None, math.nan, math.inf, -math.inf, {}, {"a": 1}]
MAYBE = [
    *(-1, 0, 1, 2, 3, 31, 255, 256, 1000, 2**31 - 1, 2**31, 10**12, 10**400, -(2**31), True, False),
    *(-0.1, 0.0, 1e-300, 1e-9, 0.001, 0.3, 0.499, 0.5, 1.0, 2.5, 100.0, 1e9, 1e38, -1e38, 1e300),
    *((), (0,), (90,), (45,), (0.5,), ("a",), (None,), (0.5, 0.5), (1.0, 0.0, 0.0), (90,) * 1000),
    *((0.3,) * 4, (2.0, -1.0), (2.0, -0.5, -0.5), (math.nan, 1.0), (math.nan, 0.5, 0.5), [180, 90]),
]


def changed(kind, key, value):
    """The parameters of a function with another value at a key."""
    path = key.split(".")
    values = as_dict(SECTIONS[kind])
    inner = values
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return as_dict(read(SECTIONS[kind], values, kind))[path[0]]


def refusal(kind, key, value):
    """The line that refuses a value, or None."""
    try:
        changed(kind, key, value)
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("kind", "name"), FUNCTIONS)
def test_function_takes_what_its_section_holds(kind, name):
    taken = list(inspect.signature(image_function(kind, name)).parameters)
    fields = list(as_dict(getattr(SECTIONS[kind], name)))
    given = [*(["size"] if kind == "crops" else []), *fields, *["source"] * (name in TAKES_SOURCE)]
    assert taken == ["image", "seed", *given]
    assert set(_FUNCTIONS[kind]) == set(as_dict(SECTIONS[kind]))


LEAVES = [(kind, key) for kind, section in SECTIONS.items() for key in flat(as_dict(section))]


@pytest.mark.parametrize(("kind", "key"), LEAVES)
def test_values_of_every_leaf(kind, key):
    """Accepted values make other images, finite, of [0, 1], of any size; the rest is told."""
    name, _, leaf = key.partition(".")
    function = image_function(kind, name)
    batches = [draw(3, channels, size) for channels, size in ((1, 2), (3, 21))]
    for value in WRONG_FOR_ALL:
        assert refusal(kind, key, value).startswith(f"config.{kind}.{key}=")
    accepted = 0
    for value in MAYBE:
        line = refusal(kind, key, value)
        if line is not None:
            assert line.startswith(f"config.{kind}.{name}.")
            assert "\n" not in line
            continue
        parameters = changed(kind, key, value)
        accepted += 1
        for image, seed in batches:
            size = {"size": image.shape[1]} if kind == "crops" else {}
            made = function(image, seed, **size, **parameters).numpy()
            assert made.shape == image.shape, (leaf, value)
            assert np.isfinite(made).all(), (leaf, value)
            assert 0 <= made.min() <= made.max() <= 1, (leaf, value)
            # How many singular values an image has is known with the images: see `inputs.changes`.
            if kind != "crops" and leaf != "rank" and image.shape[1] > 2:
                assert np.abs(made - image).max() >= LEAST_CHANGE, (leaf, value)
    assert accepted


@pytest.mark.parametrize(
    ("kind", "key", "value", "says"),
    [
        ("auxiliary", "gaussian_blurring.sigma", 0.0, "must be positive"),
        ("auxiliary", "gaussian_blurring.width", 4, "use an odd number"),
        ("auxiliary", "gaussian_blurring.width", 1, "use an odd number from 3 to 255"),
        ("auxiliary", "gaussian_blurring.sigma", 0.1, "must be positive, from 0.3 to 100"),
        ("auxiliary", "rotation.angles", (0, 360), "they leave the image as it is"),
        ("auxiliary", "shearing.maximum", 0.0, "must be at least 0.001"),
        ("auxiliary", "gaussian_noise.sigma", -0.1, "must be positive"),
        ("auxiliary", "rotation.angles", (), "give multiples of 90; uniform_rotation has other"),
        ("auxiliary", "rotation.angles", (90, 45), "give multiples of 90; uniform_rotation has"),
        ("auxiliary", "rotation.angles", ("a",), "give multiples of 90; uniform_rotation has"),
        ("auxiliary", "shearing.minimum", 0.4, "must lie between 0 and maximum"),
        ("auxiliary", "svd_blurring.rank", 0, "must be at least 1"),
        ("auxiliary", "uniform_rotation.low", 331, "must not be above high"),
        ("corruption", "stain.irregularity", math.nan, "must be a finite number"),
        ("corruption", "stain.noise_variance", -1, "must lie between 0 and 1"),
        ("corruption", "stain.size_low", 0.2, "must not be above size_high"),
        ("corruption", "stain.size_high", 0.5, "must be at least 0 and below 0.5"),
        ("corruption", "stain.colour_high", 256, "must be at least 0 and at most 255"),
        ("corruption", "stain.blur", 1e-9, "must be 0 or at least 0.001"),
        ("corruption", "scratch.brush", -1, "use an odd number"),
        ("corruption", "scratch.colour_low", 151, "must not be above colour_high"),
        ("corruption", "drops.number", 0, "must be at least 1"),
        ("corruption", "structural.parts", (0.5, 0.5), "give 3 numbers from 0 to 1 whose sum is 1"),
        ("corruption", "structural.drops.number", 0, "must be at least 1"),
        ("corruption", "stain_or_gaussian.parts", (0.5, 0.6), "give 2 numbers from 0 to 1 whose"),
        ("crops", "translation_rotation.mirror", 1, "give a flag"),
        ("crops", "translation_rotation.angle", 181, "must be at least 0 and at most 180"),
    ],
)
def test_advice(kind, key, value, says):
    line = refusal(kind, key, value)
    assert line.startswith(f"config.{kind}.{key}=")
    assert says in line


def test_scattered_discs_stay_in_the_image():
    line = refusal("corruption", "drops.scatter", 10.0)
    assert line.endswith("drops.radius_high=0.02: discs scattered by 10 would leave the image")


def test_a_gaussian_wider_than_the_image_is_cut_off():
    image, seed = draw(2, size=5)
    wide, widest = (gaussian_blurring(image, seed, sigma=2.0, width=w) for w in (11, 255))
    np.testing.assert_array_equal(wide, widest)


def test_stains_of_mixtures_are_softened():
    assert CORRUPTION["structural"]["stain"] == {**STAIN, "blur": 0.15}
    assert all(dataclasses.is_dataclass(section) for section in SECTIONS.values())


def test_settings_need_neither_tensorflow_nor_jax():
    code = (
        "import sys, adjax.corruptions.settings, adjax.datasets.settings\n"
        "assert not {'tensorflow', 'jax', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("angle", [-360, 0, 360])
def test_turns_by_nothing_are_refused(angle):
    with pytest.raises(UserError, match=rf"uniform_rotation.low={angle}: leaves the image as it"):
        read(PipelineSets(), {"uniform_rotation": {"low": angle, "high": angle}}, "auxiliary")
