"""Uncertainty by dropout: the variance over passes, in bounded memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from method_helpers import build_method, sections_of
from model_helpers import random_variables

from adjax.errors import UserError
from adjax.methods import lookup
from adjax.methods.aesc.method import variance_over_keys
from adjax.models.aesc import AESc
from adjax.settings import read

KEY = jax.random.key(5)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((4, 8, 8, 3), np.float32)


@pytest.fixture(scope="module")
def variables(image):
    return random_variables(AESc(2, 4, 3), image.shape[1:])


@pytest.fixture(scope="module")
def score(methods, variables):
    jitted = jax.jit(methods["aesc_uncertainty"].score)
    return lambda image: jitted({"autoencoder": variables}, image, KEY)


def test_map_is_the_variance_over_passes(score, variables, image):
    scores = score(image)
    rates = sections_of("aesc_uncertainty").uncertainty.aesc

    @jax.jit
    def run(key):
        model = AESc(2, 4, 3, dropout_rates=rates)
        return model.apply(variables, image, dropout=True, rngs={"dropout": key})[0]

    outputs = np.stack([run(key) for key in jax.random.split(KEY, 6)]).astype(np.float64)
    desired = outputs.var(0).mean(-1)
    assert desired.max() > 1e-3
    np.testing.assert_allclose(scores.anomaly_map, desired, rtol=1e-3, atol=1e-8)
    np.testing.assert_allclose(scores.image_score["l1"], desired.mean((1, 2)), rtol=1e-3)


def test_reconstruction_is_of_the_whole_network(score, variables, image):
    desired, _ = jax.jit(AESc(2, 4, 3).apply)(variables, image)
    np.testing.assert_allclose(score(image).reconstruction["AESc"], desired, rtol=0, atol=1e-6)


def test_the_plain_autoencoder_has_no_skips_and_rates_of_its_own(methods, variables, image):
    method = methods["ae_d6_uncertainty"]
    shapes = jax.eval_shape(method.score, {"autoencoder": variables}, image, KEY)
    assert set(shapes.reconstruction) == {"AE"}
    scores = methods["ae_d6_residual"].score({"autoencoder": variables}, image, KEY)
    desired, _ = AESc(2, 4, 3, skips=False).apply(variables, image)
    np.testing.assert_allclose(scores.reconstruction["AE"], desired, rtol=0, atol=1e-6)


def test_without_dropout_nothing_varies(variables, image):
    method = build_method("aesc_uncertainty", {"uncertainty.aesc": (0.0, 0.0)})
    scores = jax.jit(method.score)({"autoencoder": variables}, image, KEY)
    assert scores.anomaly_map.max() < 1e-12


def test_an_image_is_as_uncertain_beside_others(score, image):
    others = np.stack([image[2], image[0], 1 - image[1], image[3]])
    moved, together = score(others).anomaly_map, score(image).anomaly_map
    np.testing.assert_allclose(moved[0], together[2], rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize("images", [1, 8, 16, 1000])
def test_variance_is_the_same_however_many_passes_run_together(images):
    keys = jax.random.split(KEY, 30)

    def draw(key):
        return 0.5 + 0.01 * jax.random.normal(key, (5, 2))

    desired = np.stack([draw(key) for key in keys]).astype(np.float64).var(0)
    centre = jnp.full((5, 2), 0.5)
    actual = jax.jit(lambda: variance_over_keys(draw, keys, centre, images))()
    np.testing.assert_allclose(actual, desired, rtol=1e-4)


def test_rates_that_do_not_fit_the_network_are_refused():
    with pytest.raises(UserError, match=r"config.uncertainty.aesc=\(0.1,\): give 2 rates"):
        build_method("aesc_uncertainty", {"uncertainty.aesc": (0.1,)})


@pytest.mark.parametrize("rates", [(0.1, 1.0), (0.1, -0.1), ()])
def test_rates_that_are_no_rates_are_refused(rates):
    defaults = lookup("aesc_uncertainty").sections["uncertainty"]
    with pytest.raises(UserError, match=r"config.uncertainty.aesc=.*: give rates from 0 to below"):
        read(defaults, {"aesc": rates}, "uncertainty")
