"""Networks, one file an architecture.

A model maps images `[B, H, W, C]` to `(reconstruction [B, H, W, C], out)`, where `out` is a dict of
named intermediates. It knows no loss and no trainer.
"""

from adjax.models.aesc import AESc
from adjax.models.conv_autoencoder import ConvAutoencoder
from adjax.models.rnan import RNAN
from adjax.models.ssim_autoencoder import SSIMAutoencoder
from adjax.models.svdd_lenet import LeNet, LeNetAutoencoder
from adjax.models.unet_autoencoder import UNetAutoencoder
from adjax.models.vae import VAE, conv_vae, ssim_vae

__all__ = [
    "RNAN",
    "VAE",
    "AESc",
    "ConvAutoencoder",
    "LeNet",
    "LeNetAutoencoder",
    "SSIMAutoencoder",
    "UNetAutoencoder",
    "conv_vae",
    "ssim_vae",
]
