"""The U-Net of Minhas and Zelek 2020, trained on normal images to reproduce them."""

from adjax.corruptions.settings import Corruptions
from adjax.methods.info import MethodInfo
from adjax.methods.reconstruction_settings import COMMON, SMOKE, Autoencoder

METHODS = (
    MethodInfo(
        name="unet_ae",
        title="U-Net",
        paper="Minhas and Zelek 2020",
        builder="unet.method:unet_ae",
        sections={
            "autoencoder": Autoencoder(
                batch_size=4,
                steps=10000,  # 50 epochs of 800 images
                schedule="constant",
                corruption="none",
                width=48,
            ),
            "corruption": Corruptions(),
        },
        on={"industrial": {"maps.sigma": 0.0}},  # published: the residual's own pixels
        smoke=SMOKE,
        **COMMON,
    ),
)
