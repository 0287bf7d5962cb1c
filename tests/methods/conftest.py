"""Shared by the tests of methods: all methods on images of 8 x 8 and a random teacher."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from jax.sharding import Mesh, PartitionSpec
from method_helpers import WINDOW, build_method, sections_of
from model_helpers import random_variables

from adjax.methods import infos
from adjax.methods.stage import DATA_AXIS
from adjax.models.conv_autoencoder import ConvAutoencoder
from adjax.models.rnan import RNAN


@pytest.fixture(scope="session")
def methods():
    """Every method by its name."""
    return {name: build_method(name) for name in infos()}


@pytest.fixture(scope="session")
def batch():
    """Four normal and four auxiliary images."""
    images = np.random.default_rng(0).random((2, 4, 8, 8, 1), np.float32)
    return {"image": images[0], "auxiliary": images[1]}


@pytest.fixture(scope="session")
def networks():
    """`name -> (variables, image -> output)`: random weights, statistics unlike any batch's."""
    sections = sections_of("oe_sdn")
    teacher, student = sections.teacher, sections.student
    models = {
        "teacher": ConvAutoencoder(teacher.code_size, teacher.widths),
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
