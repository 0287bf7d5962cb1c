"""Small real runs for the tests of training."""

import jax
import numpy as np
import pytest
from PIL import Image

from adjax.experiment import create_trainer
from adjax.methods import create_method
from adjax.training import MetricsLog, loop, train_stage
from configs import folder, industrial, mnist


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


def train(config, workdir, method=None):
    """Train all stages; returns variables by stage as NumPy arrays, leaves `[P, ...]`."""
    workdir.mkdir(exist_ok=True)
    method = method or create_method(config)
    trainer = create_trainer(config, method, workdir)
    variables = {}
    with MetricsLog(workdir, trainer.labels) as log:
        for index, stage in enumerate(method.stages):
            variables[stage.name], _ = train_stage(trainer, index, variables, log)
    return jax.device_get(variables)


class Interrupted(Exception):
    """Stands for a crash between two steps."""


def train_interrupted(config, workdir, stage):
    """Train until the seventh step of a stage is about to begin, and no further."""
    batches = loop.stage_batches

    def failing(trainer, current, steps):
        for number, batch in enumerate(batches(trainer, current, steps), steps.start):
            if current.name == stage and number == 6:
                raise Interrupted
            yield batch

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(loop, "stage_batches", failing)
        with pytest.raises(Interrupted):
            train(config, workdir)


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


def industrial_config(directory, method: str, **overrides):
    """A config of `configs/folder.py` cut down to seconds, on ten images that are written here."""
    size = 128 if method in industrial.BERGMANN else 32
    rng = np.random.default_rng(0)
    directory.mkdir(exist_ok=True)
    for number in range(10):
        # Coarse noise: networks and stains have something to see at any size.
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8))
        coarse.resize((size, size)).save(directory / f"{number}.png")
    config = folder.get_config(f"{method},smoke")
    config.update_from_flattened_dict(
        {
            "data.dir": str(directory),
            "data.size": size,
            "data.channels": 1,
            "data.patch": size if config.data.patch else 0,
            "autoencoder.batch_size": 8,
            "autoencoder.depth": 2,
            "autoencoder.kernel": 3,
            "uncertainty.aesc": (0.1, 0.2),
            "select": "last",
            **overrides,
        }
    )
    return config
