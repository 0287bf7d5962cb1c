"""Systems of the literature, one file each: their stages and their score."""

from adjax.errors import UserError
from adjax.methods.aesc import ae_d6_residual, ae_d6_uncertainty, aesc_residual, aesc_uncertainty
from adjax.methods.autoencoder import autoencoder
from adjax.methods.deep_svdd import deep_svdd
from adjax.methods.isolation_forest import isolation_forest
from adjax.methods.ocsvm import ocsvm, ocsvm_oracle
from adjax.methods.reconstruction import ae_l2, ssim_ae
from adjax.methods.stage import DATA_AXIS, Fit, Method, Scores, Stage, TrainState
from adjax.methods.style_distillation import oe_sdn, sdn
from adjax.methods.unet import unet_ae
from adjax.methods.vae import vae

METHODS = {
    "ae": autoencoder,
    "sdn": sdn,
    "oe_sdn": oe_sdn,
    "aesc_residual": aesc_residual,
    "aesc_uncertainty": aesc_uncertainty,
    "ae_d6_residual": ae_d6_residual,
    "ae_d6_uncertainty": ae_d6_uncertainty,
    "ssim_ae": ssim_ae,
    "ae_l2": ae_l2,
    "unet_ae": unet_ae,
    "ocsvm": ocsvm,
    "ocsvm_oracle": ocsvm_oracle,
    "isolation_forest": isolation_forest,
    "deep_svdd": deep_svdd,
    "vae": vae,
}

__all__ = [
    "DATA_AXIS",
    "METHODS",
    "Fit",
    "Method",
    "Scores",
    "Stage",
    "TrainState",
    "create_method",
]


def create_method(config) -> Method:
    """The method that `config.method` names, built from the config's sections."""
    if config.method not in METHODS:
        raise UserError(f"config.method={config.method!r}: choose one of {', '.join(METHODS)}")
    return METHODS[config.method](config)
