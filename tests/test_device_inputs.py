"""Batches that are made on the device are those of tf.data."""

import jax
import numpy as np
import pytest

from adjax import device_inputs, inputs
from adjax.corruptions import device_function, draws, random
from adjax.corruptions.settings import Corruptions, PipelineSets
from adjax.corruptions.settings import Crops as CropSettings
from adjax.inputs import Crops, Stream
from adjax.settings import as_dict

BATCH = 5
# 13 rows, 15 rows, and three: several epochs a batch.
STREAMS = [
    Stream(np.arange(3, 16), seed=1),
    Stream(np.arange(10, 40, 2), seed=2**31 + 2),
    Stream(np.array([39, 0, 7]), seed=1),
]
# Sums of many terms, in another order and precision. A singular value decomposition is as good as
# its singular values are apart.
ROUNDING = {"gaussian_blurring": 1e-6, "svd_blurring": 1e-4}
AUXILIARY, CORRUPTION, CROPS = map(as_dict, (PipelineSets(), Corruptions(), CropSettings()))
OWN = {  # beside the defaults
    "rotation": ("rotation", {"angles": (0, 270)}),
    "every_angle": ("uniform_rotation", {"low": -360, "high": 360}),
    "wide_blur": ("gaussian_blurring", {"sigma": 3.0, "width": 255}),
    "far": ("shearing", {"minimum": 0.0, "maximum": 3.0}),
}


def images(size, channels):
    return np.random.default_rng(size).integers(0, 256, (40, *size, channels), np.uint8)


def assert_same(image, rounding=0.0, streams=STREAMS, steps=range(7), **options):
    both = [
        list(module.train_batches(image, streams, BATCH, steps, **options))
        for module in (device_inputs, inputs)
    ]
    assert len(both[0]) == len(steps)
    for made, desired in zip(*both, strict=True):
        assert made.keys() == desired.keys()
        for name in desired:
            assert (made[name].shape, made[name].dtype) == (desired[name].shape, np.float32)
            bound = rounding if name == "auxiliary" else 0
            np.testing.assert_allclose(made[name], desired[name], rtol=0, atol=bound)


@pytest.mark.parametrize(("size", "channels"), [((12, 12), 1), ((9, 9), 3)])
@pytest.mark.parametrize("operation", [*AUXILIARY.items(), *OWN.values()], ids=lambda it: it[0])
def test_every_auxiliary_set(operation, size, channels):
    assert_same(images(size, channels), ROUNDING.get(operation[0], 0.0), auxiliary=operation)


@pytest.mark.parametrize("start", [0, 1, 10**6])
def test_whole_images_at_any_step(start):
    assert_same(images((4, 6), 2), steps=range(start, start + 9))


DEVICE_FORMS = [name for name in CORRUPTION if device_function("corruption", name)]


def test_corruptions_with_a_device_form():
    assert DEVICE_FORMS == ["gaussian"]


@pytest.mark.parametrize("name", DEVICE_FORMS)
def test_every_corruption_with_a_device_form(name):
    assert_same(images((8, 8), 3), corruption=(name, CORRUPTION[name]))


@pytest.mark.parametrize("samples", [0, 14])
@pytest.mark.parametrize("name", CROPS)
@pytest.mark.parametrize(("size", "side"), [((16, 16), 9), ((12, 12), 12), ((10, 14), 7)])
def test_every_kind_of_crops(name, samples, size, side):
    crops = Crops((name, CROPS[name] | {"size": side}), samples)
    assert_same(images(size, 2), crops=crops, corruption=("gaussian", {"sigma": 0.3}))


def test_crops_that_are_moved_far_and_mirrored():
    far = {"translation": 1.0, "angle": 180, "mirror": True, "size": 11}
    assert_same(images((11, 11), 1), crops=Crops(("translation_rotation", far)))


@pytest.mark.parametrize("name", CROPS)
def test_held_out_crops(name):
    image, rows = images((16, 16), 1)[:6], np.arange(6)
    crops = Crops((name, CROPS[name] | {"size": 9}))
    by_tf, by_jax = (inputs.fixed_crops(image, rows, crops, way) for way in (False, True))
    np.testing.assert_array_equal(by_jax, by_tf)


@pytest.mark.parametrize("operation", AUXILIARY.items(), ids=lambda it: it[0])
def test_what_leaves_a_trace(operation):
    flat = np.full((4, 12, 12, 1), 0.5, np.float32)
    noise = np.random.default_rng(0).random(flat.shape, np.float32)
    for image in (flat, noise):
        by_tf, by_jax = (inputs.changes(image, "auxiliary", operation, on) for on in (False, True))
        assert by_tf == by_jax


def seeds(number):
    drawn = np.random.default_rng(3).integers(-(2**31), 2**31, (number, 3))
    return drawn.astype(np.int32)


@pytest.mark.parametrize("made", [np.asarray, jax.numpy.asarray], ids=["numpy", "jax"])
def test_draws(made):
    seed = seeds(50)
    np.testing.assert_array_equal(draws.random_bits(made(seed), 5), random.random_bits(seed, 5))
    np.testing.assert_array_equal(draws.uniform(made(seed), 3), random.uniform(seed, 3))
    for below in (1, 7, 360):
        drawn = draws.uniform_integer(made(seed), below)
        np.testing.assert_array_equal(drawn, random.uniform_integer(seed, below))
    for number in (1, 6, 9):
        normal = draws.normal_quantiles()[draws.normal_index(made(seed), number)]
        np.testing.assert_array_equal(normal, random.standard_normal(seed, number))


SIZES = [1, 2, 3, 20, 255, 5000, 65_535, 65_536, 65_537, 65_538, 70_000, 300_000]


@pytest.mark.parametrize("size", SIZES)
def test_permutations(size):
    (seed,) = seeds(1)
    whole = draws.permutation(seed, size)
    index = np.unique(np.r_[0, size - 1, np.random.default_rng(0).integers(0, size, 200)])
    each = np.repeat(seed[None], len(index), 0)
    np.testing.assert_array_equal(whole[index], random.permuted_index(index, each, size))
    if size != 65_537:  # TensorFlow enciphers 16 bits there, which is one number too few
        np.testing.assert_array_equal(np.sort(whole), np.arange(size))


def test_parts_are_slices_of_the_whole():
    numbers = device_inputs.Numbers(STREAMS, BATCH).of(range(4))
    part = device_inputs.Numbers(STREAMS, BATCH, part=(slice(1, 3), slice(2, 5))).of(range(4))
    for name, number in numbers.items():
        assert number.shape == (4, 3, BATCH)
        np.testing.assert_array_equal(part[name], number[:, 1:3, 2:5])


def test_only_images_that_are_trained_on_lie_on_the_device():
    image = images((4, 4), 1)
    table, streams = device_inputs.used(image, STREAMS)
    assert len(table) == len({row for stream in STREAMS for row in stream.rows})
    for own, stream in zip(streams, STREAMS, strict=True):
        np.testing.assert_array_equal(table[own.rows], image[stream.rows])
        assert own.seed == stream.seed
