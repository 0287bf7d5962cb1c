"""Tiny sweeps."""

import json
import random
from pathlib import Path
from unittest import mock

from adjax.sweeps import plan
from adjax.sweeps.expand import expand, with_cache
from adjax.training.estimates import Estimate
from configs import mnist

SWEEP = """
from math import inf

def sweep(add, arg=""):
    for name, values in {runs}:
        add(name, values)
"""
# The networks of `training_helpers.TINY`: their compiled programs are found on the disk.
TINY = {
    "data.train_split": "train[:2000]",
    "data.test_split": "test[:100]",
    "teacher.steps": 8,
    "student.steps": 8,
    "student.groups": 1,
    "student.nonlocal_groups": (0,),
    "log_every": 2,
    "checkpoint_every": 4,
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
    return with_cache(expand(write(folder, runs), "", config), folder)


def plan_of(runs, folder, memory=1 << 33, **resources):
    """Their plan, as if a member needed 1 kB and as much for work: no program has to be traced."""
    with mock.patch.object(plan, "estimate_stage", return_value=Estimate(1000, 1000, 1.0)):
        return plan.make_plan(runs, folder, plan.Resources(memory=memory, **resources))


def results(folder):
    """`results.json` of a run."""
    return json.loads((folder / "results.json").read_text())


def worker_at_work(driver):
    """The number of a Ray worker below `driver` that performs a task, or None."""
    parents, titles = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
                )
                titles[int(entry.name)] = (entry / "cmdline").read_bytes()
            except OSError:  # it has ended
                continue

    def below(process):
        while process in parents:
            process = parents[process]
            if process == driver:
                return True
        return False

    found = [p for p, title in titles.items() if title.startswith(b"ray::_perform") and below(p)]
    return random.choice(found) if found else None
