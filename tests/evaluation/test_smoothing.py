"""Image scores are of the highest pixels of smoothed maps."""

import dataclasses

import numpy as np
import pytest

from adjax.evaluation.smoothing import SCORES, with_map_scores
from adjax.methods.stage import Scores
from adjax.ops import gaussian_filter


@pytest.fixture
def maps():
    """Two maps, of more columns than rows."""
    return np.random.default_rng(0).random((2, 20, 31), np.float32)


def score_of(maps):
    def score(variables, image, key):
        return Scores({"l2": maps.mean((1, 2))}, maps, {"own": image})

    return score


def test_scores_are_of_the_highest_pixels(maps):
    image = np.zeros((2, 20, 31, 1), np.float32)
    scores = with_map_scores(score_of(maps), 0.1, 0.05)({}, image, None)
    smoothed = np.asarray(gaussian_filter(maps, 2.0))
    np.testing.assert_allclose(scores.anomaly_map, smoothed, rtol=1e-6)
    assert set(scores.image_score) == {"l2", *SCORES}
    pixels = np.sort(smoothed.reshape(2, -1))
    np.testing.assert_allclose(scores.image_score["smoothed_max"], pixels[:, -1], rtol=1e-6)
    np.testing.assert_allclose(scores.image_score["top"], pixels[:, -31:].mean(1), rtol=1e-6)
    np.testing.assert_array_equal(scores.image_score["l2"], maps.mean((1, 2)))
    assert scores.reconstruction["own"] is image


def test_the_smallest_part_is_a_pixel(maps):
    image = np.zeros((2, 20, 31, 1), np.float32)
    scores = with_map_scores(score_of(maps), 0.0, 0.0)({}, image, None).image_score
    np.testing.assert_array_equal(scores["top"], scores["smoothed_max"])


def test_scores_remain_a_dataclass_of_one_class(maps):
    scores = with_map_scores(score_of(maps), 0.1, 0.1)({}, maps[..., None], None)
    assert dataclasses.is_dataclass(scores)
    assert type(scores) is Scores
