"""GANomaly's networks: their released size, layers and initialisation."""

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

from adjax.models.ganomaly import GANomaly, GANomalyDiscriminator

TINY = GANomaly(code_size=3, width=2)
TINY_DISCRIMINATOR = GANomalyDiscriminator(width=2)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 1)).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_parameter_counts_at_32_px(channels):
    # Kernels of 4 x 4; two numbers a channel of batch normalisation, which the first level lacks.
    levels = 64 * 128 + 128 * 256
    norms = 2 * (128 + 256)
    encoder = 16 * (channels * 64 + levels + 256 * 100) + norms
    decoder = 16 * (100 * 256 + levels + 64 * channels) + 2 * 64 + norms
    assert count(GANomaly(), (32, 32, channels)) == 2 * encoder + decoder
    discriminator = 16 * (channels * 64 + levels + 256) + norms
    assert count(GANomalyDiscriminator(), (32, 32, channels)) == discriminator
    if channels == 1:
        assert (2 * encoder + decoder, discriminator) == (3_200_384, 661_248)


def test_depth_follows_from_the_size():
    params = shapes_of(GANomaly(), (128, 128, 3))["params"]
    kernels = [layer["kernel"].shape for n, layer in params["encoder"].items() if "Conv" in n]
    assert kernels == [(4, 4, 3, 64), *((4, 4, 64 * n, 128 * n) for n in (1, 2, 4, 8))]
    assert params["encoder"]["code"]["kernel"].shape == (4, 4, 1024, 100)
    kernels = [layer["kernel"].shape for n, layer in params["decoder"].items() if "Conv" in n]
    assert kernels == [(4, 4, 1024, 100), *((4, 4, 64 * n, 128 * n) for n in (8, 4, 2, 1))]
    assert params["decoder"]["image"]["kernel"].shape == (4, 4, 3, 64)


def test_initial_values():
    image = jnp.zeros((1, 32, 32, 1), jnp.float32)
    params = jax.jit(GANomaly(width=32).init)(jax.random.key(0), image)["params"]
    values = {"kernel": [], "scale": [], "bias": []}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        values[path[-1].key].append(np.ravel(leaf))
    kernel, scale, bias = map(np.concatenate, values.values())
    assert kernel.mean() == pytest.approx(0, abs=1e-4)
    assert kernel.std() == pytest.approx(0.02, rel=0.01)
    assert scale.mean() == pytest.approx(1, abs=5e-3)
    assert scale.std() == pytest.approx(0.02, rel=0.2)
    assert (bias == 0).all()


def of(variables, name):
    return {key: tree[name] for key, tree in variables.items()}


def encoded(variables, x):
    """The oracle: PyTorch's padding of 1, two levels and the code."""
    params = variables["params"]
    for level in range(2):
        x = halved(x, params[f"Conv_{level}"]["kernel"])
        if level:
            x = normalised(x, variables, f"BatchNorm_{level - 1}")
        x = jnp.where(x > 0, x, 0.2 * x)
    kernel = params["code"]["kernel"]
    return jnp.einsum("bhwi,hwio->bo", x, kernel), x


def decoded(variables, code):
    """The oracle: 4 x 4 pixels of the code, doubled twice."""
    params = variables["params"]
    x = jnp.einsum("bi,hwoi->bhwo", code, params["ConvTranspose_0"]["kernel"])
    x = jax.nn.relu(normalised(x, variables, "BatchNorm_0"))
    for name, norm in (("ConvTranspose_1", "BatchNorm_1"), ("image", None)):
        x = doubled(x, params[name]["kernel"])
        x = jax.nn.relu(normalised(x, variables, norm)) if norm else jnp.tanh(x)
    return x


def test_generator_equals_the_layers_written_out(image):
    variables = random_variables(TINY, image.shape[1:])
    made, out = jax.jit(TINY.apply)(variables, image)
    code, _ = encoded(of(variables, "encoder"), image)
    desired = decoded(of(variables, "decoder"), code)
    again, _ = encoded(of(variables, "second_encoder"), desired)
    assert made.shape == image.shape
    assert np.ptp(desired) > 0.1
    np.testing.assert_allclose(out["code"], code, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(made, desired, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(out["code_of_reconstruction"], again, rtol=1e-4, atol=1e-5)


def test_discriminator_equals_the_layers_written_out(image):
    variables = random_variables(TINY_DISCRIMINATOR, image.shape[1:])
    logit, features = jax.jit(TINY_DISCRIMINATOR.apply)(variables, image)
    desired, seen = encoded(of(variables, "encoder"), image)
    assert features.shape == (3, 4, 4, 4)
    np.testing.assert_allclose(logit, desired[:, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(features, seen, rtol=1e-4, atol=1e-5)


def test_bfloat16_activations_keep_parameters_and_output_float32(image):
    for model in (TINY, TINY_DISCRIMINATOR):
        assert_returns_float32(model, image)


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 16, 1), (4, 4, 1)])
def test_what_does_not_fit_is_refused(shape):
    with pytest.raises(ValueError, match=r"needs square images of 8, 16, 32 \.\.\. px, these are"):
        shapes_of(TINY, shape)
