"""GANomaly: Akcay et al., "GANomaly: Semi-Supervised Anomaly Detection via Adversarial Training".

A generator reproduces an image from a code z and encodes the reproduction anew, to zhat; its loss
is (the paper's equations 1 to 4, weights of the released code)

    L_G = w_adv |f(x) - f(xhat)|^2 + w_con |x - xhat| + w_enc |z - zhat|^2      (all means)

with f the features of a discriminator, trained to tell xhat from x. An image is anomalous whose
two codes differ.
"""

import jax.numpy as jnp

from adjax import losses
from adjax.methods.adversarial import binary_cross_entropy
from adjax.methods.info import Sections
from adjax.methods.networks import variables_of
from adjax.methods.reproducing_gan import (
    GENERATOR,
    Players,
    Reproduction,
    from_frame,
    reproducing_stage,
    to_frame,
)
from adjax.methods.stage import DATA_AXIS, Method, Scores, dynamic_keys
from adjax.models.ganomaly import GANomaly, GANomalyDiscriminator

NAME = "ganomaly"
IMAGE_SCORES = ("latent", "mse")


def ganomaly(sections: Sections) -> Method:
    """Build GANomaly: score mean (z - zhat)^2, map |x - xhat|.

    The published score has no map; |x - xhat|, averaged over channels, is the closest to one. The
    released code scales scores to [0, 1] over the test set, which changes no AUROC and is left out:
    a score does not depend on other test images.
    """
    own = sections.ganomaly
    networks = Players(
        GANomaly(own.code_size, own.width, batch_axis=DATA_AXIS),
        GANomalyDiscriminator(own.width, batch_axis=DATA_AXIS),
    )

    def terms(batch: Reproduction):
        (_, real), (_, fake) = batch.real, batch.fake
        difference = losses.mean_absolute_error(batch.image, batch.made)
        return {
            "adversarial": own.adversarial_weight * losses.mean_squared_error(real, fake),
            "reconstruction": own.reconstruction_weight * difference,
            "latent": own.latent_weight * _between_codes(batch.out),
        }

    def discriminator_loss(batch: Reproduction):
        (real, _), (fake, _) = batch.real, batch.fake
        return (binary_cross_entropy(real, 1.0) + binary_cross_entropy(fake, 0.0)) / 2

    def score(variables, image, key):
        generator = variables_of(variables[NAME], GENERATOR)
        made, out = networks.generator.apply(generator, to_frame(image))
        made = from_frame(made, image)
        return Scores(
            image_score={
                "latent": _between_codes(out),
                "mse": losses.mean_squared_error(image, made),
            },
            anomaly_map=losses.absolute_error(image, made).mean(-1),
            reconstruction={"GANomaly": made},
        )

    stage = reproducing_stage(NAME, own, networks, terms, discriminator_loss, sections.precision)
    return Method(NAME, (stage,), score, IMAGE_SCORES, dynamic_keys(NAME))


def _between_codes(out):
    """Return the mean square of z - zhat, `[B]`."""
    return jnp.square(out["code"] - out["code_of_reconstruction"]).mean(1)
