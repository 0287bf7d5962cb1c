"""DAGM 2007: the U-Net autoencoder with thresholded residuals, pixel F1.

    adjax train --config=dagm2007.py:unet_ae --config.data.dir=FOLDER \\
        --workdir=runs/dagm2007/unet_ae

FOLDER holds `Class1` to `Class10` as published. Minhas and Zelek (2020) report an F1 of 0.96 on
class 8; the masks of DAGM are ellipses around the defects, and such an F1 needs finer ones.

    adjax sweep --config=dagm2007.py:f1_table --workdir=runs/dagm2007/f1

covers every class that is present; `f1_table,categories=Class8,steps=1000` chooses.
"""

from adjax.configs import industrial
from adjax.datasets.catalog import CATEGORIES

_EXPERIMENTS = industrial.Experiments(
    dataset="dagm2007",
    first="unet_ae",
    categories=CATEGORIES["dagm2007"],
    tables={"f1_table": ("unet_ae", "aesc_residual")},
    normal_class="Class8",
)
ARGUMENTS = _EXPERIMENTS.arguments
sweep = _EXPERIMENTS.sweep


def get_config(arg: str = ""):
    """Return the config of `NAME[,WORD ...][,CHOICE=A+B ...]`, see `ARGUMENTS`."""
    return _EXPERIMENTS.get_config(arg)
