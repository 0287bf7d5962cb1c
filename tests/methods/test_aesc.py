"""Uncertainty by dropout: the variance over passes, in bounded memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_helpers import random_variables

from adjax.errors import UserError
from adjax.methods import create_method
from adjax.methods.aesc import variance_over_keys
from adjax.models import AESc

KEY = jax.random.key(5)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((4, 8, 8, 3), np.float32)


@pytest.fixture(scope="module")
def variables(image):
    return random_variables(AESc(2, 4, 3), image.shape[1:])


@pytest.mark.parametrize("network", ["aesc", "ae_d6"])
def test_map_is_the_variance_over_passes(methods, config_of, variables, image, network):
    method = methods[f"{network}_uncertainty"]
    scores = jax.jit(method.score)({"autoencoder": variables}, image, KEY)
    rates = config_of("aesc_uncertainty").uncertainty[network]
    model = AESc(2, 4, 3, skips=network == "aesc", dropout_rates=rates)

    @jax.jit
    def one_pass(key):
        return model.apply(variables, image, dropout=True, rngs={"dropout": key})[0]

    outputs = np.stack([one_pass(key) for key in jax.random.split(KEY, 6)]).astype(np.float64)
    desired = outputs.var(0).mean(-1)
    assert desired.max() > 1e-3
    np.testing.assert_allclose(scores.anomaly_map, desired, rtol=1e-3, atol=1e-8)
    np.testing.assert_allclose(scores.image_score["l1"], desired.mean((1, 2)), rtol=1e-3)
    (label,) = scores.reconstruction
    np.testing.assert_allclose(
        scores.reconstruction[label], model.apply(variables, image)[0], rtol=0, atol=1e-6
    )
    assert label == {"aesc": "AESc", "ae_d6": "AE"}[network]


def test_without_dropout_nothing_varies(config_of, variables, image):
    config = config_of("aesc_uncertainty")
    config.uncertainty.aesc = (0.0, 0.0)
    scores = jax.jit(create_method(config).score)({"autoencoder": variables}, image, KEY)
    assert scores.anomaly_map.max() < 1e-12


def test_an_image_is_as_uncertain_alone_as_in_a_batch(methods, variables, image):
    score = jax.jit(methods["aesc_uncertainty"].score)
    together = score({"autoencoder": variables}, image, KEY).anomaly_map
    alone = score({"autoencoder": variables}, image[2:3], KEY).anomaly_map
    np.testing.assert_allclose(alone[0], together[2], rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize("images", [1, 8, 16, 1000])
def test_variance_is_the_same_however_many_passes_run_together(images):
    keys = jax.random.split(KEY, 30)

    def draw(key):
        return 100 + 1e-3 * jax.random.normal(key, (5, 2))

    desired = np.stack([draw(key) for key in keys]).astype(np.float64).var(0)
    centre = jnp.full((5, 2), 100.0)
    actual = jax.jit(lambda: variance_over_keys(draw, keys, centre, images))()
    np.testing.assert_allclose(actual, desired, rtol=1e-4)


@pytest.mark.parametrize("rates", [(0.1,), (0.1, 1.0), (0.1, -0.1)])
def test_rates_that_do_not_fit_are_refused(config_of, rates):
    config = config_of("aesc_uncertainty")
    config.uncertainty.aesc = rates
    with pytest.raises(UserError, match=r"config.uncertainty.aesc=.*: give 2 rates"):
        create_method(config)
