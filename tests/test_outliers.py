"""The estimator keeps scikit-learn's convention, by scikit-learn's own checks and by ours."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from adjax import AnomalyDetector
from adjax.errors import UserError

TINY = {"data.size": 32}


def grey(count, seed=0, bright=False):
    images = np.random.default_rng(seed).integers(90, 130, (count, 24, 24), np.uint8)
    images[:, 6:16, 6:16] += 90 * bright
    return images


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("outliers")
    return AnomalyDetector("folder.py:ocsvm,smoke", workdir, TINY).fit(grey(20))


# scikit-learn's checks of what needs no data. All others give it a table of features, which it says
# that it does not take: `check_estimator` leaves them out by its tags.
CHECKS = (
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
)


@pytest.mark.parametrize("name", CHECKS)
def test_checks_of_scikit_learn(name):
    getattr(estimator_checks, name)("AnomalyDetector", AnomalyDetector())


@pytest.mark.filterwarnings("ignore:Can't test estimator")
def test_estimator_says_what_it_takes():
    done = estimator_checks.check_estimator(AnomalyDetector(), on_fail=None)
    assert {check["status"] for check in done} == {"passed"}
    assert {check["check_name"] for check in done} <= {*CHECKS}


def test_convention_of_outlier_detection(fitted):
    images = np.concatenate([grey(5, seed=1), grey(5, seed=2, bright=True)])
    scores, decision = fitted.score_samples(images), fitted.decision_function(images)
    assert (scores.shape, scores.dtype) == ((10,), np.float64)
    np.testing.assert_array_equal(decision, scores - fitted.offset_)
    found = fitted.predict(images)
    np.testing.assert_array_equal(found, np.where(decision < 0, -1, 1))
    np.testing.assert_array_equal(found == -1, fitted.run_.score(images)["is_anomalous"])
    assert (found[5:] == -1).all()
    assert scores[:5].mean() > scores[5:].mean()


def test_score_at_the_threshold_is_anomalous(fitted):
    threshold = np.float32(fitted.run_.detector().image_threshold)
    assert -np.float64(threshold) - fitted.offset_ < 0
    assert -np.float64(np.nextafter(threshold, np.float32(-1))) - fitted.offset_ >= 0


def test_fit_predict_clone_pickle_and_pipeline(fitted, tmp_path):
    fresh = clone(fitted)
    with pytest.raises(NotFittedError):
        fresh.predict(grey(1))
    again = fresh.fit(grey(20))  # the run in its workdir is finished
    assert again.run_.members == fitted.run_.members
    images = grey(4, seed=3)
    kept = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(kept.decision_function(images), fitted.decision_function(images))
    assert make_pipeline(fitted).predict(images).shape == (4,)


def test_other_images_are_refused(fitted):
    for images in (grey(20, seed=9), grey(19), grey(21)):
        with pytest.raises(UserError, match="images holds other images: choose another workdir"):
            clone(fitted).fit(images)
