"""Stateless draws: permutations that are permutations, draws that are uniform, seeds that count."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from adjax.corruptions.draws import normal_quantiles
from adjax.corruptions.random import (
    permuted_index,
    standard_normal,
    uniform,
    uniform_integer,
)


def permutation(size, seed):
    """The permutation of range(size) that a seed names."""
    seeds = np.tile(np.array([seed], np.int32), (size, 1))
    return permuted_index(tf.range(size, dtype=tf.int64), seeds, size).numpy()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 9, 63, 64, 65, 100, 257, 1000, 5842])
def test_permutation_of_any_size(size):
    for seed in ((0, 0, 0), (1, 2, 3), (2**31 - 1, 7, 0)):
        np.testing.assert_array_equal(np.sort(permutation(size, seed)), np.arange(size))


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_permutations_of_different_sizes_at_once(dtype):
    sizes = [1, 2, 7, 100, 33]
    seeds = [(k, 3, 0) for k in range(len(sizes))]
    index = tf.concat([tf.range(size, dtype=dtype) for size in sizes], 0)
    at_once = permuted_index(
        index,
        np.repeat(np.array(seeds, np.int32), sizes, axis=0),
        tf.repeat(tf.constant(sizes, dtype), sizes),
    )
    assert at_once.dtype == dtype
    one_by_one = [permutation(size, seed) for size, seed in zip(sizes, seeds, strict=True)]
    np.testing.assert_array_equal(at_once, np.concatenate(one_by_one))


def test_different_seeds_give_different_permutations():
    seeds = [(a, b, c) for a in range(6) for b in range(6) for c in range(2)]
    orders = np.array([permutation(200, seed) for seed in seeds])
    # Two random permutations agree at one place on average, at ten with a chance of 1e-7.
    agreements = (orders[:, None] == orders[None]).sum(-1)[np.triu_indices(len(seeds), 1)]
    assert agreements.max() < 10
    assert 0.8 < agreements.mean() < 1.2


@pytest.mark.parametrize("bit", [0, 7, 8, 15, 30])
def test_every_bit_of_a_seed_changes_the_permutation(bit):
    for part in range(3):
        seed, other = [5, 5, 0], [5, 5, 0]
        other[part] ^= 1 << bit
        assert (permutation(1000, seed) != permutation(1000, other)).any()


@pytest.mark.parametrize("bit", [0, 7, 8, 15, 30])
def test_every_bit_of_a_seed_changes_the_draws(bit):
    seeds = np.stack([np.arange(64), np.arange(64), np.zeros(64)], -1).astype(np.int32)
    draws = uniform_integer(seeds, 100).numpy()
    for part in range(3):
        others = seeds.copy()
        others[:, part] ^= 1 << bit
        agreements = (draws == uniform_integer(others, 100).numpy()).sum()
        assert agreements < 10  # 0.6 on average


@pytest.mark.parametrize("below", [2, 3, 10])
@pytest.mark.parametrize("varying", [0, 1])
def test_uniform_integer_is_uniform(below, varying):
    seeds = np.zeros((6000, 3), np.int32)
    seeds[:, varying] = np.arange(6000)
    draws = uniform_integer(seeds, below).numpy()
    assert draws.dtype == np.int32
    count = np.bincount(draws, minlength=below)
    assert len(count) == below
    assert stats.chisquare(count).pvalue > 1e-4


def test_a_draw_depends_on_its_own_seed_only():
    seeds = np.random.default_rng(0).integers(0, 2**31, (50, 3)).astype(np.int32)
    draws = uniform_integer(seeds, 1000).numpy()
    np.testing.assert_array_equal(uniform_integer(seeds[::-1][:20], 1000), draws[::-1][:20])


def seeds_of(number):
    return np.stack([np.full(number, 7), np.arange(number), np.ones(number)], -1).astype(np.int32)


def test_uniform_draws_are_uniform():
    draws = uniform(seeds_of(500), 20).numpy()
    assert draws.dtype == np.float32
    assert draws.shape == (500, 20)
    assert draws.min() >= 0
    assert draws.max() < 1
    assert stats.kstest(draws.ravel(), stats.uniform.cdf).pvalue > 1e-4


@pytest.mark.parametrize("number", [1, 2, 5, 64])
def test_normal_draws_are_normal(number):
    draws = standard_normal(seeds_of(20_000 // number), number).numpy()
    assert draws.dtype == np.float32
    assert draws.shape == (20_000 // number, number)
    assert np.abs(draws).max() < 4.4
    assert stats.kstest(draws.ravel(), stats.norm.cdf).pvalue > 1e-4


def test_a_seed_with_more_draws_begins_with_the_same_ones():
    np.testing.assert_array_equal(
        standard_normal(seeds_of(9), 64)[:, :5], standard_normal(seeds_of(9), 5)
    )


def test_normal_quantiles_are_those_of_tensorflow():
    probability = (np.arange(2**16) + 0.5) / 2**16
    desired = tf.math.ndtri(tf.constant(probability)).numpy().astype(np.float32)
    np.testing.assert_array_equal(normal_quantiles(), desired)
