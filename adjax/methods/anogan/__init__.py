"""AnoGAN (Schlegl et al. 2017): a DCGAN of normal images, in whose latents an image is searched.

Rates and batch of a public re-implementation, the size of latents of the MVTec AD paper.
"""

import dataclasses

from adjax.methods.info import MethodInfo
from adjax.methods.reconstruction_settings import LARGEST_KERNEL
from adjax.settings import Section, count, number, rate, several, size


@dataclasses.dataclass(frozen=True)
class AnoGAN(Section):
    """The DCGAN."""

    latent_size: int = size(64, "numbers in a latent")
    widths: tuple = several(
        (64, 32),
        "channels, of the smallest map first [D]; 512, 256, 128, 64 there, for 64 px",
        at_least=1,
        least_length=2,
        advice="give at least two positive widths",
    )
    kernel: int = count(4, "px, width of the convolutions [D]; 5 there", at_most=LARGEST_KERNEL)
    batch_size: int = size(64, "images an update")
    steps: int = count(4500, "updates [D], about 50 epochs of a digit; 25 there")
    learning_rate: float = rate(2e-4, "of Adam")
    weight_decay: float = number(0.0, "decoupled")
    least_spread: float = number(
        0.05, "of made images, by that of real ones [D]: below is collapse", at_least=0, at_most=1
    )
    spread_after: int = count(500, "steps from which on that holds [D]", at_least=0)


@dataclasses.dataclass(frozen=True)
class Search(Section):
    """The descent in the latents; steps and rate are those of the MVTec AD paper."""

    steps: int = count(300, "of Adam; first published: 500")
    learning_rate: float = rate(0.02, "of Adam")
    feature_weight: float = number(0.1, "lambda, published", at_least=0, at_most=1)


METHODS = (
    MethodInfo(
        name="anogan",
        title="AnoGAN",
        paper="Schlegl et al. 2017",
        builder="anogan.method:anogan",
        sections={"anogan": AnoGAN(), "anogan_search": Search()},
        image_score="loss",
        on={
            # [D] three layers for 32 px; about 50 epochs of a class
            "cifar10": {"anogan.widths": (128, 64, 32), "anogan.steps": 3700},
            # Images of 128 px as in the MVTec AD paper, which has textures in patches of this size.
            "industrial": {
                "anogan.widths": (256, 128, 64, 32, 16),  # [D]
                "anogan.steps": 7800,  # 50 epochs of 10,000 images
                "data.size": 128,
                "data.patch": 128,
                "data.crops": "translation_rotation",  # [D] its augmentation is not stated
                "data.samples": 10000,
                "select": "last",  # no validation loss says which generator is best
            },
        },
        smoke={
            "anogan.steps": 8,
            "anogan.batch_size": 8,
            "anogan.widths": (8, 4),
            "anogan_search.steps": 3,
        },
        steps="anogan",
    ),
)
