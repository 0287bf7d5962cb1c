"""OC-SVMs in JAX against scikit-learn's pipeline in float64."""

import numpy as np
import pytest
from fit_helpers import MEMBER, assert_exports, fitted, scored, smooth_images, stream
from method_helpers import build_method, sections_of
from sklearn.decomposition import PCA
from sklearn.svm import OneClassSVM

from adjax.errors import UserError
from adjax.methods import lookup
from adjax.methods.components import features, learn_features
from adjax.methods.ocsvm.method import fit_machines
from adjax.settings import read

TRAIN = smooth_images(150)
TEST = np.concatenate([smooth_images(20, 1), 3 * smooth_images(20, 2) - 1])


ORACLE = {
    "ocsvm_oracle.exponents": tuple(range(-10, 0)),
    "ocsvm_oracle.components": 30,
    "ocsvm_oracle.support_vectors": 200,
}


def machine(**values):
    """The method of one machine; room for more than the images need."""
    values = {"components": 30, "support_vectors": 60, **values}
    return build_method("ocsvm", {f"ocsvm.{key}": value for key, value in values.items()})


def components_of(train, test):
    """Features of both, in float64."""
    train, test = (x.reshape(len(x), -1).astype(float) for x in (train, test))
    found = PCA(0.95).fit(train)
    assert 3 < found.n_components_ < 30
    return found.transform(train), found.transform(test)


def oracle(points, others, gamma):
    """Minus the decision function of scikit-learn."""
    machine = OneClassSVM(kernel="rbf", nu=0.1, gamma=gamma).fit(points)
    return -machine.decision_function(others)


def test_score_is_scikit_learns():
    method = machine()
    variables = fitted(method, TRAIN)
    (score,) = scored(method, variables, TEST).values()
    np.testing.assert_allclose(score, oracle(*components_of(TRAIN, TEST), "scale"), atol=1e-4)
    assert score[20:].mean() > score[:20].mean() + 0.5
    assert_exports(method, variables, TEST)


def test_contrast_is_normalised_by_the_extremes_of_training_images():
    method = machine(contrast=True)
    (score,) = scored(method, fitted(method, TRAIN), TEST).values()
    train, test = (x - x.mean((1, 2, 3), keepdims=True) for x in (TRAIN, TEST))
    train, test = (x / abs(x).mean((1, 2, 3), keepdims=True) for x in (train, test))
    low, high = train.min(), train.max()
    train, test = (train - low) / (high - low), (test - low) / (high - low)
    expected = oracle(*components_of(train, test), "scale")
    np.testing.assert_allclose(score, expected, rtol=0, atol=1e-4)


def test_pixels_are_features_if_so_asked():
    method = machine(pca=False)
    (score,) = scored(method, fitted(method, TRAIN), TEST).values()
    expected = oracle(*(x.reshape(len(x), -1) for x in (TRAIN, TEST)), "scale")
    np.testing.assert_allclose(score, expected, rtol=0, atol=1e-4)


def test_oracle_has_a_machine_for_each_published_gamma():
    method = build_method("ocsvm_oracle", ORACLE)
    assert method.oracle
    variables = fitted(method, TRAIN)
    score = scored(method, variables, TEST)
    assert method.image_scores == tuple(f"gamma_2^{exponent}" for exponent in range(-10, 0))
    own = sections_of("ocsvm_oracle", ORACLE).ocsvm_oracle
    # The solver stops at a tolerance of 1e-3: rounding of its points may move what it finds.
    params, train = learn_features("", own, stream(TRAIN), 3)
    points = train, np.asarray(features(params, TEST))[:, : train.shape[1]]
    for name, gamma in zip(method.image_scores, np.logspace(-10, -1, 10, base=2), strict=True):
        expected = oracle(*points, gamma)
        np.testing.assert_allclose(score[name], expected, rtol=0, atol=1e-4, err_msg=name)
    assert_exports(method, variables, TEST)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (
            "components",
            r"config.ocsvm.components=2: the images of data.normal_class=7 need \d+; set",
        ),
        (
            "support_vectors",
            r"config.ocsvm.support_vectors=2: the images of data.normal_class=7 need \d\d",
        ),
    ],
)
def test_images_that_need_more_than_there_is_room_for(key, says):
    (stage,) = machine(**{key: 2}).stages
    with pytest.raises(UserError, match=says):
        stage.compute(stream(TRAIN), {}, MEMBER)


def test_images_that_are_all_the_same_are_refused():
    (stage,) = machine().stages
    with pytest.raises(UserError, match="no two training images that differ"):
        stage.compute(stream(TRAIN[[5, 5, 5]]), {}, MEMBER)


@pytest.mark.parametrize(("key", "value"), [("nu", 0.0), ("variance", 0.0), ("variance", 1.0)])
def test_parts_are_more_than_nothing(key, value):
    with pytest.raises(UserError, match=f"config.ocsvm.{key}={value}: must be above 0"):
        read(lookup("ocsvm").sections["ocsvm"], {key: value}, "ocsvm")


@pytest.mark.parametrize("exponents", [(), (-61,), (1.5,), (-3, -3)])
def test_exponents_that_no_machine_could_have(exponents):
    with pytest.raises(UserError, match=r"config.ocsvm_oracle.exponents=.*: give .*exponent"):
        read(
            lookup("ocsvm_oracle").sections["ocsvm_oracle"],
            {"exponents": exponents},
            "ocsvm_oracle",
        )


def test_published_scripts_normalise_contrast_in_colour_only():
    for name in ("ocsvm", "ocsvm_oracle"):
        info = lookup(name)
        assert not info.sections[name].contrast
        assert info.changes("cifar10", "classes")[f"{name}.contrast"]
        assert f"{name}.contrast" not in info.changes("mnist", "classes")
    assert lookup("ocsvm_oracle").image_score == "oracle"


def test_machine_that_there_is_none_of_is_told():
    with pytest.raises(UserError, match="nu=1 has no machine for 20 images"):
        fit_machines(np.random.default_rng(0).random((20, 3), np.float32), 1.0, [None])
