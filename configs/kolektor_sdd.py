"""KolektorSDD, electrical commutators: the AESc and what it is compared with.

    python launch.py --config=configs/kolektor_sdd.py:aesc_residual --config.data.dir=FOLDER \\
        --workdir=runs/kolektor_sdd/aesc

FOLDER holds `kos01` to `kos50` as published. No paper that this project reproduces has numbers.

    python launch.py --mode=sweep --config=configs/kolektor_sdd.py:aesc_table \\
        --workdir=runs/kolektor_sdd/aesc

is AESc by residual and uncertainty, and AE (L2).
"""

from configs import industrial

TABLES = {"aesc_table": ("aesc_residual", "aesc_uncertainty", "ae_l2"), **industrial.TABLES}
CATEGORIES = ("kolektor_sdd",)
NAMES = (*industrial.METHODS, *TABLES)


def get_config(arg: str = ""):
    """`arg` is one of `NAMES` and more, see `industrial.parse`."""
    config = industrial.industrial("kolektor_sdd", arg or "aesc_residual", tuple(TABLES))
    config.data.normal_class = "kolektor_sdd"
    return config


def sweep(add, arg: str) -> None:
    """The runs of a table."""
    industrial.industrial_sweep(add, arg, TABLES, CATEGORIES)
