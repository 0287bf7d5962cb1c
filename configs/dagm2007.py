"""DAGM 2007: the U-Net autoencoder with thresholded residuals, pixel F1.

    python launch.py --config=configs/dagm2007.py:unet_ae --config.data.dir=FOLDER \\
        --workdir=runs/dagm2007/unet_ae

FOLDER holds `Class1` to `Class10` as published. Minhas and Zelek (2020) report an F1 of 0.96 on
class 8; masks of DAGM are ellipses around the defects, so that this needs finer ones than it has.

    python launch.py --mode=sweep --config=configs/dagm2007.py:f1_table --workdir=runs/dagm2007/f1

is every class that is there; `f1_table,categories=Class8,steps=1000` chooses.
"""

from configs import industrial

TABLES = {"f1_table": ("unet_ae", "aesc_residual"), **industrial.TABLES}
CATEGORIES = tuple(f"Class{number}" for number in range(1, 11))
NAMES = (*industrial.METHODS, *TABLES)


def get_config(arg: str = ""):
    """`arg` is one of `NAMES` and more, see `industrial.parse`."""
    config = industrial.industrial("dagm2007", arg or "unet_ae", tuple(TABLES))
    config.data.normal_class = "Class8"
    return config


def sweep(add, arg: str) -> None:
    """The runs of a table."""
    industrial.industrial_sweep(add, arg, TABLES, CATEGORIES)
