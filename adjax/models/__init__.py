"""Networks, one file an architecture.

A model maps images `[B, H, W, C]` to `(reconstruction [B, H, W, C], out)`, where `out` is a dict of
named intermediates; an extractor of features, to `(features [B, F], out)`. It knows no loss and no
trainer.
"""

from adjax.models.aesc import AESc
from adjax.models.conv_autoencoder import ConvAutoencoder
from adjax.models.efficientnet_lite import EfficientNetLite0
from adjax.models.itae_unet import ITAEUNet
from adjax.models.rnan import RNAN
from adjax.models.ssim_autoencoder import SSIMAutoencoder
from adjax.models.unet_autoencoder import UNetAutoencoder

__all__ = [
    "RNAN",
    "AESc",
    "ConvAutoencoder",
    "EfficientNetLite0",
    "ITAEUNet",
    "SSIMAutoencoder",
    "UNetAutoencoder",
]
