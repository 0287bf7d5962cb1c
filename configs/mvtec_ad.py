"""MVTec AD: AESc, SSIM-AE, U-Net, style distillation and baselines, one model per category.

    adjax train --config=mvtec_ad.py:aesc_residual --config.data.dir=FOLDER \\
        --config.data.normal_class=bottle --workdir=runs/mvtec_ad/aesc

FOLDER holds the categories as published (`bottle/train/good`, `bottle/test/broken_large`, ...).
`texture` after the method trains on random crops of 128 px; `smoke` tests the whole path in a
minute, and its numbers mean nothing.

    adjax sweep --config=mvtec_ad.py:aesc_table \\
        --workdir=runs/mvtec_ad/aesc
    adjax sweep --config=mvtec_ad.py:table2 --workdir=runs/mvtec_ad/table2

are the table of the AESc's poster (image AUROC by residual .89, by uncertainty .83 over all
categories; pixel AUROC .82 and .86) and Table 2 of Chung et al. 2020 (pixel AUROC of AE .87 / .92,
SDN .89 / .93, OE-SDN .89 / .93 over textures / objects), over the categories that are present;
`aesc_table,categories=bottle+screw,seeds=0+1,steps=1000` chooses, and `methods=vae+itae` chooses
among all methods.

Which settings the papers state, and which they do not, is in docs/methods.md.
"""

from adjax.configs import industrial
from adjax.datasets.catalog import CATEGORIES

_EXPERIMENTS = industrial.Experiments(
    dataset="mvtec_ad",
    first="aesc_residual",
    categories=CATEGORIES["mvtec_ad"],
    tables={
        "aesc_table": ("aesc_residual", "aesc_uncertainty", "itae", "ae_l2"),
        "table2": ("anogan", "cnn_dictionary", "ssim_ae", "ae", "sdn", "oe_sdn"),
    },
)
ARGUMENTS = _EXPERIMENTS.arguments
sweep = _EXPERIMENTS.sweep


def get_config(arg: str = ""):
    """Return the config of `NAME[,WORD ...][,CHOICE=A+B ...]`, see `ARGUMENTS`."""
    return _EXPERIMENTS.get_config(arg)
