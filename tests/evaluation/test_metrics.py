"""AUROC against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from adjax.evaluation.metrics import auroc


@st.composite
def scored_rows(draw):
    """Scores and labels `[P, N]`, both kinds in every row; few distinct values make ties."""
    p, n = draw(st.integers(1, 3)), draw(st.integers(2, 30))
    value = draw(
        st.sampled_from(
            [
                st.integers(-2, 2).map(float),
                st.floats(-1e6, 1e6, width=32),
                st.floats(0, 1, width=32),
            ]
        )
    )
    row = st.lists(value, min_size=n, max_size=n)
    label = st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda x: len(set(x)) == 2)
    score = draw(st.lists(row, min_size=p, max_size=p))
    anomalous = draw(st.lists(label, min_size=p, max_size=p))
    return np.array(score, draw(st.sampled_from([np.float32, np.float64]))), np.array(anomalous)


@settings(deadline=None, derandomize=True)
@given(scored_rows())
def test_equals_scikit_learn(rows):
    score, anomalous = rows
    actual = auroc(score, anomalous)
    assert actual.dtype == np.float64
    desired = [roc_auc_score(a, s) for a, s in zip(anomalous, score, strict=True)]
    np.testing.assert_allclose(actual, desired, rtol=0, atol=1e-9)


def test_equals_scikit_learn_for_a_whole_test_split():
    rng = np.random.default_rng(0)
    anomalous = rng.random((2, 10_000)) < 0.9
    score = (rng.normal(size=anomalous.shape) + anomalous).astype(np.float32)
    score[1] = score[1].round(1)  # many ties
    desired = [roc_auc_score(a, s) for a, s in zip(anomalous, score, strict=True)]
    np.testing.assert_allclose(auroc(score, anomalous), desired, rtol=0, atol=1e-9)


def test_known_values():
    anomalous = np.array([[False, False, True, True]] * 4)
    score = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [5, 5, 5, 5], [0, 2, 1, 3]], np.float32)
    np.testing.assert_array_equal(auroc(score, anomalous), [1, 0, 0.5, 0.75])


def test_neighbouring_floats_are_not_ties():
    above = np.nextafter(np.float32(1), np.float32(2))
    score = np.array([[1, above], [1, 1]], np.float32)
    anomalous = np.array([[False, True]] * 2)
    np.testing.assert_array_equal(auroc(score, anomalous), [1, 0.5])


def test_inputs_are_left_as_they_are():
    score, anomalous = np.array([[2.0, 1.0, 3.0]]), np.array([[True, False, False]])
    auroc(score, anomalous)
    np.testing.assert_array_equal(score, [[2.0, 1.0, 3.0]])
    np.testing.assert_array_equal(anomalous, [[True, False, False]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_raise(value):
    score = np.array([[0.0, 1.0], [value, 1.0]])
    with pytest.raises(ValueError, match="finite"):
        auroc(score, np.array([[False, True]] * 2))


@pytest.mark.parametrize("kind", [False, True])
def test_a_row_of_one_kind_raises(kind):
    with pytest.raises(ValueError, match="normal and anomalous"):
        auroc(np.array([[0.0, 1.0]] * 2), np.array([[False, True], [kind, kind]]))
