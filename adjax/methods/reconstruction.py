"""Autoencoders of industrial images: one network, scored by what it cannot reproduce.

What the systems of Collin and De Vleeschouwer (`aesc`), Minhas and Zelek (`unet`) and Bergmann et
al. (here) share is their single stage, which learns to give the clean image, of a corrupted one if
so asked, and image scores that are norms of the anomaly map.

The SSIM autoencoder of Bergmann et al. 2019 is trained and scored by 1 - SSIM, its twin AE (L2) by
the squared error, as in the MVTec AD paper's table.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from adjax import losses
from adjax.errors import UserError
from adjax.methods.stage import Method, Scores, Stage, dynamic_keys, network_stage
from adjax.models import SSIMAutoencoder

AUTOENCODER = "autoencoder"
NORMS = ("l2", "l1", "linf")

Error = Callable[[jax.Array, jax.Array], jax.Array]  # of [B, H, W, C] twice


def ssim_ae(config) -> Method:
    """`method = "ssim_ae"`: loss and map 1 - SSIM."""
    model = _bergmann(config)
    window = {"window": config.distance.window, "sigma": config.distance.sigma}

    def loss(image, reconstruction):
        return losses.image_mean(1 - losses.ssim(image, reconstruction, **window))

    def error(image, reconstruction):
        return 1 - losses.ssim(image, reconstruction, padding="same", **window)

    sections = ("distance.window", "distance.sigma")
    stage = autoencoder_stage(config, "ssim_ae", model, loss, sections)
    return reconstruction_method("ssim_ae", model, stage, error, "SSIM-AE")


def ae_l2(config) -> Method:
    """`method = "ae_l2"`: loss and map the squared error."""
    model = _bergmann(config)
    stage = autoencoder_stage(config, "ae_l2", model, losses.mean_squared_error)
    return reconstruction_method("ae_l2", model, stage, losses.squared_error, "AE (L2)")


def _bergmann(config) -> SSIMAutoencoder:
    return SSIMAutoencoder(config.autoencoder.code_size, config.autoencoder.extra_layers)


def autoencoder_stage(
    config, network: str, model, loss: Error, sections: tuple[str, ...] = ()
) -> Stage:
    """The training of an autoencoder on `config.autoencoder`.

    Args:
      config: of the run.
      network: names network and loss; stages of two networks are two.
      model: its `train` computes batch statistics, if it has any.
      loss: `(clean image, reconstruction) -> [B]`.
      sections: what else of the config the result depends on.

    """
    trained = model.copy(dtype=config.precision)
    corruption = corruption_of(config)
    source = "image" if corruption is None else "corrupted"
    if corruption is not None:
        sections += (f"corruption.{corruption[0]}",)

    def objective(variables, frozen, batch, key, member):
        (reconstruction, _), model_state = trained.apply(
            variables, batch[source], train=True, mutable=["batch_stats"]
        )
        return loss(batch["image"], reconstruction).mean(), ({}, model_state)

    def validate(variables, frozen, image):
        return loss(image, model.apply(variables, image)[0])

    sections = ("data", AUTOENCODER, f"network={network}", *sections)
    return network_stage(
        config, AUTOENCODER, model, objective, validate, sections, corruption=corruption
    )


def corruption_of(config) -> tuple[str, dict[str, Any]] | None:
    """Name and parameters of the corruption that `config.autoencoder.corruption` names.

    Raises:
      UserError: if it is not "none" and `config.corruption` has no such section.

    """
    name = config[AUTOENCODER].corruption
    if name == "none":
        return None
    if name not in config.corruption:
        known = ", ".join(["none", *sorted(config.corruption)])
        raise UserError(f"config.autoencoder.corruption={name!r}: choose one of {known}")
    return name, config.corruption[name].to_dict()


def reconstruction_method(name: str, model, stage: Stage, error: Error, label: str) -> Method:
    """A method whose map is `error(image, reconstruction)`, averaged over channels."""

    def score(variables, image, key):
        reconstruction, _ = model.apply(variables[AUTOENCODER], image)
        return map_scores(error(image, reconstruction).mean(-1), {label: reconstruction})

    return autoencoder_method(name, stage, score)


def autoencoder_method(name: str, stage: Stage, score) -> Method:
    """A method of one autoencoder whose score is by `map_scores`."""
    return Method(name, (stage,), score, NORMS, dynamic_keys(AUTOENCODER))


def map_scores(anomaly_map: jax.Array, reconstruction: dict[str, jax.Array]) -> Scores:
    """Scores by a map `[B, H, W]` that is nowhere negative; image scores are its norms.

    Norms do not grow with the image: l2 is the root of the mean square, l1 the mean, linf the
    maximum.
    """
    return Scores(
        image_score={
            "l2": jnp.sqrt(jnp.square(anomaly_map).mean((1, 2))),
            "l1": anomaly_map.mean((1, 2)),
            "linf": anomaly_map.max((1, 2)),
        },
        anomaly_map=anomaly_map,
        reconstruction=reconstruction,
    )
