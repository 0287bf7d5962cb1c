"""Tiny sweeps."""

import json
from unittest import mock

from adjax import sweeps
from adjax.sweeps import plan
from adjax.training import Estimate
from configs import mnist

SWEEP = """
from math import inf

def sweep(add, arg=""):
    for name, values in {runs}:
        add(name, values)
"""
TINY = {
    "data.train_split": "train[:2000]",
    "data.test_split": "test[:100]",
    "teacher.steps": 4,
    "student.steps": 4,
    "log_every": 2,
    "checkpoint_every": 2,
    "mesh.member": 1,
    "mesh.data": 1,
}


def write(folder, runs):
    """A config file whose sweep has these runs, pairs of name and values (numbers as numbers)."""
    path = folder / "config.py"
    path.write_text(SWEEP.format(runs=runs))
    return str(path)


def planned(folder, runs, **overrides):
    """The runs of a tiny sweep in `folder`."""
    config = mnist.get_config("oe_sdn,smoke")
    config.update_from_flattened_dict(TINY | overrides)
    return sweeps.with_cache(sweeps.expand(write(folder, runs), "", config), folder)


def plan_of(runs, folder, memory=1 << 33, **resources):
    """Their plan, as if a member needed 1 kB and as much for work: no program has to be traced."""
    with mock.patch.object(plan, "estimate_stage", return_value=Estimate(1000, 1000, 1.0)):
        return sweeps.make_plan(runs, folder, sweeps.Resources(memory=memory, **resources))


def results(folder):
    """`results.json` of a run."""
    return json.loads((folder / "results.json").read_text())
