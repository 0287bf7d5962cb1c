"""A training step by input and by steps a call: what is left of it beside the network's own work.

The product's own loop trains a stage, log and all; seconds are those that its record counts,
without compilation, validation and checkpoints. The variants take turns.
"""

import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

from adjax.config.layout import check
from adjax.run import build_method, make_population
from adjax.training import open_log, train_stage
from benchmarks.measuring import Repeats
from configs import mnist

VARIANTS = {
    "tfdata, 1 step a call": {"input": "tfdata"},
    "device, 1 step a call": {"input": "device", "steps_per_dispatch": 1},
    "device, 10 steps a call": {"input": "device", "steps_per_dispatch": 10},
}


class Training(NamedTuple):
    """A stage that is trained.

    Attributes:
      name: name in the table.
      argument: of `configs/mnist.py`.
      values: of the config, by dotted keys; its `teacher.steps` are what is timed.

    """

    name: str
    argument: str
    values: dict


TRAININGS = (
    Training("tiny AE, batch 8", "ae,smoke", {"teacher.steps": 400, "teacher.batch_size": 8}),
    Training("teacher, batch 128", "ae", {"teacher.steps": 30}),
)


def measure(repeats: int, trainings: tuple[Training, ...] = TRAININGS) -> list[dict]:
    """Measure a row for each training and variant; the first turn does not count."""
    return [row for training in trainings for row in _rows(training, repeats)]


def _rows(training: Training, repeats: int) -> list[dict]:
    steps, settings = training.values["teacher.steps"], {}
    for name, own in VARIANTS.items():
        config = mnist.get_config(training.argument)
        never = {"log_every": 10, "checkpoint_every": 10 * steps, "checkpoint_minutes": 1e6}
        config.update_from_flattened_dict(training.values | never | own)
        settings[name] = check(config)
    method = build_method(next(iter(settings.values())))  # one: programs are compiled once
    turns = [
        {name: _seconds(own, method) / steps for name, own in settings.items()}
        for _ in range(repeats + 1)
    ][1:]
    first = next(iter(VARIANTS))
    return [
        {
            "case": training.name,
            "images": name,
            "seconds": statistics.median(turn[name] for turn in turns),
            "spread": Repeats(tuple(turn[name] for turn in turns)).spread,
            "faster": statistics.median(turn[first] / turn[name] for turn in turns),
        }
        for name in VARIANTS
    ]


def _seconds(settings, method) -> float:
    """Train the first stage of a method in a folder of its own; return its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        population = make_population(settings, method, Path(folder))
        with open_log(Path(folder), population.members.labels) as log:
            _, record = train_stage(population, 0, {}, log)
    return record["train_seconds"]
