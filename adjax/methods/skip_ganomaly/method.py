"""Skip-GANomaly: Akcay et al., "Skip-GANomaly: Skip Connected and Adversarially Trained
Encoder-Decoder Anomaly Detection" (2019).

A U-Net reproduces an image so that a discriminator neither tells xhat from x nor sees other
features f in it (weights and signs of the released code; all means):

    L_G = w_adv BCE(D(xhat), 1) + w_con |x - xhat| + w_lat |f(x) - f(xhat)|^2
    L_D = BCE(D(x), 1) + BCE(D(xhat), 0) + w_lat |f(x) - f(xhat)|^2

The last term of L_D is a quirk of that code, kept here: the discriminator, too, learns to see no
difference. An image is anomalous that is reproduced badly, in its pixels and its features.
"""

import jax.numpy as jnp

from adjax import losses
from adjax.methods.adversarial import binary_cross_entropy
from adjax.methods.info import Sections
from adjax.methods.reproducing_gan import (
    Players,
    Reproduction,
    crop_frame,
    from_frame,
    reproducing_stage,
)
from adjax.methods.stage import DATA_AXIS, Method, Scores, dynamic_keys
from adjax.models.skip_ganomaly import SkipGANomaly, SkipGANomalyDiscriminator

NAME = "skip_ganomaly"
IMAGE_SCORES = ("combined", "mse")
_PIXELS, _FEATURES = 0.9, 0.1  # of the combined score, published


def skip_ganomaly(sections: Sections) -> Method:
    """Build Skip-GANomaly: combined score of pixels and features, map |x - xhat|.

    The combined score is 0.9 mean (x - xhat)^2 + 0.1 mean (f(x) - f(xhat))^2 of images in [-1, 1].
    The released code scales it to [0, 1] over the test set, which changes no AUROC and is left out:
    a score does not depend on other test images. The map is averaged over channels.
    """
    own = sections.skip_ganomaly
    networks = Players(
        SkipGANomaly(own.width, batch_axis=DATA_AXIS),
        SkipGANomalyDiscriminator(own.code_size, own.width, batch_axis=DATA_AXIS),
    )

    def terms(batch: Reproduction):
        difference = losses.mean_absolute_error(batch.image, batch.made)
        return {
            "adversarial": own.adversarial_weight * binary_cross_entropy(batch.fake[0], 1.0),
            "reconstruction": own.reconstruction_weight * difference,
            "latent": own.latent_weight * _between_features(batch),
        }

    def discriminator_loss(batch: Reproduction):
        (real, _), (fake, _) = batch.real, batch.fake
        told_apart = binary_cross_entropy(real, 1.0) + binary_cross_entropy(fake, 0.0)
        return told_apart + own.latent_weight * _between_features(batch)

    def score(variables, image, key):
        batch = networks.reproduce(variables[NAME], image)
        pixels = losses.mean_squared_error(
            crop_frame(batch.image, image), crop_frame(batch.made, image)
        )
        made = from_frame(batch.made, image)
        return Scores(
            image_score={
                "combined": _PIXELS * pixels + _FEATURES * _between_features(batch),
                "mse": losses.mean_squared_error(image, made),
            },
            anomaly_map=losses.absolute_error(image, made).mean(-1),
            reconstruction={"Skip-GANomaly": made},
        )

    stage = reproducing_stage(NAME, own, networks, terms, discriminator_loss, sections.precision)
    return Method(NAME, (stage,), score, IMAGE_SCORES, dynamic_keys(NAME))


def _between_features(batch: Reproduction):
    """Return the mean square of f(x) - f(xhat), `[B]`."""
    (_, real), (_, fake) = batch.real, batch.fake
    return jnp.square(real - fake).mean(1)
