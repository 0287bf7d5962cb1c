"""One-class MNIST: style distillation, Tables 1 and 3 of Chung et al. 2020.

    python launch.py --config=configs/mnist.py:oe_sdn --workdir=runs/mnist/oe_sdn

trains on one digit (`--config.data.normal_class=3`) and tests on all. Published AUROC for digit 3:
AE 0.950, SDN 0.933, OE-SDN 0.974. Variants after the method: `light` (the student has four
groups), `faithful` (ten, the published RNAN; an accelerator's work), `smoke` (a minute's test of
the whole path; its numbers mean nothing).

    python launch.py --mode=sweep --config=configs/mnist.py:demo --workdir=runs/demo

is `make demo`: AE, SDN and OE-SDN on one digit within ten minutes on two CPU cores. Its students
train for fewer steps than the default ones.
"""

from configs import base

METHODS = ("oe_sdn", "sdn", "ae", "demo")


def get_config(arg: str = ""):
    """`arg` is METHOD[,light|faithful][,smoke]; demo is OE-SDN in minutes, see `sweep`."""
    method, *variants = base.parse(arg, METHODS, ("light", "faithful", "smoke"))
    config = base.defaults()
    if method == "demo":
        config.student.steps = 500
    else:
        config.method = method
    if "light" in variants:
        config.student.groups = 4
    if "faithful" in variants:
        config.student.groups = 10
    if "smoke" in variants:
        config.teacher.update(steps=20, widths=(4, 8, 8), batch_size=16, code_size=4)
        config.student.update(steps=10, features=4, batch_size=8)
        config.data.test_split = "test[:400]"
        config.log_every = 5
        config.checkpoint_every = 10
    return config


def sweep(add, arg: str = ""):
    """`demo`: the three methods of Table 1 on one digit, for --mode=sweep."""
    if arg.split(",")[0] == "demo":
        for method in ("ae", "sdn", "oe_sdn"):
            add(method, {"method": method})
