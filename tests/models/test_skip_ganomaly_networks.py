"""Skip-GANomaly's networks: their released size and layers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_helpers import (
    assert_returns_float32,
    count,
    doubled,
    halved,
    normalised,
    random_variables,
    shapes_of,
)

from adjax.models.skip_ganomaly import SkipGANomaly, SkipGANomalyDiscriminator

TINY = SkipGANomaly(width=2)
TINY_DISCRIMINATOR = SkipGANomalyDiscriminator(code_size=3, width=2)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 1)).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_parameter_counts_at_32_px(channels):
    # Kernels of 4 x 4; the way up sees its own channels and those of the encoder.
    down = channels * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 512
    up = 512 * 512 + 1024 * 256 + 512 * 128 + 256 * 64 + 128 * channels
    norms = 2 * (128 + 256 + 512) + 2 * (512 + 256 + 128 + 64)
    generator = 16 * (down + up) + norms + channels  # and a bias a channel of the image
    assert count(SkipGANomaly(), (32, 32, channels)) == generator
    levels = channels * 64 + 64 * 128 + 128 * 256 + 256 * 100
    discriminator = 16 * levels + 2 * (128 + 256) + 100
    assert count(SkipGANomalyDiscriminator(), (32, 32, channels)) == discriminator
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


def block(variables, x, level=1, norms=0):
    """The oracle, written as pix2pix nests it: what lies below a level of four, and its input.

    Returns the output and how many normalisations there were so far.
    """
    params = variables["params"]
    innermost = level == 3
    x = jnp.where(x > 0, x, 0.2 * x)  # in place in the original: what is concatenated, too
    y = halved(x, params[f"Conv_{level}"]["kernel"])
    if not innermost:
        y, norms = normalised(y, variables, f"BatchNorm_{norms}"), norms + 1
        y, norms = block(variables, y, level + 1, norms)
    y = doubled(jax.nn.relu(y), params[f"ConvTranspose_{3 - level}"]["kernel"])
    return jnp.concatenate([x, normalised(y, variables, f"BatchNorm_{norms}")], -1), norms + 1


def test_generator_equals_the_nested_blocks_of_pix2pix(image):
    variables = random_variables(TINY, image.shape[1:])
    made, _ = jax.jit(TINY.apply)(variables, image)
    params = variables["params"]
    x, _ = block(variables, halved(image, params["Conv_0"]["kernel"]))
    desired = jnp.tanh(
        doubled(jax.nn.relu(x), params["image"]["kernel"])
        + params["image"]["bias"].reshape(1, 1, 1, -1)
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
        assert_returns_float32(model, image)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="SkipGANomaly needs square images of 8, 16"):
        shapes_of(TINY, (28, 28, 1))
