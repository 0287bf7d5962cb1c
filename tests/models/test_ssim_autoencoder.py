"""The SSIM autoencoder: its published size, its shapes, its bottleneck and its precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_helpers import random_variables, shapes_of

from adjax.models.ssim_autoencoder import SSIMAutoencoder

MODEL = SSIMAutoencoder(code_size=5)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((2, 128, 128, 1), np.float32)


@pytest.fixture(scope="module")
def variables(image):
    return random_variables(MODEL, image.shape[1:])


@pytest.mark.parametrize(
    ("channels", "count"),
    [(1, 1_048_549), (3, 1_050_599)],  # 1.049 M grey, 1.051 M RGB
)
def test_parameter_count_at_code_size_100(channels, count):
    params = shapes_of(SSIMAutoencoder(), (128, 128, channels))["params"]
    assert sum(x.size for x in jax.tree.leaves(params)) == count
    assert {x.dtype for x in jax.tree.leaves(params)} == {jnp.dtype("float32")}


def test_layers_are_those_of_the_table():
    params = shapes_of(SSIMAutoencoder(), (128, 128, 1))["params"]
    kernels = {name: layer["kernel"].shape for name, layer in params.items()}
    channels = (1, 32, 32, 32, 64, 64, 128, 64, 32)
    sizes = (4, 4, 3, 4, 3, 4, 3, 3, 8)
    encoder = [
        (size, size, *pair)
        for size, pair in zip(sizes, zip(channels, (*channels[1:], 100), strict=True), strict=True)
    ]
    # The kernel of a transposed layer is that of the convolution that it mirrors.
    assert [kernels[f"Conv_{i}"] for i in range(9)] == encoder
    assert [kernels[f"ConvTranspose_{i}"] for i in range(9)] == encoder[::-1]


def test_a_larger_image_takes_one_more_layer():
    image = jax.ShapeDtypeStruct((1, 256, 256, 3), jnp.float32)
    model = SSIMAutoencoder(extra_layers=1)
    (output, out), variables = jax.eval_shape(model.init_with_output, jax.random.key(0), image)
    assert output.shape == image.shape
    assert out["code"].shape == (1, 100)
    params = variables["params"]
    assert params["Conv_0"]["kernel"].shape == (4, 4, 3, 32)
    assert params["Conv_1"]["kernel"].shape == (4, 4, 32, 32)
    assert params["ConvTranspose_9"]["kernel"].shape == (4, 4, 3, 32)


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="needs images of 256 x 256 px"):
        shapes_of(SSIMAutoencoder(extra_layers=1), (128, 128, 1))


def lax_layer(params, x, size, stride, padding="SAME"):
    """A convolution, or with `size` the transpose of the one that takes images of that size."""

    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    if size is None:
        return convolve(x, params["kernel"]) + params["bias"].reshape(1, 1, 1, -1)
    like = jnp.zeros((len(x), size, size, params["kernel"].shape[2]))
    _, adjoint = jax.vjp(lambda image: convolve(image, params["kernel"]), like)
    return adjoint(x)[0] + params["bias"].reshape(1, 1, 1, -1)


def lax_autoencoder(params, x):
    """The oracle: the table written out with `lax` alone."""
    strides = (2, 2, 1, 2, 1, 2, 1, 1)
    for i, stride in enumerate(strides):
        x = jax.nn.leaky_relu(lax_layer(params[f"Conv_{i}"], x, None, stride), 0.2)
    code = lax_layer(params["Conv_8"], x, None, 1, "VALID")
    x = lax_layer(params["ConvTranspose_0"], code, 8, 1, "VALID")
    size = 8
    for i, stride in enumerate(reversed(strides)):
        size *= stride
        x = lax_layer(params[f"ConvTranspose_{i + 1}"], jax.nn.leaky_relu(x, 0.2), size, stride)
    return jax.nn.sigmoid(x), code[:, 0, 0]


def test_equals_the_table_written_out(variables, image):
    reconstruction, out = jax.jit(MODEL.apply)(variables, image)
    desired, code = jax.jit(lax_autoencoder)(variables["params"], image)
    assert np.ptp(desired) > 0.1
    np.testing.assert_allclose(reconstruction, desired, rtol=0, atol=1e-5)
    np.testing.assert_allclose(out["code"], code, rtol=1e-4, atol=1e-5)


def test_bfloat16_activations_keep_parameters_and_output_float32(variables, image):
    half = MODEL.clone(dtype=jnp.bfloat16)
    assert shapes_of(half, (128, 128, 1)) == shapes_of(MODEL, (128, 128, 1))
    reconstruction, out = jax.jit(half.apply)(variables, image)
    desired, _ = jax.jit(MODEL.apply)(variables, image)
    assert reconstruction.dtype == out["code"].dtype == jnp.float32
    difference = np.abs(reconstruction - desired).max()
    assert 0 < difference < 0.05
