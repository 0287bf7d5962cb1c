"""The U-Net autoencoder: its released size, its layers and statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_helpers import random_variables, shapes_of

from adjax.models.unet_autoencoder import UNetAutoencoder

TINY = UNetAutoencoder(width=2)
KERNELS = (11, 9, 7, 5, 3)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((2, 32, 16, 1), np.float32)


@pytest.fixture(scope="module")
def variables(image):
    return random_variables(TINY, image.shape[1:])


def test_parameter_count():
    params = shapes_of(UNetAutoencoder(), (512, 512, 1))["params"]
    assert sum(x.size for x in jax.tree.leaves(params)) == 1_599_267


def test_layers_are_those_of_the_released_code():
    params = shapes_of(UNetAutoencoder(), (64, 64, 1))["params"]
    kernels = {name: layer["kernel"].shape for name, layer in params.items() if "kernel" in layer}
    assert [kernels[f"Conv_{i}"] for i in range(6)] == [
        (11, 11, 1, 48),
        *((size, size, 48, 48) for size in KERNELS[1:]),
        (1, 1, 96, 1),
    ]
    assert [kernels[f"ConvTranspose_{i}"] for i in range(4)] == [
        (5, 5, 48, 48),
        *((size, size, 48, 96) for size in (7, 9, 11)),
    ]


def written_out(variables, x):
    """The oracle, PyTorch's arithmetic: padding (k - 1) / 2, output padding 1."""
    params, statistics = variables["params"], variables["batch_stats"]
    layout = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
    count = iter(range(10))

    def finish(x, layer):
        number = next(count)
        mean, var, scale, bias = (
            tree[f"BatchNorm_{number}"][name].reshape(1, 1, 1, -1)
            for tree, name in (
                (statistics, "mean"),
                (statistics, "var"),
                (params, "scale"),
                (params, "bias"),
            )
        )
        x = (x + layer["bias"].reshape(1, 1, 1, -1) - mean) / jnp.sqrt(var + 1e-5) * scale + bias
        return jnp.where(x > 0, x, 0.2 * x)

    def down(x, number, stride):
        layer = params[f"Conv_{number}"]
        pad = len(layer["kernel"]) // 2
        y = jax.lax.conv_general_dilated(
            x, layer["kernel"], (stride,) * 2, ((pad, pad),) * 2, **layout
        )
        return finish(y, layer)

    def up(x, number):
        layer = params[f"ConvTranspose_{number}"]
        kernel = layer["kernel"][::-1, ::-1].transpose(0, 1, 3, 2)
        size = len(kernel)
        pad = size - 1 - size // 2
        y = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), ((pad, pad + 1),) * 2, lhs_dilation=(2, 2), **layout
        )
        return finish(y, layer)

    levels = [down(x, 0, 1)]
    for number in range(1, 5):
        levels.append(down(levels[-1], number, 2))
    x = levels.pop()
    for number in range(4):
        x = jnp.concatenate([up(x, number), levels.pop()], -1)
    return down(x, 5, 1)


def test_equals_the_layers_written_out(variables, image):
    output, _ = jax.jit(TINY.apply)(variables, image)
    desired = jax.jit(written_out)(variables, image)
    assert output.shape == image.shape
    assert np.ptp(desired) > 0.1
    np.testing.assert_allclose(output, desired, rtol=1e-4, atol=1e-4)


def test_training_updates_running_statistics(variables, image):
    apply = jax.jit(lambda v, x: TINY.apply(v, x, train=True, mutable=["batch_stats"]))
    (output, _), updated = apply(variables, image)
    # The last layer is normalised: without its scale, shift and slope it has mean 0, variance 1.
    scale, bias = (variables["params"]["BatchNorm_9"][name][0] for name in ("scale", "bias"))
    normal = (jnp.where(output > 0, output, output / 0.2) - bias) / scale
    assert float(normal.mean()) == pytest.approx(0, abs=1e-3)
    assert float(normal.std()) == pytest.approx(1, abs=1e-2)
    for name in ("mean", "var"):
        new, old = (
            tree["BatchNorm_9"][name] for tree in (updated["batch_stats"], variables["batch_stats"])
        )
        assert (new != old).all()


def test_bfloat16_activations_keep_parameters_and_output_float32(variables, image):
    half = TINY.clone(dtype=jnp.bfloat16)
    with jax.numpy_dtype_promotion("standard"):  # Flax normalises bfloat16 by float32
        assert shapes_of(half, image.shape[1:]) == shapes_of(TINY, image.shape[1:])
        output, _ = jax.eval_shape(half.apply, variables, image)
    assert output.dtype == jnp.float32


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="divisible by 16 px"):
        shapes_of(TINY, (512, 500, 1))
