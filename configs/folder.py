"""Your own photographs: a folder of normal images, with or without defective ones and masks.

    adjax check_data --config=folder.py --config.data.dir=FOLDER
    adjax train --config=folder.py:aesc_residual --config.data.dir=FOLDER \\
        --workdir=runs/mine
    adjax predict --workdir=runs/mine --images=NEW --output=OUTPUT

FOLDER holds normal images, or `train/good` and optionally `test/good`, `test/DEFECT` and
`ground_truth/DEFECT`. Thirty photographs are enough to begin with; about 1000 steps, a few minutes
on two CPU cores at 128 px (`--config.data.size=128`), show whether it works.

    adjax sweep --config=folder.py:corruption_table,steps=1000 \\
        --config.data.dir=FOLDER --workdir=runs/mine/stain

compares AESc by residual and by uncertainty with the plain autoencoder; `loss_table,texture`
compares SSIM-AE with AE (L2) on crops of 128 px.
"""

from adjax.configs import industrial

_EXPERIMENTS = industrial.Experiments(
    dataset="folder",
    first="aesc_residual",
    categories=("",),
    most_steps={"autoencoder": 2000},  # [D]
    normal_class="",
    channels=3,
)
ARGUMENTS = _EXPERIMENTS.arguments
sweep = _EXPERIMENTS.sweep


def get_config(arg: str = ""):
    """Return the config of `NAME[,WORD ...][,CHOICE=A+B ...]`, see `ARGUMENTS`."""
    return _EXPERIMENTS.get_config(arg)
