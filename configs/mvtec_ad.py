"""MVTec AD: AESc, SSIM-AE, U-Net, style distillation and baselines, a model a category.

    python launch.py --config=configs/mvtec_ad.py:aesc_residual --config.data.dir=FOLDER \\
        --config.data.normal_class=bottle --workdir=runs/mvtec_ad/aesc

FOLDER holds the categories as published (`bottle/train/good`, `bottle/test/broken_large`, ...).
`texture` after the method trains on random crops of 128 px; `smoke` is a minute's test of the whole
path, whose numbers mean nothing.

    python launch.py --mode=sweep --config=configs/mvtec_ad.py:aesc_table \\
        --workdir=runs/mvtec_ad/aesc
    python launch.py --mode=sweep --config=configs/mvtec_ad.py:table2 --workdir=runs/mvtec_ad/table2

are the table of the AESc's poster (image AUROC by residual .89, by uncertainty .83 over all
categories; pixel AUROC .82 and .86) and Table 2 of Chung et al. 2020 (pixel AUROC of AE .87 / .92,
SDN .89 / .93, OE-SDN .89 / .93 over textures / objects), of whichever categories are there;
`aesc_table,categories=bottle+screw,seeds=0+1,steps=1000` chooses, and so does `methods=vae+itae`
among all columns that there could be.

What the papers state of the settings, and what not, is in docs/methods.md.
"""

from configs import industrial

TABLES = {
    "aesc_table": ("aesc_residual", "aesc_uncertainty", "itae", "ae_l2"),
    "table2": ("anogan", "cnn_dictionary", "ssim_ae", "ae", "sdn", "oe_sdn"),
    **industrial.TABLES,
}
CATEGORIES = (
    *industrial.TEXTURES,
    *("bottle", "cable", "capsule", "hazelnut", "metal_nut"),
    *("pill", "screw", "toothbrush", "transistor", "zipper"),
)
NAMES = (*industrial.METHODS, *TABLES)


def get_config(arg: str = ""):
    """`arg` is one of `NAMES` and more, see `industrial.parse`."""
    return industrial.industrial("mvtec_ad", arg, tuple(TABLES))


def sweep(add, arg: str) -> None:
    """The runs of a table."""
    industrial.industrial_sweep(add, arg, TABLES, CATEGORIES)
