"""One-class Fashion-MNIST: the settings of MNIST; the paper has no numbers for it.

    adjax prepare_data --dataset=fashion_mnist
    adjax train --config=fashion_mnist.py:oe_sdn --workdir=runs/fashion_mnist/oe_sdn

`--source=FILE.npz` prepares it from a file instead of downloading it. Variants and sweeps are those
of `configs/mnist.py`.
"""

import functools

from adjax.configs import classes

ARGUMENTS = classes.ARGUMENTS
sweep = functools.partial(classes.sweep, dataset="fashion_mnist", normal_class=0)


def get_config(arg: str = ""):
    """Return the config of `NAME[,WORD ...][,CHOICE=A+B ...]`, see `ARGUMENTS`."""
    return classes.get_config("fashion_mnist", arg, normal_class=0)
