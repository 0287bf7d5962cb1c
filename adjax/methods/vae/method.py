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
from adjax.methods.info import Sections
from adjax.methods.precision import Trained, dtype_in
from adjax.methods.stage import (
    DATA_AXIS,
    Method,
    Scores,
    Stage,
    drawn_share,
    dynamic_keys,
    network_stage,
)
from adjax.models.vae import VAE, conv_vae, ssim_vae

STAGE = "vae"
IMAGE_SCORES = ("error", "negative_log_likelihood")
_LOG_2_PI = math.log(2 * math.pi)


def vae(sections: Sections) -> Method:
    """Build the VAE: map the squared error, averaged over draws of the code and channels."""
    own = sections.vae
    model = _network(own)

    def score(variables, image, key):
        trained = variables[STAGE]
        mean, log_variance = model.apply(trained, image, method="encode")

        def decode(code):
            return model.apply(trained, code, image.shape[1:], method="decode")

        def draw(total, noise):
            code = mean + jnp.exp(log_variance / 2) * noise[None]
            reconstruction = decode(code)
            weight = log_likelihood(image, reconstruction, own.sigma)
            weight += log_density(code) - log_density(code, mean, log_variance)
            return total + losses.squared_error(image, reconstruction).mean(-1), weight

        noise = jax.random.normal(key, (own.draws, own.code_size))
        total, weights = lax.scan(draw, jnp.zeros_like(image[..., 0]), noise)
        anomaly_map = total / own.draws
        return Scores(
            image_score={
                "error": anomaly_map.mean((1, 2)),
                "negative_log_likelihood": -importance_weighted(weights),
            },
            anomaly_map=anomaly_map,
            reconstruction={"VAE": decode(mean)},
        )

    return Method("vae", (_stage(sections, model),), score, IMAGE_SCORES, dynamic_keys(STAGE))


def _network(own, dtype: str = "float32") -> VAE:
    if own.network == "conv":
        return conv_vae(own.code_size, own.widths, batch_axis=DATA_AXIS, dtype=dtype)
    return ssim_vae(own.code_size, own.extra_layers, dtype)


def _stage(sections: Sections, model: VAE) -> Stage:
    own = sections.vae
    precision = sections.precision
    trained = Trained(_network(own, dtype_in(precision)), precision)

    def loss(image, reconstruction, out):
        """Return negative bound, up to a constant, and divergence of each image, `[B]` both."""
        misfit = losses.squared_error(image, reconstruction).sum((1, 2, 3))
        divergence = kl_divergence(out["mean"], out["log_variance"])
        return misfit / (2 * own.sigma**2) + own.beta * divergence, divergence

    def objective(variables, frozen, batch, key, member):
        image = batch["image"]
        noise = drawn_share(jax.random.normal, key, (len(image), own.code_size))
        (reconstruction, out), model_state = trained.apply(
            variables, image, noise, train=True, mutable=["batch_stats"]
        )
        value, divergence = loss(image, reconstruction, out)
        error = losses.mean_squared_error(image, reconstruction).mean()
        return value.mean(), ({"kl": divergence.mean(), "error": error}, model_state)

    def validate(variables, frozen, image):
        # The mean of the code stands in place of a draw.
        return loss(image, *model.apply(variables, image))[0]

    return network_stage(STAGE, own, model, objective, validate, ("data", STAGE))


def kl_divergence(mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """Return KL(q || p), `[B]`, of Gaussians q with moments `[B, D]`, p standard normal."""
    variance = jnp.exp(log_variance)
    return (jnp.square(mean) + variance - 1 - log_variance).sum(-1) / 2


def log_density(
    code: jax.Array, mean: jax.Array | float = 0.0, log_variance: jax.Array | float = 0.0
) -> jax.Array:
    """Return the log of a Gaussian's density, `[B]`, at `[B, D]`; standard normal by default."""
    square = jnp.square(code - mean) * jnp.exp(-log_variance)
    return -(square + log_variance + _LOG_2_PI).sum(-1) / 2


def log_likelihood(image: jax.Array, reconstruction: jax.Array, sigma: float) -> jax.Array:
    """Return log p(x|z), Gaussian about the reconstruction, of `[B, H, W, C]` twice: `[B]`."""
    square = losses.squared_error(image, reconstruction) / sigma**2
    return -(square + 2 * math.log(sigma) + _LOG_2_PI).sum((1, 2, 3)) / 2


def importance_weighted(weights: jax.Array) -> jax.Array:
    """Return the bound of log p(x) by the logarithms `[K, B]` of K importance weights: `[B]`."""
    return logsumexp(weights, 0) - math.log(len(weights))
