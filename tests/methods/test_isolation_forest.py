"""The isolation forest in JAX against scikit-learn's."""

import numpy as np
import pytest
from fit_helpers import assert_exports, fitted, scored, smooth_images, stream
from method_helpers import build_method, sections_of
from sklearn.ensemble import IsolationForest

from adjax.methods.components import features, learn_features
from adjax.methods.isolation_forest.method import flat_tree, mean_path

TRAIN = smooth_images(150)
NOISE = np.random.default_rng(0).random((20, 8, 8, 1), np.float32)
TEST = np.concatenate([smooth_images(20, 1), NOISE])


def changes(**values):
    values = {"trees": 30, "subsample": 100, "components": 40, **values}
    return {f"isolation_forest.{key}": value for key, value in values.items()}


def oracle(changes, train, test):
    """Minus scikit-learn's scores of the features that our forest sees."""
    own = sections_of("isolation_forest", changes).isolation_forest
    params, points = learn_features("", own, stream(train), 3)
    others = np.asarray(features(params, test))[:, : points.shape[1]]
    subsample = min(own.subsample, len(train))
    forest = IsolationForest(n_estimators=30, max_samples=subsample, random_state=3).fit(points)
    return -forest.score_samples(others)


@pytest.mark.parametrize("pca", [True, False])
def test_score_is_scikit_learns(pca):
    given = changes(pca=pca)
    method = build_method("isolation_forest", given)
    variables = fitted(method, TRAIN)
    (score,) = scored(method, variables, TEST).values()
    np.testing.assert_allclose(score, oracle(given, TRAIN, TEST), rtol=0, atol=1e-5)
    if not pca:  # few components keep little of white noise
        assert score[20:].mean() > score[:20].mean() + 0.02
    assert_exports(method, variables, TEST)


@pytest.mark.parametrize(("count", "subsample"), [(40, 256), (2, 256), (150, 1)])
def test_few_images_or_small_subsamples(count, subsample):
    given = changes(subsample=subsample)
    method = build_method("isolation_forest", given)
    (score,) = scored(method, fitted(method, TRAIN[:count]), TEST).values()
    if subsample > 1:  # scikit-learn makes 0.5 of nothing to divide by
        expected = oracle(given, TRAIN[:count], TEST)
        np.testing.assert_allclose(score, expected, rtol=0, atol=1e-5)
    else:
        np.testing.assert_array_equal(score, 1)


def test_mean_path_is_that_of_random_search_trees():
    """Against the recursion of the summed depths of n leaves: each first split is as likely."""
    total = [0.0, 0.0]
    for n in range(2, 60):
        total.append(n + 2 * sum(total[1:n]) / (n - 1))
    assert [mean_path(n) for n in (0, 1, 2)] == [0, 0, 1]
    # Harmonic numbers are approximated by logarithms, as in the paper.
    assert mean_path(59) == pytest.approx(total[59] / 59, rel=3e-3)


def test_a_pixel_just_above_a_threshold_goes_right():
    """Thresholds of scikit-learn lie between two float32 numbers."""
    low, high = np.float32(0.1), np.nextafter(np.float32(0.1), np.float32(1))

    class Tree:
        node_count = 3
        children_left, children_right = np.array([1, -1, -1]), np.array([2, -1, -1])
        feature, n_node_samples = np.array([0, -2, -2]), np.array([2, 1, 1])
        threshold = np.array([(float(low) + 3 * float(high)) / 4, -2, -2])  # rounds to `high`

    assert np.float32(Tree.threshold[0]) == high
    threshold = flat_tree(Tree, 7)["threshold"][0]
    assert low <= threshold
    assert high > threshold
