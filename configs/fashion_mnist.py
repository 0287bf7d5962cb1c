"""One-class Fashion-MNIST: the settings of MNIST; the paper has no numbers for it.

    python launch.py --mode=prepare_data --dataset=fashion_mnist
    python launch.py --config=configs/fashion_mnist.py:oe_sdn --workdir=runs/fashion_mnist/oe_sdn

`--source=FILE.npz` prepares it from a file instead of by download. Variants and sweeps as in
`configs/mnist.py`.
"""

import functools

from configs import base

NAMES = base.NAMES
sweep = functools.partial(base.one_class_sweep, dataset="fashion_mnist")


def get_config(arg: str = ""):
    """`arg` is one of `NAMES` and more, see `base.parse`."""
    config = base.one_class("fashion_mnist", arg)
    config.data.normal_class = 0
    return config
