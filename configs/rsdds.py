"""RSDDs, rails: the U-Net autoencoder with thresholded residuals, pixel F1.

    adjax train --config=rsdds.py:unet_ae --config.data.dir=FOLDER \\
        --workdir=runs/rsdds/unet_ae

FOLDER holds the folders of both types as published. Every image has a defect, so images are cut
into crops, and the crops without a defect are trained on. Minhas and Zelek (2020) report an F1 of
0.81 on type I.

    adjax sweep --config=rsdds.py:f1_table --workdir=runs/rsdds/f1

covers both types; `f1_table,categories=type_i` chooses.
"""

from adjax.configs import industrial
from adjax.datasets.catalog import CATEGORIES

_EXPERIMENTS = industrial.Experiments(
    dataset="rsdds",
    first="unet_ae",
    categories=CATEGORIES["rsdds"],
    tables={"f1_table": ("unet_ae", "aesc_residual")},
    normal_class="type_i",
)
ARGUMENTS = _EXPERIMENTS.arguments
sweep = _EXPERIMENTS.sweep


def get_config(arg: str = ""):
    """Return the config of `NAME[,WORD ...][,CHOICE=A+B ...]`, see `ARGUMENTS`."""
    return _EXPERIMENTS.get_config(arg)
