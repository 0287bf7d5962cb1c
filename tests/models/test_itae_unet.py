"""The U-Net of ITAE: its parameters by hand, its output by TensorFlow."""

import jax
import numpy as np
import pytest
import tensorflow as tf
from model_helpers import random_variables, shapes_of

from adjax.models.itae_unet import ITAEUNet

WIDTHS = (3, 4, 5, 6)


def count(tree):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("channels", [1, 3])
def test_parameters(channels):
    # A pair of convolutions from i to o channels: 9 i o + 9 o o, and two a channel in each
    # normalisation. The encoder begins with the mean of the channels; the decoder's pairs see
    # what is below and the encoder's level; the last convolution has no bias.
    encoder = [(1, 64), (64, 128), (128, 256), (256, 512), (512, 512)]
    decoder = [(512 + 512, 256), (256 + 256, 128), (128 + 128, 64), (64 + 64, 64)]
    by_hand = sum(9 * i * o + 9 * o * o + 4 * o for i, o in encoder + decoder) + 9 * 64 * channels
    assert by_hand == {1: 13_390_720, 3: 13_391_872}[channels]
    assert count(shapes_of(ITAEUNet(), (28, 28, channels))["params"]) == by_hand


def naive(variables, image):
    """The network in TensorFlow, layer by layer, with the statistics of training."""
    numbers = iter(range(100))

    def layer(x):
        n = next(numbers)
        params, statistics = (variables[c][f"BatchNorm_{n}"] for c in ("params", "batch_stats"))
        x = tf.nn.conv2d(x, variables["params"][f"Conv_{n}"]["kernel"], 1, "SAME")
        moments = statistics["mean"], statistics["var"]
        x = tf.nn.batch_normalization(x, *moments, params["bias"], params["scale"], 1e-5)
        return tf.nn.relu(x)

    x, skips = layer(layer(tf.reduce_mean(image, -1, keepdims=True))), []
    for _ in WIDTHS[1:]:
        skips.append(x)
        x = layer(layer(tf.nn.max_pool2d(x, 2, 2, "VALID")))
    for skip in reversed(skips):
        size = [2 * n for n in x.shape[1:3]]
        x = tf.compat.v1.image.resize_bilinear(x, size, align_corners=True)
        x = tf.image.pad_to_bounding_box(x, 0, 0, *skip.shape[1:3])
        x = layer(layer(tf.concat([skip, x], -1)))
    last = variables["params"][f"Conv_{next(numbers)}"]["kernel"]
    return tf.tanh(tf.nn.conv2d(x, last, 1, "SAME")).numpy()


@pytest.mark.parametrize(("size", "channels"), [((16, 24), 1), ((15, 11), 3)])
def test_output(size, channels):
    model = ITAEUNet(WIDTHS)
    image = np.random.default_rng(0).uniform(-1, 1, (2, *size, channels)).astype(np.float32)
    variables = random_variables(model, image.shape[1:])
    restored, out = jax.jit(model.apply)(variables, image)
    assert out == {}
    assert restored.shape == image.shape
    np.testing.assert_allclose(restored, naive(variables, image), rtol=0, atol=1e-5)


def test_colour_is_not_seen():
    model = ITAEUNet((4, 4))
    image = np.random.default_rng(0).random((2, 4, 4, 3), np.float32)
    variables = random_variables(model, (4, 4, 3))
    restored, other = (model.apply(variables, x)[0] for x in (image, image[..., ::-1]))
    np.testing.assert_allclose(restored, other, rtol=0, atol=1e-6)


def test_images_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="at least 16 px"):
        shapes_of(ITAEUNet(), (28, 15, 1))


def test_bfloat16_gives_about_the_same():
    model = ITAEUNet(WIDTHS)
    image = np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 1)).astype(np.float32)
    variables = random_variables(model, (16, 16, 1))
    exact = jax.jit(model.apply)(variables, image)[0]
    rough = jax.jit(model.copy(dtype="bfloat16").apply)(variables, image)[0]
    assert rough.dtype == np.float32
    np.testing.assert_allclose(rough, exact, rtol=0, atol=0.1)
