"""The SSIM autoencoder of Bergmann et al., "Improving Unsupervised Defect Segmentation by Applying
Structural Similarity to Autoencoders" (2019), trained and scored by 1 - SSIM, and its twin AE (L2),
trained and scored by the squared error, as in the MVTec AD paper's table.
"""

from adjax import losses
from adjax.methods.info import Sections
from adjax.methods.reconstruction import autoencoder_stage, reconstruction_method
from adjax.methods.stage import Method
from adjax.models.ssim_autoencoder import SSIMAutoencoder
from adjax.settings import as_dict


def ssim_ae(sections: Sections) -> Method:
    """Build SSIM-AE: loss and map 1 - SSIM."""
    model = _network(sections)
    window = as_dict(sections.distance)

    def loss(image, reconstruction):
        return losses.image_mean(1 - losses.ssim(image, reconstruction, **window))

    def error(image, reconstruction):
        return 1 - losses.ssim(image, reconstruction, padding="same", **window)

    depends_on = ("distance.window", "distance.sigma")
    stage = autoencoder_stage(sections, "ssim_ae", model, loss, depends_on)
    return reconstruction_method("ssim_ae", model, stage, error, "SSIM-AE")


def ae_l2(sections: Sections) -> Method:
    """Build AE (L2): loss and map the squared error."""
    model = _network(sections)
    stage = autoencoder_stage(sections, "ae_l2", model, losses.mean_squared_error)
    return reconstruction_method("ae_l2", model, stage, losses.squared_error, "AE (L2)")


def _network(sections: Sections) -> SSIMAutoencoder:
    own = sections.autoencoder
    return SSIMAutoencoder(own.code_size, own.extra_layers)
