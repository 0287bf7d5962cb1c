"""Collin and De Vleeschouwer 2020: an autoencoder with skip connections that learns to take stains
off normal images, and its twin without skip connections.

Two scores of one trained network. Residual: |x - xhat|. Uncertainty: the variance of xhat over
passes in which activations are dropped (Monte-Carlo dropout); the weights are trained without.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from adjax import losses
from adjax.errors import UserError
from adjax.methods.info import Sections
from adjax.methods.reconstruction import (
    AUTOENCODER,
    autoencoder_method,
    autoencoder_stage,
    map_scores,
    reconstruction_method,
)
from adjax.methods.stage import DATA_AXIS, Method, Stage
from adjax.models.aesc import AESc

_LABELS = {"aesc": "AESc", "ae_d6": "AE"}
_IMAGES_AT_ONCE = 16  # passes run together while their images are no more than these


def aesc_residual(sections: Sections) -> Method:
    """Build AESc with the map |x - xhat|."""
    return _residual("aesc", sections)


def aesc_uncertainty(sections: Sections) -> Method:
    """Build AESc with the map of the variance of xhat under dropout.

    Raises:
      UserError: if there is not one rate a level of the encoder; so do all that take dropout.

    """
    return _uncertainty("aesc", sections)


def ae_d6_residual(sections: Sections) -> Method:
    """Build `aesc_residual` without skip connections."""
    return _residual("ae_d6", sections)


def ae_d6_uncertainty(sections: Sections) -> Method:
    """Build `aesc_uncertainty` without skip connections."""
    return _uncertainty("ae_d6", sections)


def _residual(network: str, sections: Sections) -> Method:
    model, stage = _network(network, sections)
    name, label = f"{network}_residual", _LABELS[network]
    return reconstruction_method(name, model, stage, losses.absolute_error, label)


def _uncertainty(network: str, sections: Sections) -> Method:
    model, stage = _network(network, sections)
    passes = sections.uncertainty.passes
    rates = getattr(sections.uncertainty, network)
    if len(rates) != model.depth:
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


def _network(network: str, sections: Sections) -> tuple[AESc, Stage]:
    own = sections.autoencoder
    skips = network == "aesc"
    model = AESc(own.depth, own.width, own.kernel, skips, batch_axis=DATA_AXIS)
    return model, autoencoder_stage(sections, network, model, losses.mean_squared_error)


def variance_over_keys(
    draw: Callable, keys: jax.Array, centre: jax.Array, images: int
) -> jax.Array:
    """Return the variance of `draw(key)` over keys, in the memory of a few draws.

    Args:
      draw: `key -> array`, of the shape of `centre`.
      keys: one a draw.
      centre: near every draw; what is summed is the difference from it, which keeps precision.
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
