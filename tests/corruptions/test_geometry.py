"""Rotation against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from adjax.corruptions import AUXILIARY, rotation


def draw(number, channels=1, size=5):
    """Random images and as many seeds as a training run would give them."""
    image = np.random.default_rng(0).random((number, size, size, channels), np.float32)
    seed = np.stack([np.full(number, 3), np.arange(number), np.ones(number)], -1)
    return image, seed.astype(np.int32)


def turns(image, rotated):
    """Quarter turns that lead from each image to the rotated one; -1 if none does."""
    turn = np.full(len(image), -1)
    for k in range(4):
        turn[(np.rot90(image, k, (1, 2)) == rotated).all((1, 2, 3))] = k
    return turn


@pytest.mark.parametrize("channels", [1, 3])
def test_rotation_is_a_quarter_half_or_three_quarter_turn(channels):
    image, seed = draw(200, channels)
    rotated = rotation(image, seed)
    assert rotated.dtype == tf.float32
    assert set(turns(image, rotated.numpy())) == {1, 2, 3}


def test_the_three_turns_are_equally_likely():
    image, seed = draw(3000)
    count = np.bincount(turns(image, rotation(image, seed).numpy()), minlength=4)
    assert count[0] == 0
    assert stats.chisquare(count[1:]).pvalue > 1e-4


def test_rotation_depends_on_image_and_seed_only():
    image, seed = draw(64)
    rotated = rotation(image, seed).numpy()
    np.testing.assert_array_equal(rotation(image, seed), rotated)
    chosen = np.array([40, 3, 17])
    np.testing.assert_array_equal(rotation(image[chosen], seed[chosen]), rotated[chosen])
    np.testing.assert_array_equal(rotation(image[7:8], seed[7:8]), rotated[7:8])


def test_seeds_decide_the_turn():
    image, seed = draw(64)
    other = rotation(image, seed + np.array([1, 0, 0], np.int32)).numpy()
    same = (turns(image, other) == turns(image, rotation(image, seed).numpy())).sum()
    assert 5 < same < 40  # 21 on average


def test_rotation_works_in_a_graph_of_unknown_batch_size():
    image, seed = draw(6)
    signature = [tf.TensorSpec([None, 5, 5, 1]), tf.TensorSpec([None, 3], tf.int32)]
    graph = tf.function(rotation, input_signature=signature)
    np.testing.assert_array_equal(graph(image, seed), rotation(image, seed))


def test_rotation_is_an_auxiliary_set():
    assert AUXILIARY["rotation"] is rotation
