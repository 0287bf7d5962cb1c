"""The semi-supervised U-Net of Minhas and Zelek 2020: trained on normal images to reproduce them,
scored by its residual |x - xhat|."""

from adjax import losses
from adjax.methods.info import Sections
from adjax.methods.reconstruction import autoencoder_stage, reconstruction_method
from adjax.methods.stage import DATA_AXIS, Method
from adjax.models.unet_autoencoder import UNetAutoencoder


def unet_ae(sections: Sections) -> Method:
    """Build the U-Net: loss the mean squared error, map |x - xhat|."""
    model = UNetAutoencoder(sections.autoencoder.width, batch_axis=DATA_AXIS)
    stage = autoencoder_stage(sections, "unet_ae", model, losses.mean_squared_error)
    return reconstruction_method("unet_ae", model, stage, losses.absolute_error, "U-Net")
