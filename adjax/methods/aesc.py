"""Collin and De Vleeschouwer 2020: an autoencoder with skip connections that learns to take stains
off normal images, and its twin without skip connections.

Two scores of one trained network. Residual: |x - xhat|. Uncertainty: the variance of xhat over
passes in which activations are dropped (Monte-Carlo dropout); the weights are trained without.
"""

import jax
import jax.numpy as jnp
from jax import lax

from adjax import losses
from adjax.errors import UserError
from adjax.methods.reconstruction import (
    AUTOENCODER,
    autoencoder_method,
    autoencoder_stage,
    map_scores,
    reconstruction_method,
)
from adjax.methods.stage import DATA_AXIS, Method, Stage
from adjax.models import AESc

_LABELS = {"aesc": "AESc", "ae_d6": "AE"}
_IMAGES_AT_ONCE = 16  # passes run together while their images are no more than these


def aesc_residual(config) -> Method:
    """`method = "aesc_residual"`: map |x - xhat|."""
    return _residual("aesc", config)


def aesc_uncertainty(config) -> Method:
    """`method = "aesc_uncertainty"`: map the variance of xhat under dropout."""
    return _uncertainty("aesc", config)


def ae_d6_residual(config) -> Method:
    """`method = "ae_d6_residual"`: as `aesc_residual`, no skip connections."""
    return _residual("ae_d6", config)


def ae_d6_uncertainty(config) -> Method:
    """`method = "ae_d6_uncertainty"`: as `aesc_uncertainty`, no skip connections."""
    return _uncertainty("ae_d6", config)


def _residual(network: str, config) -> Method:
    model, stage = _network(network, config)
    name, label = f"{network}_residual", _LABELS[network]
    return reconstruction_method(name, model, stage, losses.absolute_error, label)


def _uncertainty(network: str, config) -> Method:
    model, stage = _network(network, config)
    passes = config.uncertainty.passes
    rates = tuple(config.uncertainty[network])
    if len(rates) != model.depth or not all(0 <= rate < 1 for rate in rates):
        raise UserError(
            f"config.uncertainty.{network}={rates}: give {model.depth} rates from 0 to below 1, "
            "one a level of config.autoencoder.depth"
        )
    dropped = model.copy(dropout_rates=rates)

    def score(variables, image, key):
        variables = variables[AUTOENCODER]
        reconstruction, _ = model.apply(variables, image)

        def one_pass(key):
            return dropped.apply(variables, image, dropout=True, rngs={"dropout": key})[0]

        keys = jax.random.split(key, passes)
        images = image.shape[0]
        if not isinstance(images, int):  # symbolic, in an export: it may be large
            images = _IMAGES_AT_ONCE
        variance = variance_over_keys(one_pass, keys, reconstruction, images)
        return map_scores(variance.mean(-1), {_LABELS[network]: reconstruction})

    return autoencoder_method(f"{network}_uncertainty", stage, score)


def _network(network: str, config) -> tuple[AESc, Stage]:
    settings = config.autoencoder
    skips = network == "aesc"
    model = AESc(settings.depth, settings.width, settings.kernel, skips, batch_axis=DATA_AXIS)
    return model, autoencoder_stage(config, network, model, losses.mean_squared_error)


def variance_over_keys(draw, keys: jax.Array, centre: jax.Array, images: int) -> jax.Array:
    """Variance of `draw(key)` over keys, in the memory of a few draws.

    Args:
      draw: `key -> array`, of the shape of `centre`.
      keys: one a draw.
      centre: about what is drawn; sums are of differences from it, which keeps their precision.
      images: how many images a draw holds; several draws run together while these are few.

    """
    passes = len(keys)
    most = max(1, _IMAGES_AT_ONCE // images)
    together = max(n for n in range(1, passes + 1) if n <= most and passes % n == 0)

    def add(sums, keys):
        difference = jax.vmap(draw)(keys) - centre[None]
        return (sums[0] + difference.sum(0), sums[1] + jnp.square(difference).sum(0)), None

    zeros = jnp.zeros_like(centre)
    (total, squares), _ = lax.scan(add, (zeros, zeros), keys.reshape(-1, together))
    return jnp.maximum(squares / passes - jnp.square(total / passes), 0)
