"""One-class MNIST: style distillation and baselines, Tables 1 and 3 of Chung et al. 2020.

    adjax train --config=mnist.py:oe_sdn --workdir=runs/mnist/oe_sdn

trains on one digit (`--config.data.normal_class=3`) and tests on all. Published AUROC for digit 3:
AE 0.950, SDN 0.933, OE-SDN 0.974. Variants after the method: `light` (the student has four
groups), `faithful` (ten, the published RNAN; needs an accelerator), `smoke` (tests the whole path
in a minute; its numbers mean nothing).

    adjax sweep --config=mnist.py:demo --workdir=runs/demo

is `make demo`: AE, SDN and OE-SDN on one digit in minutes, with the fast student (`sdn_fast`,
`oe_sdn_fast`: residual blocks at half resolution in place of the published RNAN).

    adjax sweep --config=mnist.py:table1 --workdir=runs/mnist/table1

is the published table on ten digits (means: OC-SVM 0.913, isolation forest 0.923, AnoGAN 0.913,
Deep SVDD 0.948, AE 0.961, SDN 0.958, OE-SDN 0.975), and `table3` the one of the auxiliary sets.
`table1,classes=1+3+8,seeds=0+1+2,methods=deep_svdd+vae` chooses digits, seeds and columns, which
may be any method of `adjax.methods` for small images; `table3,methods=oe_sdn_fast` is the table of
the auxiliary sets with the fast student.
"""

import functools

from adjax.configs import classes

ARGUMENTS = classes.ARGUMENTS
sweep = functools.partial(classes.sweep, dataset="mnist")


def get_config(arg: str = ""):
    """Return the config of `NAME[,WORD ...][,CHOICE=A+B ...]`, see `ARGUMENTS`."""
    return classes.get_config("mnist", arg)
