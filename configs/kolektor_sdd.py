"""KolektorSDD, electrical commutators: the AESc and its baseline.

    adjax train --config=kolektor_sdd.py:aesc_residual --config.data.dir=FOLDER \\
        --workdir=runs/kolektor_sdd/aesc

FOLDER holds `kos01` to `kos50` as published. No paper that this project reproduces uses this data.

    adjax sweep --config=kolektor_sdd.py:aesc_table \\
        --workdir=runs/kolektor_sdd/aesc

compares AESc by residual and by uncertainty with AE (L2).
"""

from adjax.configs import industrial
from adjax.datasets.catalog import CATEGORIES

_EXPERIMENTS = industrial.Experiments(
    dataset="kolektor_sdd",
    first="aesc_residual",
    categories=CATEGORIES["kolektor_sdd"],
    tables={"aesc_table": ("aesc_residual", "aesc_uncertainty", "ae_l2")},
    normal_class="kolektor_sdd",
)
ARGUMENTS = _EXPERIMENTS.arguments
sweep = _EXPERIMENTS.sweep


def get_config(arg: str = ""):
    """Return the config of `NAME[,WORD ...][,CHOICE=A+B ...]`, see `ARGUMENTS`."""
    return _EXPERIMENTS.get_config(arg)
