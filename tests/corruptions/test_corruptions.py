"""Properties of every corruption of the pipeline."""

import numpy as np
import pytest
import tensorflow as tf
from corruption_helpers import CORRUPTION, draw

from adjax.corruptions import TAKES_SOURCE, image_function
from adjax.gallery import corruption_gallery

pytestmark = pytest.mark.parametrize("name", CORRUPTION)


def make(name, image, seed, **others):
    return image_function("corruption", name)(image, seed, **CORRUPTION[name], **others).numpy()


def levels(number, channels, size):
    """Images of 256 grey levels, as they come from a table of bytes."""
    image, seed = draw(number, channels, size)
    return np.round(image * 255) / np.float32(255), seed


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 28), (1, 96)])
def test_images_stay_images_of_the_same_shape(name, channels, size):
    image, seed = levels(12, channels, size)
    made = make(name, image, seed)
    assert made.shape == image.shape
    assert made.dtype == np.float32
    assert made.min() >= 0
    assert made.max() <= 1
    # A patch as large as the image holds what was there; one of 4 px has hardly an inside.
    if name not in TAKES_SOURCE or size > 64:
        assert (made != image).any((1, 2, 3)).all()


@pytest.mark.parametrize(("channels", "size"), [(3, 28), (1, 100)])
def test_the_same_image_and_seed_give_the_same_bits_in_any_batch(name, channels, size):
    image, seed = levels(37, channels, size)
    made = make(name, image, seed)
    for chosen in (np.array([30, 3, 17]), np.array([7]), np.arange(36, 0, -1)):
        np.testing.assert_array_equal(make(name, image[chosen], seed[chosen]), made[chosen])


def test_works_in_a_graph_of_unknown_batch_size_and_on_no_image(name):
    image, seed = levels(6, 1, 64)
    signature = [tf.TensorSpec([None, 64, 64, 1]), tf.TensorSpec([None, 3], tf.int32)]
    function = image_function("corruption", name)
    graph = tf.function(lambda *x: function(*x, **CORRUPTION[name]), signature)
    # A graph may divide by a constant as it multiplies, hence a last bit.
    np.testing.assert_allclose(graph(image, seed), make(name, image, seed), rtol=0, atol=1e-7)
    assert graph(image[:0], seed[:0]).shape == (0, 64, 64, 1)


def test_seeds_matter(name):
    image, seed = levels(16, 1, 64)
    other = make(name, image, seed + np.array([1, 0, 0], np.int32))
    assert (other != make(name, image, seed)).any((1, 2, 3)).all()


def test_gallery_shows_it(name):
    image, seed = levels(8, 3, 64)
    sets = corruption_gallery((image * 255).round().astype(np.uint8), CORRUPTION)
    assert list(sets) == ["normal", *CORRUPTION]
    np.testing.assert_array_equal(sets["normal"], image)
    seed = np.stack([np.zeros(8), np.arange(8), np.ones(8)], -1).astype(np.int32)
    others = {"source": np.roll(image, 1, 0)} if name in TAKES_SOURCE else {}
    np.testing.assert_array_equal(sets[name], make(name, image, seed, **others))
