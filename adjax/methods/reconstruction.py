"""The single stage that autoencoders of industrial images share, and scores by norms of their maps.

The stage learns to give the clean image, from a corrupted one if `autoencoder.corruption` names a
corruption.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from adjax.methods.info import Sections
from adjax.methods.precision import in_training
from adjax.methods.stage import Method, Scores, Stage, dynamic_keys, network_stage
from adjax.settings import as_dict

AUTOENCODER = "autoencoder"
NORMS = ("l2", "l1", "linf")

Error = Callable[[jax.Array, jax.Array], jax.Array]  # takes [B, H, W, C] twice


def autoencoder_stage(
    sections: Sections,
    network: str,
    model: nn.Module,
    loss: Error,
    depends_on: tuple[str, ...] = (),
) -> Stage:
    """Return the training of an autoencoder by the section `autoencoder`.

    Args:
      sections: `autoencoder` and `corruption`.
      network: names network and loss; stages of two networks are two.
      model: its `train` computes batch statistics, if it has any.
      loss: `(clean image, reconstruction) -> [B]`.
      depends_on: config sections besides these that the result depends on.

    """
    trained = in_training(model, sections.precision)
    corruption = corruption_of(sections)
    source = "image" if corruption is None else "corrupted"
    if corruption is not None:
        depends_on += (f"corruption.{corruption[0]}",)

    def objective(variables, frozen, batch, key, member):
        (reconstruction, _), model_state = trained.apply(
            variables, batch[source], train=True, mutable=["batch_stats"]
        )
        return loss(batch["image"], reconstruction).mean(), ({}, model_state)

    def validate(variables, frozen, image):
        return loss(image, model.apply(variables, image)[0])

    depends_on = ("data", AUTOENCODER, f"network={network}", *depends_on)
    return network_stage(
        AUTOENCODER,
        sections.autoencoder,
        model,
        objective,
        validate,
        depends_on,
        corruption=corruption,
    )


def corruption_of(sections: Sections) -> tuple[str, dict[str, Any]] | None:
    """Return name and parameters of the corruption that `autoencoder.corruption` names."""
    name = sections.autoencoder.corruption
    return None if name == "none" else (name, as_dict(sections.corruption)[name])


def reconstruction_method(
    name: str, model: nn.Module, stage: Stage, error: Error, label: str
) -> Method:
    """Return a method whose map is `error(image, reconstruction)`, averaged over channels."""

    def score(variables, image, key):
        reconstruction, _ = model.apply(variables[AUTOENCODER], image)
        return map_scores(error(image, reconstruction).mean(-1), {label: reconstruction})

    return autoencoder_method(name, stage, score)


def autoencoder_method(name: str, stage: Stage, score: Callable) -> Method:
    """Return a method of one autoencoder whose score is made by `map_scores`."""
    return Method(name, (stage,), score, NORMS, dynamic_keys(AUTOENCODER))


def map_scores(anomaly_map: jax.Array, reconstruction: dict[str, jax.Array]) -> Scores:
    """Return scores by a map `[B, H, W]` that is nowhere negative; image scores are its norms.

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
