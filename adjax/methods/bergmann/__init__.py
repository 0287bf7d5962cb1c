"""The autoencoders of Bergmann et al. 2019, trained by SSIM and by the squared error.

Trained and scored as in the MVTec AD paper: objects as whole images of 256 px, textures as patches
of 128 px. Their networks take no other sizes.
"""

import dataclasses
from typing import Any

from adjax.corruptions.settings import Corruptions
from adjax.methods.info import MethodInfo
from adjax.methods.reconstruction_settings import (
    COMMON,
    SMOKE,
    Autoencoder,
    ssim_sigma,
    ssim_window,
)
from adjax.settings import Section


@dataclasses.dataclass(frozen=True)
class Distance(Section):
    """The Gaussian window of SSIM; its values are [D]."""

    window: int = ssim_window()
    sigma: float = ssim_sigma()


_SECTIONS = {
    "autoencoder": Autoencoder(
        batch_size=128,
        steps=15600,  # 200 epochs of 10,000 images
        learning_rate=2e-4,
        weight_decay=1e-5,
        schedule="constant",
        corruption="none",
        code_size=500,  # of objects; 100 of textures
        extra_layers=1,
    ),
    "corruption": Corruptions(),
}
_COMMON: dict[str, Any] = {
    "on": {
        "industrial": {
            "data.crops": "translation_rotation",
            "data.patch": 256,
            "data.samples": 10000,
        },
        "texture": {"autoencoder.code_size": 100, "autoencoder.extra_layers": 0},
    },
    "smoke": SMOKE,
    "industrial_smoke": {"data.size": 128, "data.patch": 128},
    **COMMON,
}

METHODS = (
    MethodInfo(
        name="ssim_ae",
        title="SSIM-AE",
        paper="Bergmann et al. 2019",
        builder="bergmann.method:ssim_ae",
        sections=_SECTIONS | {"distance": Distance()},
        **_COMMON,
    ),
    MethodInfo(
        name="ae_l2",
        title="AE (L2)",
        paper="Bergmann et al. 2019",
        builder="bergmann.method:ae_l2",
        sections=_SECTIONS,
        **_COMMON,
    ),
)
