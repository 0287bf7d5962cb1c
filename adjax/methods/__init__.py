"""Systems of the literature: their settings, their stages and their score.

A method is a package here that declares `METHODS`, one `MethodInfo` a name, in its `__init__` and
builds them in `method.py`. The modules beside the packages are what several methods share. No
method knows a trainer, a data set or another method's settings.
"""

import importlib
from typing import Any

from adjax.errors import UserError
from adjax.methods.info import MethodInfo, Sections

__all__ = ["PACKAGES", "MethodInfo", "Sections", "build", "infos", "lookup"]

# Package of each method: of all of them only the one in use is imported.
PACKAGES = {
    "ae": "style_distillation",
    "sdn": "style_distillation",
    "oe_sdn": "style_distillation",
    "sdn_fast": "style_distillation",
    "oe_sdn_fast": "style_distillation",
    "aesc_residual": "aesc",
    "aesc_uncertainty": "aesc",
    "ae_d6_residual": "aesc",
    "ae_d6_uncertainty": "aesc",
    "aesc_mask": "aesc",
    "ssim_ae": "bergmann",
    "ae_l2": "bergmann",
    "unet_ae": "unet",
    "ganomaly": "ganomaly",
    "skip_ganomaly": "skip_ganomaly",
    "anogan": "anogan",
    "f_anogan": "f_anogan",
    "deep_svdd": "deep_svdd",
    "vae": "vae",
    "cnn_dictionary": "cnn_dictionary",
    "itae": "itae",
    "ocsvm": "ocsvm",
    "ocsvm_oracle": "ocsvm",
    "isolation_forest": "isolation_forest",
}


def lookup(name: str) -> MethodInfo:
    """Return the declaration of a method; raises `UserError` if there is none of that name."""
    if not isinstance(name, str) or name not in PACKAGES:
        raise UserError(f"config.method={name!r}: choose one of {', '.join(PACKAGES)}")
    package = importlib.import_module(f"{__name__}.{PACKAGES[name]}")
    return next(info for info in package.METHODS if info.name == name)


def infos() -> dict[str, MethodInfo]:
    """Return the declarations of all methods by name; imports no JAX."""
    return {name: lookup(name) for name in PACKAGES}


def build(name: str, sections: Sections) -> Any:
    """Build a method from its typed sections: a `stage.Method`."""
    module, _, function = lookup(name).builder.partition(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), function)(sections)
