"""RSDDs, rails: the U-Net autoencoder with thresholded residuals, pixel F1.

    python launch.py --config=configs/rsdds.py:unet_ae --config.data.dir=FOLDER \\
        --workdir=runs/rsdds/unet_ae

FOLDER holds the folders of both types as published. Every image has a defect, so it is cut into
crops and those without one are trained on. Minhas and Zelek (2020) report an F1 of 0.81 on type I.

    python launch.py --mode=sweep --config=configs/rsdds.py:f1_table --workdir=runs/rsdds/f1

is both types; `f1_table,categories=type_i` chooses.
"""

from configs import industrial

TABLES = {"f1_table": ("unet_ae", "aesc_residual"), **industrial.TABLES}
CATEGORIES = ("type_i", "type_ii")
NAMES = (*industrial.METHODS, *TABLES)


def get_config(arg: str = ""):
    """`arg` is one of `NAMES` and more, see `industrial.parse`."""
    config = industrial.industrial("rsdds", arg or "unet_ae", tuple(TABLES))
    config.data.normal_class = "type_i"
    return config


def sweep(add, arg: str) -> None:
    """The runs of a table."""
    industrial.industrial_sweep(add, arg, TABLES, CATEGORIES)
