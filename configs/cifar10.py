"""One-class CIFAR-10 in colour: style distillation, Tables 1 and 3 of Chung et al. 2020.

    adjax prepare_data --dataset=cifar10
    adjax train --config=cifar10.py:oe_sdn --workdir=runs/cifar10/oe_sdn

`--source=FILE.npz` prepares it from a file instead of downloading it. The run trains on one class
(`--config.data.normal_class=0`, airplane) and tests on all. SSIM is taken per channel, the anomaly
map is the mean over channels.

Published AUROC, AE / SDN / OE-SDN, by class:

    airplane .790 .677 .774   automobile .661 .671 .821   bird  .647 .598 .638
    cat      .515 .520 .569   deer       .587 .582 .594   dog   .571 .535 .659
    frog     .596 .648 .629   horse      .630 .611 .755   ship  .783 .707 .844
    truck    .623 .608 .784   mean       .640 .616 .707

    adjax sweep --config=cifar10.py:table1 --workdir=runs/cifar10/table1

is that table, and `table3` the one of the auxiliary sets. Variants and the other words of the
argument are those of `configs/mnist.py`.

The paper states no settings. The teacher's code of 8 is our default, chosen on training images of
truck and frog: codes of 4, 8, 16 and 64 gave .505, .545, .471 and .462 on truck, .648, .592, .519
and .392 on frog (docs/methods.md).
"""

import functools

from adjax.configs import classes

ARGUMENTS = classes.ARGUMENTS
sweep = functools.partial(classes.sweep, dataset="cifar10", normal_class=0)


def get_config(arg: str = ""):
    """Return the config of `NAME[,WORD ...][,CHOICE=A+B ...]`, see `ARGUMENTS`."""
    return classes.get_config("cifar10", arg, normal_class=0)
