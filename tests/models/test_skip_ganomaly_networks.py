"""Skip-GANomaly's networks: their released size and layers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_helpers import random_variables, shapes_of

from adjax.models import SkipGANomaly, SkipGANomalyDiscriminator

TINY = SkipGANomaly(width=2)
TINY_DISCRIMINATOR = SkipGANomalyDiscriminator(code_size=3, width=2)
LAYOUT = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 1)).astype(np.float32)


def count_of(model, shape):
    return sum(x.size for x in jax.tree.leaves(shapes_of(model, shape)["params"]))


@pytest.mark.parametrize("channels", [1, 3])
def test_parameter_counts_at_32_px(channels):
    # Kernels of 4 x 4; the way up sees its own channels and those of the encoder.
    down = channels * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 512
    up = 512 * 512 + 1024 * 256 + 512 * 128 + 256 * 64 + 128 * channels
    norms = 2 * (128 + 256 + 512) + 2 * (512 + 256 + 128 + 64)
    generator = 16 * (down + up) + norms + channels  # and a bias a channel of the image
    assert count_of(SkipGANomaly(), (32, 32, channels)) == generator
    levels = channels * 64 + 64 * 128 + 128 * 256 + 256 * 100
    discriminator = 16 * levels + 2 * (128 + 256) + 100
    assert count_of(SkipGANomalyDiscriminator(), (32, 32, channels)) == discriminator
    if channels == 1:
        assert (generator, discriminator) == (16_652_929, 1_066_852)


def test_depth_follows_from_the_size():
    params = shapes_of(SkipGANomaly(), (128, 128, 3))["params"]
    channels = [3, 64, 128, 256, 512, 512, 512, 512]
    down = [params[f"Conv_{n}"]["kernel"].shape[2:] for n in range(7)]
    assert down == list(itertools.pairwise(channels))
    above = [512, *(2 * n for n in channels[-2:1:-1])]
    assert [params[f"ConvTranspose_{n}"]["kernel"].shape[2:] for n in range(6)] == [
        *zip(channels[-2:0:-1], above, strict=True)
    ]
    assert params["image"]["kernel"].shape == (4, 4, 3, 128)


def normalised(x, variables, number):
    name = f"BatchNorm_{number}"
    mean, var, scale, bias = (
        variables[collection][name][key].reshape(1, 1, 1, -1)
        for collection, key in (
            ("batch_stats", "mean"),
            ("batch_stats", "var"),
            ("params", "scale"),
            ("params", "bias"),
        )
    )
    return (x - mean) / jnp.sqrt(var + 1e-5) * scale + bias


def up(x, kernel):
    """A transposed convolution adds its kernel, weighted, at every second pixel."""
    size = 2 * x.shape[1]
    y = jnp.zeros((len(x), size + 2, size + 2, kernel.shape[2]), jnp.float32)
    for row in range(4):
        for column in range(4):
            part = jnp.einsum("bhwi,oi->bhwo", x, kernel[row, column])
            y = y.at[:, row : row + size : 2, column : column + size : 2].add(part)
    return y[:, 1:-1, 1:-1]


def block(variables, x, level=1, norms=0):
    """The oracle, written as pix2pix nests it: what lies below a level of four, and its input.

    Returns the output and how many normalisations there were so far.
    """
    params = variables["params"]
    innermost = level == 3
    x = jnp.where(x > 0, x, 0.2 * x)  # in place in the original: what is concatenated, too
    y = jax.lax.conv_general_dilated(
        x, params[f"Conv_{level}"]["kernel"], (2, 2), ((1, 1), (1, 1)), **LAYOUT
    )
    if not innermost:
        y, norms = normalised(y, variables, norms), norms + 1
        y, norms = block(variables, y, level + 1, norms)
    y = up(jax.nn.relu(y), params[f"ConvTranspose_{3 - level}"]["kernel"])
    return jnp.concatenate([x, normalised(y, variables, norms)], -1), norms + 1


def test_generator_equals_the_nested_blocks_of_pix2pix(image):
    variables = random_variables(TINY, image.shape[1:])
    made, _ = jax.jit(TINY.apply)(variables, image)
    params = variables["params"]
    x = jax.lax.conv_general_dilated(
        image, params["Conv_0"]["kernel"], (2, 2), ((1, 1), (1, 1)), **LAYOUT
    )
    x, _ = block(variables, x)
    desired = jnp.tanh(
        up(jax.nn.relu(x), params["image"]["kernel"]) + params["image"]["bias"].reshape(1, 1, 1, -1)
    )
    assert made.shape == image.shape
    assert np.ptp(desired) > 0.1
    np.testing.assert_allclose(made, desired, rtol=1e-4, atol=1e-5)


def test_number_of_the_discriminator_is_a_weighted_sum_of_its_features(image):
    variables = random_variables(TINY_DISCRIMINATOR, image.shape[1:])
    logit, features = jax.jit(TINY_DISCRIMINATOR.apply)(variables, image)
    assert features.shape == (3, 3)
    assert np.ptp(features) > 0.01
    weights = variables["params"]["logit"]["kernel"]
    np.testing.assert_allclose(logit, (features @ weights)[:, 0], rtol=1e-5)


def test_bfloat16_activations_keep_parameters_and_output_float32(image):
    for model in (TINY, TINY_DISCRIMINATOR):
        half = model.clone(dtype=jnp.bfloat16)
        variables = shapes_of(half, image.shape[1:])
        assert variables == shapes_of(model, image.shape[1:])
        found = jax.eval_shape(half.apply, variables, image)
        assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype("float32")}


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="SkipGANomaly needs square images of 8, 16"):
        shapes_of(TINY, (28, 28, 1))
