"""Your own photographs: a folder of normal images, more if you have it.

    python launch.py --mode=check_data --config=configs/folder.py --config.data.dir=FOLDER
    python launch.py --config=configs/folder.py:aesc_residual --config.data.dir=FOLDER \\
        --workdir=runs/mine
    python launch.py --mode=predict --workdir=runs/mine --images=NEW --output=OUTPUT

FOLDER holds normal images, or `train/good` and if you like `test/good`, `test/DEFECT` and
`ground_truth/DEFECT`. Thirty photographs are enough to begin with; about 1000 steps show whether it
works, on two CPU cores in some minutes at 128 px (`--config.data.size=128`).

    python launch.py --mode=sweep --config=configs/folder.py:corruption_table,steps=1000 \\
        --config.data.dir=FOLDER --workdir=runs/mine/stain

compares AESc by residual and by uncertainty with the plain autoencoder, `loss_table,texture`
SSIM-AE with AE (L2) on crops of 128 px.
"""

from configs import industrial

TABLES = industrial.TABLES
NAMES = (*industrial.METHODS, *TABLES)


def get_config(arg: str = ""):
    """`arg` is one of `NAMES` and more, see `industrial.parse`."""
    config = industrial.industrial("folder", arg, tuple(TABLES))
    config.data.normal_class = ""
    config.data.channels = 3
    config.autoencoder.steps = min(config.autoencoder.steps, 2000)  # [D]
    return config


def sweep(add, arg: str) -> None:
    """The runs of a table."""
    industrial.industrial_sweep(add, arg, TABLES, ("",))
