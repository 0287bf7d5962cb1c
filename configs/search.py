"""Hyper-parameter searches on one digit of MNIST.

    adjax search --config=search.py:ae --workdir=runs/search/ae

draws the learning rate and the weight decay of the autoencoder, digit 4; `oe_sdn_fast` the learning
rate of the fast student and lambda, for one teacher. `ae,smoke` and `oe_sdn_fast,smoke` search in
seconds, to see that all works; their numbers mean nothing.
"""

from adjax import grid
from adjax.config.layout import new_config
from adjax.errors import UserError

SPACES = {
    "ae": {
        "teacher.learning_rate": grid.loguniform(1e-4, 3e-2),
        "teacher.weight_decay": grid.loguniform(1e-6, 1e-1),
    },
    "oe_sdn_fast": {
        "student.learning_rate": grid.loguniform(1e-4, 1e-2),
        "student.loss_weight": grid.uniform(0.1, 0.9),
    },
}
# A quarter and a half of the steps are checkpoints, where trials are judged.
_CHECKPOINTS = {
    "ae": {"log_every": 15, "checkpoint_every": 135},
    "oe_sdn_fast": {"log_every": 10, "checkpoint_every": 600},
}
_SMOKE = {"log_every": 1, "checkpoint_every": 1}


def get_config(arg: str = ""):
    """Return what the trials of `NAME[,smoke]` have in common."""
    name, smoke = _parse(arg)
    config = new_config("mnist", name, smoke=smoke, changes={"data.normal_class": 4})
    config.update_from_flattened_dict(_SMOKE if smoke else _CHECKPOINTS[name])
    return config


def sweep(add, argument):
    """Add the one point whose values are drawn."""
    add("trials", SPACES[_parse(argument)[0]])


def _parse(arg: str) -> tuple[str, bool]:
    name, _, word = (arg or "ae").partition(",")
    if name not in SPACES or word not in ("", "smoke"):
        known = ", ".join(f"{name}[,smoke]" for name in SPACES)
        raise UserError(f"--config=configs/search.py:{arg}: give one of {known}")
    return name, word == "smoke"
