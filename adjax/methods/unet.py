"""The semi-supervised U-Net of Minhas and Zelek 2020: trained on normal images to reproduce them,
scored by its residual |x - xhat|."""

from adjax import losses
from adjax.methods.reconstruction import autoencoder_stage, reconstruction_method
from adjax.methods.stage import DATA_AXIS, Method
from adjax.models import UNetAutoencoder


def unet_ae(config) -> Method:
    """`method = "unet_ae"`: loss the mean squared error, map |x - xhat|."""
    model = UNetAutoencoder(config.autoencoder.width, batch_axis=DATA_AXIS)
    stage = autoencoder_stage(config, "unet_ae", model, losses.mean_squared_error)
    return reconstruction_method("unet_ae", model, stage, losses.absolute_error, "U-Net")
