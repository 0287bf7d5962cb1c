"""The variational autoencoder: its bound by SciPy, closed forms and Monte Carlo; loss and score."""

import jax
import numpy as np
import pytest
from method_helpers import build_method, sections_of
from model_helpers import random_variables
from scipy.special import logsumexp
from scipy.stats import norm

from adjax.methods.vae.method import (
    importance_weighted,
    kl_divergence,
    log_density,
    log_likelihood,
)
from adjax.models.vae import conv_vae, ssim_vae

KEY = jax.random.key(5)
SIGMA, BETA, DRAWS = 0.4, 2.0, 3
MODEL = conv_vae(4, (4, 8, 8))
MEMBER = {"vae.learning_rate": np.float32(1e-3), "vae.weight_decay": np.float32(0)}


@pytest.fixture(scope="module")
def method():
    return build_method("vae", {"vae.sigma": SIGMA, "vae.beta": BETA, "vae.draws": DRAWS})


@pytest.fixture(scope="module")
def image(batch):
    return batch["image"]


@pytest.fixture(scope="module")
def own():
    return random_variables(MODEL, (8, 8, 1))


@pytest.fixture(scope="module")
def moments(own, image):
    """Mean and log-variance of the codes, float64."""
    _, out = jax.jit(MODEL.apply)(own, image)
    return tuple(np.asarray(out[name], np.float64) for name in ("mean", "log_variance"))


@pytest.fixture(scope="module")
def decode(own):
    jitted = jax.jit(lambda code: MODEL.apply(own, code, (8, 8, 1), method="decode"))
    return lambda code: np.asarray(jitted(code.astype(np.float32)), np.float64)


def gaussians(*shape):
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape, np.float32), rng.standard_normal(shape, np.float32)


def test_densities_are_scipys():
    mean, log_variance = gaussians(5, 3)
    code = np.random.default_rng(1).standard_normal((5, 3), np.float32)
    desired = norm.logpdf(code, mean, np.exp(log_variance / 2)).sum(-1)
    np.testing.assert_allclose(log_density(code, mean, log_variance), desired, rtol=1e-5)
    np.testing.assert_allclose(log_density(code), norm.logpdf(code).sum(-1), rtol=1e-5)
    image, reconstruction = np.random.default_rng(2).random((2, 5, 4, 3, 2), np.float32)
    desired = norm.logpdf(image, reconstruction, SIGMA).sum((1, 2, 3))
    np.testing.assert_allclose(log_likelihood(image, reconstruction, SIGMA), desired, rtol=1e-5)


def test_divergence_is_the_expected_difference_of_log_densities():
    mean, log_variance = gaussians(4, 2)
    rng = np.random.default_rng(3)
    scale = np.exp(log_variance / 2)
    code = mean + scale * rng.standard_normal((200_000, 4, 2))
    difference = norm.logpdf(code, mean, scale) - norm.logpdf(code)
    found = kl_divergence(mean, log_variance)
    np.testing.assert_allclose(found, difference.sum(-1).mean(0), rtol=0.02)
    zeros = np.zeros((1, 2), np.float32)
    assert kl_divergence(zeros, zeros) == 0


def test_importance_weighted_bound_of_a_linear_model():
    """x = z + noise has a normal p(x). One draw gives the plain bound, many come near log p(x)."""
    rng, x, mean, log_variance = np.random.default_rng(4), 0.8, 0.3, -1.0
    z = mean + np.exp(log_variance / 2) * rng.standard_normal((20_000, 16))
    weights = norm.logpdf(x, z, SIGMA) + norm.logpdf(z)
    weights -= norm.logpdf(z, mean, np.exp(log_variance / 2))
    one, many = (
        float(np.mean(importance_weighted(weights[:, :k].T.astype(np.float32)))) for k in (1, 16)
    )
    variance = np.exp(log_variance)
    divergence = (mean**2 + variance - 1 - log_variance) / 2
    misfit = ((x - mean) ** 2 + variance) / (2 * SIGMA**2) + np.log(SIGMA * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(one, -misfit - divergence, rtol=0.02)
    exact = norm.logpdf(x, 0, np.sqrt(1 + SIGMA**2))
    assert one < many < exact
    assert exact - many < 0.1 * (exact - one)


def test_validation_loss_is_the_bound_at_the_mean_code(method, own, image, moments, decode):
    mean, log_variance = moments
    misfit = ((image - decode(mean)) ** 2).sum((1, 2, 3)) / (2 * SIGMA**2)
    divergence = (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(-1) / 2
    (stage,) = method.stages
    loss = jax.jit(stage.validate)(own, {}, image)
    np.testing.assert_allclose(loss, misfit + BETA * divergence, rtol=1e-4)


def test_training_loss_is_of_a_draw_that_devices_do_not_share(
    method, own, image, on_two_devices, first_state
):
    (stage,) = method.stages
    state, batch = first_state(stage, own), {"image": image}
    _, metrics = on_two_devices(stage.update)(state, {}, batch, KEY, MEMBER)
    noise = jax.random.normal(KEY, (len(image), 4))  # one for every image of the batch

    @jax.jit
    def whole(image):
        return MODEL.apply(own, image, noise, train=True, mutable=["batch_stats"])[0]

    reconstruction, out = whole(image)
    mean, log_variance = (np.asarray(out[name], np.float64) for name in ("mean", "log_variance"))
    squares = (image - np.asarray(reconstruction)) ** 2
    divergence = ((mean**2 + np.exp(log_variance) - 1 - log_variance).sum(-1) / 2).mean()
    desired = squares.sum((1, 2, 3)).mean() / (2 * SIGMA**2) + BETA * divergence
    np.testing.assert_allclose(metrics["loss"], desired, rtol=1e-4)
    np.testing.assert_allclose(metrics["kl"], divergence, rtol=1e-4)
    np.testing.assert_allclose(metrics["error"], squares.mean(), rtol=1e-4)


@pytest.fixture(scope="module")
def score(method, own):
    jitted = jax.jit(method.score)
    return lambda image, key=KEY: jitted({"vae": own}, image, key)


def test_scores_are_over_draws_of_the_code(method, score, image, moments, decode):
    mean, log_variance = moments
    scale = np.exp(log_variance / 2)
    noise = np.asarray(jax.random.normal(KEY, (DRAWS, 4)), np.float64)
    codes = mean + scale * noise[:, None]
    reconstructions = np.stack([decode(code) for code in codes])
    scores = score(image)
    squares = (image - reconstructions) ** 2
    np.testing.assert_allclose(scores.anomaly_map, squares.mean((0, -1)), rtol=1e-4)
    assert set(scores.image_score) == set(method.image_scores)
    error = squares.mean((0, 2, 3, 4))
    np.testing.assert_allclose(scores.image_score["error"], error, rtol=1e-4)
    weights = norm.logpdf(image, reconstructions, SIGMA).sum((2, 3, 4))
    weights += (norm.logpdf(codes) - norm.logpdf(codes, mean, scale)).sum(-1)
    desired = np.log(DRAWS) - logsumexp(weights, 0)
    np.testing.assert_allclose(scores.image_score["negative_log_likelihood"], desired, rtol=1e-4)
    np.testing.assert_allclose(scores.reconstruction["VAE"], decode(mean), rtol=0, atol=1e-6)


def test_an_image_scores_alike_beside_others(score, image):
    moved = score(np.concatenate([image[2:], image[:2]]))
    together = score(image)
    np.testing.assert_allclose(moved.anomaly_map[0], together.anomaly_map[2], rtol=1e-4)
    other = score(image, jax.random.key(6))
    assert np.abs(other.anomaly_map - together.anomaly_map).max() > 1e-4


def test_networks():
    """Large images go through the layers of SSIM-AE, trained in bfloat16 if so asked."""
    method = build_method("vae", {"vae.network": "ssim"}, "bfloat16")
    image = jax.ShapeDtypeStruct((1, 128, 128, 1), np.float32)
    state = jax.eval_shape(method.stages[0].init, KEY, image)
    model = ssim_vae(sections_of("vae").vae.code_size)
    desired = jax.eval_shape(model.init, KEY, image)
    assert {"params": state.params, **state.model_state} == desired
    scores = jax.eval_shape(method.score, {"vae": state.variables}, image, KEY)
    assert scores.anomaly_map.shape == (1, 128, 128)
    assert {x.dtype for x in jax.tree.leaves(scores)} == {np.dtype("float32")}
