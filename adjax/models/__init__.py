"""Networks, one file an architecture.

A model maps images `[B, H, W, C]` to `(reconstruction [B, H, W, C], out)`, where `out` is a dict of
named intermediates; an extractor of features, to `(features [B, F], out)`. It knows no loss and no
trainer.
"""

from adjax.models.aesc import AESc
from adjax.models.conv_autoencoder import ConvAutoencoder
from adjax.models.dcgan import DCDiscriminator, DCGenerator
from adjax.models.efficientnet_lite import EfficientNetLite0
from adjax.models.ganomaly import GANomaly, GANomalyDiscriminator
from adjax.models.itae_unet import ITAEUNet
from adjax.models.rnan import RNAN
from adjax.models.skip_ganomaly import SkipGANomaly, SkipGANomalyDiscriminator
from adjax.models.ssim_autoencoder import SSIMAutoencoder
from adjax.models.svdd_lenet import LeNet, LeNetAutoencoder
from adjax.models.unet_autoencoder import UNetAutoencoder
from adjax.models.vae import VAE, conv_vae, ssim_vae
from adjax.models.wgan_resnet import ResNetCritic, ResNetEncoder, ResNetGenerator

__all__ = [
    "RNAN",
    "VAE",
    "AESc",
    "ConvAutoencoder",
    "DCDiscriminator",
    "DCGenerator",
    "EfficientNetLite0",
    "GANomaly",
    "GANomalyDiscriminator",
    "ITAEUNet",
    "LeNet",
    "LeNetAutoencoder",
    "ResNetCritic",
    "ResNetEncoder",
    "ResNetGenerator",
    "SSIMAutoencoder",
    "SkipGANomaly",
    "SkipGANomalyDiscriminator",
    "UNetAutoencoder",
    "conv_vae",
    "ssim_vae",
]
