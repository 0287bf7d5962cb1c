"""Variational autoencoder (Kingma and Welling 2014), scored by its error or its likelihood.

All values are [D]: no table of ours has published numbers of one.
"""

import dataclasses

from adjax.methods.info import MethodInfo
from adjax.settings import Section, choice, count, number, rate, several, size, weight


@dataclasses.dataclass(frozen=True)
class VAE(Section):
    """The network and its training."""

    network: str = choice(
        "conv",
        ("conv", "ssim"),
        "layers of the bottleneck autoencoder (conv) or of SSIM-AE (ssim) [D]",
    )
    code_size: int = size(16, "numbers in the code [D]")
    widths: tuple = several(
        (32, 64, 128),
        "channels, of conv [D]",
        at_least=1,
        least_length=2,
        advice="give at least two positive widths",
    )
    extra_layers: int = count(
        0, "of ssim: 0 for 128 px, one more for each doubling [D]", at_least=0, at_most=9
    )
    sigma: float = number(
        0.3,
        "deviation of a pixel, of [0, 1], in the likelihood [D]",
        at_least=0.001,
        at_most=1000,
        advice="must be positive, from 0.001 to 1000",
    )
    beta: float = weight(1.0, "weight of the divergence [D]")
    draws: int = count(8, "of the code, while scoring [D]", at_most=10_000)
    batch_size: int = size(128, "images an update [D]")
    steps: int = count(540, "updates [D], about 12 epochs of a digit")
    learning_rate: float = rate(1e-3, "of Adam [D]")
    weight_decay: float = number(0.0, "decoupled [D]")
    schedule: str = choice("cosine", ("cosine", "constant"), "of the learning rate [D]")


METHODS = (
    MethodInfo(
        name="vae",
        title="VAE",
        paper="Kingma and Welling 2014",
        builder="vae.method:vae",
        sections={"vae": VAE()},
        image_score="error",  # [D]
        on={
            "industrial": {  # as AE (L2) of Bergmann et al., but for size, code, epochs and decay
                "vae.network": "ssim",
                "vae.code_size": 100,
                "vae.steps": 3900,  # 50 epochs of 10,000 images
                "vae.learning_rate": 2e-4,
                "vae.schedule": "constant",
                "data.size": 128,
                "data.crops": "translation_rotation",
                "data.patch": 128,
                "data.samples": 10000,
            }
        },
        smoke={
            "vae.network": "conv",
            "vae.code_size": 4,
            "vae.widths": (4, 8, 8),
            "vae.draws": 2,
            "vae.batch_size": 8,
            "vae.steps": 8,
        },
        steps="vae",
    ),
)
