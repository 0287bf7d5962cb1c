"""Shared by the tests of methods: the smoke config on images of 8 x 8 and a random teacher."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from jax.sharding import Mesh, PartitionSpec
from ml_collections import ConfigDict
from model_helpers import random_variables

from adjax.methods import DATA_AXIS, METHODS, create_method
from adjax.models import RNAN, ConvAutoencoder

WINDOW = 7
AUTOENCODER = {
    "batch_size": 4,
    "steps": 8,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "schedule": "constant",
    "corruption": "stain",
    "depth": 2,
    "width": 4,
    "kernel": 3,
    "code_size": 4,
    "extra_layers": 0,
}


@pytest.fixture(scope="session")
def config_of():
    """`method -> config`, the smallest that has every part."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2])
        from configs import mnist

    def get(name):
        config = mnist.get_config("ae,smoke")
        config.method = name
        config.autoencoder = ConfigDict(AUTOENCODER)
        config.corruption = ConfigDict({"stain": {"blur": 0.0}})
        config.uncertainty = ConfigDict({"passes": 6, "aesc": (0.2, 0.5), "ae_d6": (0.0, 0.5)})
        config.distance.window = WINDOW
        config.teacher.widths = (4, 8)
        config.student.groups = 1
        config.student.nonlocal_groups = (0,)
        return config

    return get


@pytest.fixture(scope="session")
def methods(config_of):
    """Every method by its name."""
    return {name: create_method(config_of(name)) for name in METHODS}


@pytest.fixture(scope="session")
def batch():
    """Four normal and four auxiliary images."""
    images = np.random.default_rng(0).random((2, 4, 8, 8, 1), np.float32)
    return {"image": images[0], "auxiliary": images[1]}


@pytest.fixture(scope="session")
def networks(config_of):
    """`name -> (variables, image -> output)`: random weights, statistics unlike any batch's."""
    config = config_of("oe_sdn")
    student = config.student
    models = {
        "teacher": ConvAutoencoder(config.teacher.code_size, config.teacher.widths),
        "student": RNAN(student.groups, student.nonlocal_groups, student.features),
    }

    def network(model):
        variables = random_variables(model, (8, 8, 1), seed=1)
        return variables, jax.jit(lambda image: model.apply(variables, image)[0])

    return {name: network(model) for name, model in models.items()}


@pytest.fixture(scope="session")
def variables(networks):
    """Variables by stage, as a method's score takes them."""
    return {name: variables for name, (variables, _) in networks.items()}


@pytest.fixture(scope="session")
def distance():
    """d of two batches of images by TensorFlow's SSIM."""

    def d(a, b):
        a, b = np.asarray(a), np.asarray(b)
        ssim = tf.image.ssim(a, b, 1.0, filter_size=WINDOW).numpy()
        return (1 - ssim) / 2 + ((a - b) ** 2).mean((1, 2, 3))

    return d


@pytest.fixture(scope="session")
def on_two_devices():
    """Compile a stage's update for a mesh on which two devices share the batch."""
    mesh = Mesh(np.array(jax.devices()[:2]), (DATA_AXIS,))
    whole, shared = PartitionSpec(), PartitionSpec(DATA_AXIS)

    @functools.cache
    def compiled(update):
        specs = whole, whole, shared, whole, whole
        return jax.jit(
            jax.shard_map(update, mesh=mesh, in_specs=specs, out_specs=whole, check_vma=False)
        )

    return compiled


@pytest.fixture(scope="session")
def first_state():
    """State of a stage before its first update, with the given variables for its model's."""

    def state(stage, variables):
        image = jax.ShapeDtypeStruct((1, 8, 8, 1), jnp.float32)
        shapes = jax.eval_shape(stage.init, jax.random.key(0), image)
        zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
        model_state = {name: tree for name, tree in variables.items() if name != "params"}
        assert zeros.model_state.keys() == model_state.keys()
        return zeros.replace(params=variables["params"], model_state=model_state)

    return state
