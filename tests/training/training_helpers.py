"""Small real runs for the tests of training."""

import contextlib
import json

import jax
import numpy as np
import pytest
from PIL import Image

from adjax.config.layout import check
from adjax.run import build_method, make_population
from adjax.training import MetricsLog, loop, train_stage
from configs import folder, mnist

ONE_DEVICE = {"mesh.member": 1, "mesh.data": 1}
# Adam divides by the root of the second moment: rounding of a gradient near zero is amplified.
ROUNDING = 2e-4
TINY = {
    "data.train_split": "train[:2000]",
    "data.test_split": "test[:100]",
    "teacher.steps": 8,
    "student.steps": 8,
    "student.groups": 1,  # with a non-local block: it has every part
    "student.nonlocal_groups": (0,),
    "log_every": 2,
    "checkpoint_every": 4,
}
_METHODS = {}


def tiny_values(argument: str) -> dict:
    """The values of `TINY` that a config of `configs/mnist.py` has, by dotted keys."""
    known = check(mnist.get_config(f"{argument},smoke")).leaves()
    return {key: value for key, value in TINY.items() if key in known}


def tiny_config(argument: str, **overrides):
    """A config of `configs/mnist.py` cut down to seconds; overrides use dotted keys."""
    config = mnist.get_config(f"{argument},smoke")
    config.update_from_flattened_dict(tiny_values(argument) | overrides)
    return config


def method_of(config):
    """The config's method: one for all configs of the same sections, which thus share programs."""
    settings = check(config)
    patches = (settings.data.window, settings.windows) if settings.data.window else ()
    key = repr((settings.method, settings.sections, patches))
    if key not in _METHODS:
        _METHODS[key] = build_method(settings)
    return _METHODS[key]


def population_of(config, workdir, method=None):
    """The population of a config's run."""
    return make_population(check(config), method or method_of(config), workdir)


def train(config, workdir, method=None):
    """Train all stages; returns variables by stage as NumPy arrays, leaves `[P, ...]`."""
    workdir.mkdir(exist_ok=True)
    population = population_of(config, workdir, method)
    variables = {}
    with MetricsLog(workdir, population.members.labels) as log:
        for index, stage in enumerate(population.method.stages):
            variables[stage.name], _ = train_stage(population, index, variables, log)
    return jax.device_get(variables)


def records(workdir):
    """The log of a run."""
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def timeless_records(workdir):
    """The log of a run without what a clock measures."""
    return [{k: v for k, v in r.items() if k != "images_per_second"} for r in records(workdir)]


class Interrupted(Exception):
    """Stands for a crash between two steps."""


@contextlib.contextmanager
def interrupted(at=6, stage=None):
    """Interrupt what trains in a block, when step `at` of a stage, or of any, is over."""
    batches = loop.stage_batches

    def failing(population, current, steps):
        for number, batch in enumerate(batches(population, current, steps), steps.start):
            if stage in (None, current.name) and number == at:
                raise Interrupted
            yield batch

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(loop, "stage_batches", failing)
        with pytest.raises(Interrupted):
            yield


def train_interrupted(config, workdir, stage):
    """Train until the seventh step of a stage is about to begin, and no further."""
    with interrupted(stage=stage):
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
    config = folder.get_config(f"{method},smoke")
    size = config.data.patch or 32  # some networks take 128 px only
    rng = np.random.default_rng(0)
    directory.mkdir(exist_ok=True)
    for number in range(10):
        # Coarse noise: networks and stains have something to see at any size.
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8))
        coarse.resize((size, size)).save(directory / f"{number}.png")
    rates = {"uncertainty.aesc": (0.1, 0.2)} if "uncertainty" in config else {}
    config.update_from_flattened_dict(
        {
            "data.dir": str(directory),
            "data.size": size,
            "data.channels": 1,
            "autoencoder.batch_size": 8,
            "autoencoder.depth": 2,
            "autoencoder.kernel": 3,
            "select": "last",
            **rates,
            **overrides,
        }
    )
    return config
