"""Small real runs for the tests of training."""

import jax
import numpy as np

from adjax.experiment import create_trainer
from adjax.methods import create_method
from adjax.training import MetricsLog, train_stage
from configs import mnist


def tiny_config(argument: str, **overrides):
    """A config of `configs/mnist.py` cut down to seconds; overrides use dotted keys."""
    config = mnist.get_config(f"{argument},smoke")
    config.update_from_flattened_dict(
        {
            "data.train_split": "train[:2000]",
            "data.test_split": "test[:100]",
            "teacher.steps": 8,
            "student.steps": 4,
            "log_every": 2,
            "checkpoint_every": 4,
            **overrides,
        }
    )
    return config


def train(config, workdir):
    """Train all stages; returns variables by stage as NumPy arrays, leaves `[P, ...]`."""
    workdir.mkdir(exist_ok=True)
    method = create_method(config)
    trainer = create_trainer(config, method, workdir)
    variables = {}
    with MetricsLog(workdir, trainer.labels) as log:
        for index, stage in enumerate(method.stages):
            variables[stage.name], _ = train_stage(trainer, index, variables, log)
    return jax.device_get(variables)


def assert_trees_close(a, b, atol):
    """Equal structure, and every leaf within `atol`; 0 means bit-equal."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if atol:
            np.testing.assert_allclose(x, y, rtol=0, atol=atol)
        else:
            np.testing.assert_array_equal(x, y)


def member(tree, row):
    """One member of a population's tree, with its leading axis kept."""
    return jax.tree.map(lambda x: x[row : row + 1], tree)
