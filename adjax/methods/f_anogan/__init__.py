"""f-AnoGAN (Schlegl et al. 2019): a Wasserstein GAN of normal images, an encoder to its latents.

Values are those of the authors' code for grey images of 64 px, where not marked.
"""

import dataclasses

from adjax.methods.info import MethodInfo
from adjax.settings import Section, count, number, rate, several, size, weight


@dataclasses.dataclass(frozen=True)
class WGAN(Section):
    """The generator and the critic."""

    latent_size: int = size(128, "numbers in a latent")
    widths: tuple = several(
        (64, 32, 16),
        "channels from 4 x 4 to 32 x 32 px [D]; 512, 256, 128, 64 there",
        at_least=1,
        least_length=2,
        advice="give at least two positive widths",
    )
    batch_size: int = size(64, "images of a step of the critic")
    critic_steps: int = count(5, "of the critic an update, each on images of its own", at_most=1000)
    gp_weight: float = weight(10.0, "weight of the gradient penalty")
    steps: int = count(
        500, "updates [D], about 27 epochs of a digit; 7 epochs of a larger set there"
    )
    learning_rate: float = rate(1e-4, "of Adam")
    weight_decay: float = number(0.0, "decoupled")
    least_spread: float = number(
        0.05, "of made images, by that of real ones [D]: below is collapse", at_least=0, at_most=1
    )
    spread_after: int = count(200, "steps from which on that holds [D]", at_least=0)


@dataclasses.dataclass(frozen=True)
class Encoder(Section):
    """The encoder, trained once the generator is frozen ("izi_f")."""

    batch_size: int = size(64, "images an update")
    steps: int = count(2000, "updates [D], about 22 epochs of a digit; 50,000 there")
    learning_rate: float = rate(5e-5, "of RMSProp")
    weight_decay: float = number(0.0, "decoupled")
    kappa: float = weight(1.0, "weight of the critic's features")


METHODS = (
    MethodInfo(
        name="f_anogan",
        title="f-AnoGAN",
        paper="Schlegl et al. 2019",
        builder="f_anogan.method:f_anogan",
        sections={"wgan": WGAN(), "izi_encoder": Encoder()},
        image_score="loss",
        on={
            "industrial": {
                "wgan.widths": (128, 64, 32, 16),  # [D]; its size is the published one
                "data.size": 64,
                "data.patch": 64,
                "data.crops": "translation_rotation",  # [D], as of anogan
                "data.samples": 10000,
                "select": "last",  # as of anogan
            }
        },
        smoke={
            "wgan.steps": 4,
            "wgan.batch_size": 4,
            "wgan.critic_steps": 2,
            "wgan.widths": (8, 4),
            "izi_encoder.steps": 4,
            "izi_encoder.batch_size": 8,
        },
        steps="wgan",
    ),
)
