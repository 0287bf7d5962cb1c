"""An image score chosen on a tenth of the test images, by hand and by scikit-learn's AUROC."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from adjax.evaluation.oracle import can_choose, choose


@pytest.fixture(scope="module")
def test_set():
    """Three members, 205 images of which a tenth are normal, scores that get better."""
    rng = np.random.default_rng(0)
    anomalous = rng.random((3, 205)) > 0.1
    noise = rng.standard_normal((4, 3, 205))
    return {str(k): k * anomalous + noise[k] for k in range(4)}, anomalous


def test_a_tenth_chooses_and_the_others_judge(test_set):
    scores, anomalous = test_set
    choice = choose(scores, anomalous, np.ones_like(anomalous), (0, 1, 0))
    for p, name in enumerate(choice.names):
        rows = choice.chose[p]
        assert rows.sum() == 20
        found = {k: roc_auc_score(anomalous[p][rows], v[p][rows]) for k, v in scores.items()}
        assert name == max(found, key=found.get)
        np.testing.assert_array_equal(choice.pick(scores)[p], scores[name][p])


def test_images_that_choose_follow_from_the_seed(test_set):
    scores, anomalous = test_set
    everyone = np.ones_like(anomalous)
    first = choose(scores, anomalous, everyone, (0, 1, 2))
    again = choose({"0": -scores["0"]}, anomalous, everyone, (0, 1, 2))
    np.testing.assert_array_equal(first.chose, again.chose)
    assert (first.chose[0] != first.chose[1]).any()


def test_images_of_others_do_not_choose(test_set):
    scores, anomalous = test_set
    counted = np.random.default_rng(1).random(anomalous.shape) > 0.5
    choice = choose(scores, anomalous, counted, (0, 1, 2))
    assert not (choice.chose & ~counted).any()
    np.testing.assert_array_equal(choice.chose.sum(1), counted.sum(1) // 10)


def test_of_equal_scores_the_first_is_chosen(test_set):
    scores, anomalous = test_set
    same = {"b": scores["1"], "a": scores["1"]}
    everyone = np.ones_like(anomalous)
    assert choose(same, anomalous, everyone, (0, 0, 0)).names == ["b"] * 3


def test_there_are_both_kinds_in_either_part():
    anomalous = np.ones((20, 40), bool)
    anomalous[:, :2] = False
    everyone = np.ones_like(anomalous)
    chose = choose({"score": np.zeros((20, 40))}, anomalous, everyone, range(20)).chose
    for part in (chose, ~chose):
        for kinds in (anomalous, ~anomalous):
            assert (kinds & part).any(1).all()


def test_too_few_images_cannot_choose():
    kinds = np.arange(40) < 2
    assert can_choose(kinds)
    assert can_choose(~kinds)
    assert not can_choose(np.arange(40) < 1)
    assert not can_choose(np.arange(19) < 10)
