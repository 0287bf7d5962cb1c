"""Properties of every auxiliary set of the pipeline."""

import numpy as np
import pytest
import tensorflow as tf
from corruption_helpers import AUXILIARY, draw

from adjax.corruptions import image_function

RANDOM = {"gaussian_noise", "rotation", "shearing", "uniform_rotation"}

pytestmark = pytest.mark.parametrize("name", AUXILIARY)


def make(name, image, seed):
    return image_function("auxiliary", name)(image, seed, **AUXILIARY[name]).numpy()


@pytest.mark.parametrize("channels", [1, 3])
def test_images_stay_images(name, channels):
    for image in (draw(12, channels)[0], np.ones((12, 8, 8, channels), np.float32)):
        made = make(name, image, draw(12)[1])
        assert made.shape == image.shape
        assert made.dtype == np.float32
        assert made.min() >= 0
        assert made.max() <= 1


@pytest.mark.parametrize(("channels", "size"), [(1, 5), (3, 8), (1, 28)])
def test_the_same_image_and_seed_give_the_same_bits_in_any_batch(name, channels, size):
    image, seed = draw(37, channels, size)
    made = make(name, image, seed)
    for chosen in (np.array([30, 3, 17]), np.array([7]), np.arange(36, 0, -1)):
        np.testing.assert_array_equal(make(name, image[chosen], seed[chosen]), made[chosen])


def test_seeds_matter_to_random_sets_only(name):
    image, seed = draw(32)
    other = make(name, image, seed + np.array([1, 0, 0], np.int32))
    assert (other != make(name, image, seed)).any() == (name in RANDOM)


def test_images_are_changed(name):
    image, seed = draw(32)
    assert (make(name, image, seed) != image).any((1, 2, 3)).all()


def test_works_in_a_graph_of_unknown_batch_size(name):
    image, seed = draw(6)
    signature = [tf.TensorSpec([None, 8, 8, 1]), tf.TensorSpec([None, 3], tf.int32)]
    function = image_function("auxiliary", name)
    graph = tf.function(lambda *x: function(*x, **AUXILIARY[name]), signature)
    np.testing.assert_array_equal(graph(image, seed), make(name, image, seed))
