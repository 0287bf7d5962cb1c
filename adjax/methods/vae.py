"""Variational autoencoder: Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014.

Trained on normal images by the negative of its bound of log p(x),

    sum over pixels of (x - xhat(z))^2 / (2 sigma^2)  +  beta KL(q(z|x) || p(z)),   z from q(z|x),

with p(z) standard normal, q(z|x) and p(x|z) Gaussians, that of p of a fixed sigma, and up to the
constant that its normalisation is. Two scores of K draws of z:

    error                    the mean squared error, averaged over draws
    negative_log_likelihood  -log of the mean over draws of p(x|z) p(z) / q(z|x)

The second is a bound of -log p(x) from above (in expectation; Burda et al., "Importance Weighted
Autoencoders", 2016). The reconstruction probability of An and Cho, "Variational Autoencoder based
Anomaly Detection using Reconstruction Probability", 2015, averages log p(x|z) over draws instead:
with a fixed sigma that is `error` once more, scaled and shifted.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.nn import logsumexp

from adjax import losses
from adjax.methods.stage import (
    DATA_AXIS,
    Method,
    Scores,
    Stage,
    drawn_share,
    dynamic_keys,
    network_stage,
)
from adjax.models import VAE, conv_vae, ssim_vae

STAGE = "vae"
IMAGE_SCORES = ("error", "negative_log_likelihood")
_LOG_2_PI = math.log(2 * math.pi)


def vae(config) -> Method:
    """`method = "vae"`: map the squared error, averaged over draws of the code and channels."""
    settings = config[STAGE]
    model = _network(settings)

    def score(variables, image, key):
        own = variables[STAGE]
        mean, log_variance = model.apply(own, image, method="encode")

        def decode(code):
            return model.apply(own, code, image.shape[1:], method="decode")

        def draw(total, noise):
            code = mean + jnp.exp(log_variance / 2) * noise[None]
            reconstruction = decode(code)
            weight = log_likelihood(image, reconstruction, settings.sigma)
            weight += log_density(code) - log_density(code, mean, log_variance)
            return total + losses.squared_error(image, reconstruction).mean(-1), weight

        noise = jax.random.normal(key, (settings.draws, settings.code_size))
        total, weights = lax.scan(draw, jnp.zeros_like(image[..., 0]), noise)
        anomaly_map = total / settings.draws
        return Scores(
            image_score={
                "error": anomaly_map.mean((1, 2)),
                "negative_log_likelihood": -importance_weighted(weights),
            },
            anomaly_map=anomaly_map,
            reconstruction={"VAE": decode(mean)},
        )

    return Method("vae", (_stage(config, model),), score, IMAGE_SCORES, dynamic_keys(STAGE))


def _network(settings, dtype: str = "float32") -> VAE:
    if settings.network == "conv":
        return conv_vae(settings.code_size, settings.widths, batch_axis=DATA_AXIS, dtype=dtype)
    return ssim_vae(settings.code_size, settings.extra_layers, dtype)


def _stage(config, model: VAE) -> Stage:
    settings = config[STAGE]
    trained = _network(settings, config.precision)

    def loss(image, reconstruction, out):
        """Negative bound, up to a constant, and divergence of each image."""
        misfit = losses.squared_error(image, reconstruction).sum((1, 2, 3))
        divergence = kl_divergence(out["mean"], out["log_variance"])
        return misfit / (2 * settings.sigma**2) + settings.beta * divergence, divergence

    def objective(variables, frozen, batch, key, member):
        image = batch["image"]
        noise = drawn_share(jax.random.normal, key, (len(image), settings.code_size))
        (reconstruction, out), model_state = trained.apply(
            variables, image, noise, train=True, mutable=["batch_stats"]
        )
        value, divergence = loss(image, reconstruction, out)
        error = losses.mean_squared_error(image, reconstruction).mean()
        return value.mean(), ({"kl": divergence.mean(), "error": error}, model_state)

    def validate(variables, frozen, image):
        """With the mean of the code in place of a draw."""
        return loss(image, *model.apply(variables, image))[0]

    return network_stage(config, STAGE, model, objective, validate, ("data", STAGE))


def kl_divergence(mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """KL(q || p) of Gaussians q with these moments from a standard normal p: `[B, D]` -> `[B]`."""
    variance = jnp.exp(log_variance)
    return (jnp.square(mean) + variance - 1 - log_variance).sum(-1) / 2


def log_density(
    code: jax.Array, mean: jax.Array | float = 0.0, log_variance: jax.Array | float = 0.0
) -> jax.Array:
    """Log of a Gaussian's density, standard normal by default: `[B, D]` -> `[B]`."""
    square = jnp.square(code - mean) * jnp.exp(-log_variance)
    return -(square + log_variance + _LOG_2_PI).sum(-1) / 2


def log_likelihood(image: jax.Array, reconstruction: jax.Array, sigma: float) -> jax.Array:
    """Log p(x|z), Gaussian about the reconstruction: `[B, H, W, C]` twice -> `[B]`."""
    square = losses.squared_error(image, reconstruction) / sigma**2
    return -(square + 2 * math.log(sigma) + _LOG_2_PI).sum((1, 2, 3)) / 2


def importance_weighted(weights: jax.Array) -> jax.Array:
    """Bound of log p(x) by the logarithms of K importance weights: `[K, B]` -> `[B]`."""
    return logsumexp(weights, 0) - math.log(len(weights))
