"""One-class MNIST: style distillation and baselines, Tables 1 and 3 of Chung et al. 2020.

    python launch.py --config=configs/mnist.py:oe_sdn --workdir=runs/mnist/oe_sdn

trains on one digit (`--config.data.normal_class=3`) and tests on all. Published AUROC for digit 3:
AE 0.950, SDN 0.933, OE-SDN 0.974. Variants after the method: `light` (the student has four
groups), `faithful` (ten, the published RNAN; an accelerator's work), `smoke` (a minute's test of
the whole path; its numbers mean nothing).

    python launch.py --mode=sweep --config=configs/mnist.py:demo --workdir=runs/demo

is `make demo`: AE, SDN and OE-SDN on one digit within ten minutes on two CPU cores. Its students
train for fewer steps than the default ones.

    python launch.py --mode=sweep --config=configs/mnist.py:table1 --workdir=runs/mnist/table1

is the published table on ten digits (means: OC-SVM 0.913, isolation forest 0.923, AnoGAN 0.913,
Deep SVDD 0.948, AE 0.961, SDN 0.958, OE-SDN 0.975), `table3` the one of the ten auxiliary sets.
`table1,classes=1+3+8,seeds=0+1+2,methods=deep_svdd+vae` chooses digits, seeds and columns, of any
method that `adjax.methods` has for small images.
"""

import functools

from configs import base

NAMES = base.NAMES
sweep = functools.partial(base.one_class_sweep, dataset="mnist")


def get_config(arg: str = ""):
    """`arg` is one of `NAMES` and more, see `base.parse`."""
    return base.one_class("mnist", arg)
