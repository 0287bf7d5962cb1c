"""The fast student: its size, its layers against TensorFlow's, and where it starts."""

import jax
import numpy as np
import pytest
import tensorflow as tf
from model_helpers import random_variables, shapes_of

from adjax.models.residual import HalfResolutionResNet

TINY = HalfResolutionResNet(blocks=2, features=4)


@pytest.mark.parametrize(
    ("blocks", "channels", "count"), [(8, 1, 150_308), (4, 1, 76_324), (8, 3, 154_924)]
)
def test_parameter_count(blocks, channels, count):
    model = HalfResolutionResNet(blocks=blocks)
    params = shapes_of(model, (28, 28, channels))["params"]
    assert sum(x.size for x in jax.tree.leaves(params)) == count


@pytest.mark.parametrize("shape", [(6, 8, 1), (7, 9, 3)])
def test_output_is_that_of_the_layers_by_tensorflow(shape):
    variables = random_variables(TINY, shape, seed=3)
    params = variables["params"]
    image = np.random.default_rng(0).random((2, *shape), np.float32)

    def conv(x, layer):
        return tf.nn.conv2d(x, layer["kernel"], 1, "SAME") + layer["bias"]

    # One row or column more is the last one repeated.
    even = np.pad(image, ((0, 0), (0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
    x = conv(tf.nn.space_to_depth(even, 2), params["head"])
    for block in (params["block_0"], params["block_1"]):
        x += conv(tf.nn.relu(conv(tf.nn.relu(x), block["Conv_0"])), block["Conv_1"])
    desired = image + tf.nn.depth_to_space(conv(x, params["tail"]), 2)[:, : shape[0], : shape[1]]
    actual, others = jax.jit(TINY.apply)(variables, image)
    assert others == {}
    np.testing.assert_allclose(actual, desired, atol=1e-4 * np.abs(desired).max())


def test_it_starts_as_the_identity():
    image = np.random.default_rng(0).random((2, 6, 8, 3), np.float32)
    output, _ = TINY.apply(TINY.init(jax.random.key(0), image), image)
    np.testing.assert_array_equal(output, image)
