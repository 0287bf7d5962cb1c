"""The autoencoder with skip connections: size, layers, dropout and statistics."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_helpers import random_variables, shapes_of

from adjax.models.aesc import AESc

TINY = AESc(depth=3, width=2, kernel=5)
RATES = (0.0, 0.4, 0.5)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((3, 16, 24, 1), np.float32)


@pytest.fixture(scope="module")
def variables(image):
    return random_variables(TINY, image.shape[1:])


@pytest.fixture(scope="module")
def apply():
    return jax.jit(TINY.apply)


@pytest.fixture(scope="module")
def drop():
    model = TINY.clone(dropout_rates=RATES)

    @jax.jit
    def dropped(variables, image, key):
        return model.apply(variables, image, dropout=True, rngs={"dropout": key})

    return dropped


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize(("channels", "count"), [(1, 8_734_913), (3, 8_736_515)])
def test_parameter_count(channels, count, skips):
    params = shapes_of(AESc(skips=skips), (256, 256, channels))["params"]
    assert sum(x.size for x in jax.tree.leaves(params)) == count


def test_layers_are_those_of_the_released_code():
    params = shapes_of(AESc(), (256, 256, 3))["params"]
    encoder = [16, 32, 64, 128, 256, 512]
    channels = [3, *encoder, 256, 128, 64, 32, 16]
    kernels = [params[f"Conv_{i}"]["kernel"].shape for i in range(11)]
    assert kernels == [(5, 5, *pair) for pair in itertools.pairwise(channels)]
    assert params["image"]["kernel"].shape == (5, 5, 16, 3)
    image = jax.ShapeDtypeStruct((1, 256, 256, 3), jnp.float32)
    (output, out), _ = jax.eval_shape(AESc().init_with_output, jax.random.key(0), image)
    assert output.shape == image.shape
    assert out["code"].shape == (1, 4, 4, 512)


def written_out(variables, x, skips, keep=lambda x: x):
    """The oracle: three levels by `lax` alone; `keep` drops what a level gives, if it wants."""
    params, statistics = variables["params"], variables["batch_stats"]

    def conv(x, layer, stride=1):
        x = jax.lax.conv_general_dilated(
            x, layer["kernel"], (stride,) * 2, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return x + layer["bias"].reshape(1, 1, 1, -1)

    def block(x, number, stride=1):
        x = conv(x, params[f"Conv_{number}"], stride)
        mean, var, scale, bias = (
            tree[f"BatchNorm_{number}"][name].reshape(1, 1, 1, -1)
            for tree, name in (
                (statistics, "mean"),
                (statistics, "var"),
                (params, "scale"),
                (params, "bias"),
            )
        )
        x = (x - mean) / np.sqrt(var + 1e-3) * scale + bias
        return keep(jnp.where(x > 0, x, 0.3 * x))

    def twice(x):
        return jnp.repeat(jnp.repeat(x, 2, 1), 2, 2)

    one = block(x, 0, 2)
    two = block(one, 1, 2)
    code = block(two, 2, 2)
    x = block(twice(code), 3) + (two if skips else 0)
    x = block(twice(x), 4) + (one if skips else 0)
    return jax.nn.sigmoid(conv(twice(x), params["image"])), code


@pytest.mark.parametrize("skips", [True, False])
def test_equals_the_layers_written_out(variables, image, skips):
    model = TINY.clone(skips=skips)
    output, out = jax.jit(model.apply)(variables, image)
    desired, code = written_out(variables, image, skips)
    assert np.ptp(desired) > 0.1
    np.testing.assert_allclose(output, desired, rtol=0, atol=1e-5)
    np.testing.assert_allclose(out["code"], code, rtol=1e-4, atol=1e-5)


def test_nothing_is_dropped_unless_asked_or_at_rate_zero(variables, image, apply):
    desired, _ = apply(variables, image)
    rates = TINY.clone(dropout_rates=RATES)
    np.testing.assert_array_equal(jax.jit(rates.apply)(variables, image)[0], desired)
    zero = TINY.clone(dropout_rates=(0.0,) * 3)
    output, _ = jax.jit(lambda v, x: zero.apply(v, x, dropout=True))(variables, image)
    np.testing.assert_array_equal(output, desired)


def test_dropout_depends_on_its_key_alone(variables, image, apply, drop):
    one, two = (drop(variables, image, jax.random.key(k))[0] for k in (1, 2))
    np.testing.assert_array_equal(drop(variables, image, jax.random.key(1))[0], one)
    assert np.abs(one - two).max() > 1e-3
    # Not on what an image is beside, nor where it stands.
    others = np.stack([image[1], 1 - image[2], image[0]])
    moved = np.asarray(drop(variables, others, jax.random.key(1))[0])
    np.testing.assert_allclose(moved[[2, 0]], one[:2], rtol=0, atol=1e-6)
    assert jax.tree.structure(drop(variables, image, jax.random.key(1))) == jax.tree.structure(
        apply(variables, image)
    )


def test_dropped_activations_are_zero_and_others_grow(variables, image, apply, drop):
    """The code, behind a level of rate 0.4, is itself dropped at rate 0.5."""
    only_code = TINY.clone(dropout_rates=(0.0, 0.0, 0.5))
    key = jax.random.key(3)
    run = jax.jit(lambda v, x: only_code.apply(v, x, dropout=True, rngs={"dropout": key}))
    _, out = run(variables, image)
    _, whole = apply(variables, image)
    is_kept = np.asarray(out["code"] != 0)
    assert 0.25 < is_kept.mean() < 0.75
    assert (is_kept == is_kept[:1]).all()
    desired = np.where(is_kept, 2 * whole["code"], 0)
    np.testing.assert_allclose(out["code"], desired, rtol=1e-5, atol=1e-6)


def test_a_dropped_level_is_missing_in_the_next_one_and_in_its_skip(variables, image):
    """At rates that leave nothing only the biases of later layers are left."""
    nothing = TINY.clone(dropout_rates=(1.0, 0.0, 0.0))
    output, _ = nothing.apply(variables, image, dropout=True, rngs={"dropout": jax.random.key(0)})
    width = 2  # the channels of the first level

    def keep(x):
        return jnp.zeros_like(x) if x.shape[-1] == width else x

    np.testing.assert_allclose(
        output, written_out(variables, image, True, keep)[0], rtol=0, atol=1e-5
    )


def test_training_updates_running_statistics_slowly_and_over_devices(variables, image):
    model = TINY.clone(batch_axis="data")
    apply = jax.vmap(
        lambda v, x: model.apply(v, x, train=True, mutable=["batch_stats"]),
        in_axes=(None, 0),
        axis_name="data",
    )
    _, updated = jax.jit(apply)(variables, image[:, None])
    old = variables["batch_stats"]["BatchNorm_0"]
    kernel, bias = (variables["params"]["Conv_0"][name] for name in ("kernel", "bias"))
    x = jax.lax.conv_general_dilated(
        image, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    ) + bias.reshape(1, 1, 1, -1)
    for name, moment in (("mean", x.mean((0, 1, 2))), ("var", x.var((0, 1, 2)))):
        desired = 0.99 * old[name] + 0.01 * moment
        new = updated["batch_stats"]["BatchNorm_0"][name][0]
        np.testing.assert_allclose(new, desired, rtol=1e-4, atol=1e-6)


def test_bfloat16_activations_keep_parameters_and_output_float32(variables, image, apply):
    half = TINY.clone(dtype=jnp.bfloat16)
    with jax.numpy_dtype_promotion("standard"):  # Flax normalises bfloat16 by float32
        assert shapes_of(half, image.shape[1:]) == shapes_of(TINY, image.shape[1:])
        output, out = jax.jit(half.apply)(variables, image)
    assert output.dtype == out["code"].dtype == jnp.float32
    assert 0 < np.abs(output - apply(variables, image)[0]).max() < 0.1


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="divisible by 64 px"):
        shapes_of(AESc(), (256, 96, 1))
    with pytest.raises(ValueError, match="2 dropout_rates for 3 levels"):
        shapes_of(TINY.clone(dropout_rates=(0.1, 0.2)), (16, 16, 1))
