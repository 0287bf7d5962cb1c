"""The networks of f-AnoGAN against plain ones that double and average images; sizes; parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from model_helpers import random_variables, shapes_of

from adjax.models.wgan_resnet import ResNetCritic, ResNetEncoder, ResNetGenerator

RNG = np.random.default_rng(0)


def count(shapes):
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


def generator_variables(model, latent_size, seed=1):
    """Random variables of a generator, which takes no images."""
    z = jax.ShapeDtypeStruct((1, latent_size), jnp.float32)
    shapes = jax.eval_shape(model.init, jax.random.key(0), z)
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        value = rng.standard_normal(leaf.shape, np.float32)
        if path[-1].key == "kernel":
            return value / np.float32(np.sqrt(np.prod(leaf.shape[:-1])))
        return 0.5 + np.abs(value) if path[-1].key in ("var", "scale") else 0.1 * value

    return shapes, jax.tree_util.tree_map_with_path(draw, shapes)


def up_block(i, o):
    return 2 * i + 9 * i * o + 2 * o + 9 * o * o + o + i * o + o


def down_block(i, o):
    return 4 * i + 9 * i * i + 9 * i * o + o + i * o + o


def test_published_networks_have_the_parameters_of_their_layers():
    shapes, _ = generator_variables(ResNetGenerator((64, 64, 1)), 128)
    ups = up_block(512, 512) + up_block(512, 256) + up_block(256, 128) + up_block(128, 64)
    assert count(shapes) == 129 * 8192 + ups + 2 * 64 + 9 * 64 + 1
    downs = down_block(64, 128) + down_block(128, 256) + down_block(256, 512)
    body = 10 * 64 + downs + down_block(512, 512)
    assert count(shapes_of(ResNetCritic(), (64, 64, 1))) == body + 8192 + 1
    assert count(shapes_of(ResNetEncoder(), (64, 64, 1))) == body + 8192 * 128 + 128


@pytest.mark.parametrize("size", [28, 32])
def test_default_networks_have_the_parameters_of_their_layers(size):
    widths = (64, 32, 16)
    shapes, _ = generator_variables(ResNetGenerator((size, size, 3), widths), 128)
    ups = up_block(64, 64) + up_block(64, 32) + up_block(32, 16)
    assert count(shapes) == 129 * 1024 + ups + 2 * 16 + 27 * 16 + 3
    body = 28 * 16 + down_block(16, 32) + down_block(32, 64) + down_block(64, 64)
    assert count(shapes_of(ResNetCritic(widths), (size, size, 3))) == body + 1024 + 1


def plain_conv(layer, x):
    y = lax.conv_general_dilated(
        x, layer["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return y + layer.get("bias", np.zeros(1, np.float32)).reshape(1, 1, 1, -1)


def by_image(layer, x):
    moments = x.mean((1, 2, 3), keepdims=True), x.var((1, 2, 3), keepdims=True)
    return scaled(layer, (x - moments[0]) / np.sqrt(moments[1] + 1e-5))


def by_statistics(layer, statistics, x):
    mean, variance = (statistics[name].reshape(1, 1, 1, -1) for name in ("mean", "var"))
    return scaled(layer, (x - mean) / np.sqrt(variance + 1e-3))


def scaled(layer, x):
    return layer["scale"].reshape(1, 1, 1, -1) * x + layer["bias"].reshape(1, 1, 1, -1)


def pooled(x):
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def doubled(x):
    return x.repeat(2, 1).repeat(2, 2)


def plain_body(params, x, norm):
    x = plain_conv(params["stem"], x)
    for block in range(2):
        y = jax.nn.relu(norm(2 * block, x))
        y = plain_conv(params[f"Conv_{2 * block + 1}"], y)
        y = jax.nn.relu(norm(2 * block + 1, y))
        y = pooled(plain_conv(params[f"_ConvPool_{block}"], y))
        x = plain_conv(params[f"Conv_{2 * block}"], pooled(x)) + y
    return x.reshape(len(x), -1)


def test_critic_equals_a_plain_one():
    model = ResNetCritic((5, 4))
    variables = random_variables(model, (8, 12, 3))
    image = RNG.uniform(-1, 1, (3, 8, 12, 3)).astype(np.float32)
    value, out = jax.jit(model.apply)(variables, image)
    params = variables["params"]
    flat = plain_body(params, image, lambda i, x: by_image(params[f"LayerNorm_{i}"], x))
    assert flat.shape == (3, 2 * 3 * 5)
    np.testing.assert_allclose(out["features"], flat, rtol=1e-4, atol=1e-4)
    dense = params["value"]
    desired = flat @ dense["kernel"][:, 0] + dense["bias"]
    np.testing.assert_allclose(value, desired, rtol=1e-4, atol=1e-4)


def test_encoder_equals_a_plain_one():
    model = ResNetEncoder(6, (5, 4))
    variables = random_variables(model, (8, 12, 3))
    image = RNG.uniform(-1, 1, (3, 8, 12, 3)).astype(np.float32)
    z, _ = jax.jit(model.apply)(variables, image)
    params, statistics = variables["params"], variables["batch_stats"]

    def norm(i, x):
        return by_statistics(params[f"BatchNorm_{i}"], statistics[f"BatchNorm_{i}"], x)

    dense = params["latent"]
    desired = np.tanh(plain_body(params, image, norm) @ dense["kernel"] + dense["bias"][None])
    np.testing.assert_allclose(z, desired, rtol=0, atol=1e-4)


def test_generator_equals_a_plain_one():
    model = ResNetGenerator((8, 12, 3), (5, 4))
    _, variables = generator_variables(model, 6)
    z = RNG.standard_normal((3, 6), np.float32)
    made, _ = jax.jit(model.apply)(variables, z)
    params, statistics = variables["params"], variables["batch_stats"]
    x = (z @ params["map"]["kernel"] + params["map"]["bias"][None]).reshape(3, 2, 3, 5)
    for block in ("_UpBlock_0", "_UpBlock_1"):
        own, means = params[block], statistics[block]
        y = jax.nn.relu(by_statistics(own["BatchNorm_0"], means["BatchNorm_0"], x))
        y = plain_conv(own["Conv_0"], doubled(y))
        y = jax.nn.relu(by_statistics(own["BatchNorm_1"], means["BatchNorm_1"], y))
        x = plain_conv(own["beside"], doubled(x)) + plain_conv(own["Conv_1"], y)
    x = jax.nn.relu(by_statistics(params["BatchNorm_0"], statistics["BatchNorm_0"], x))
    desired = np.tanh(plain_conv(params["image"], x))
    np.testing.assert_allclose(made, desired, rtol=0, atol=1e-4)
    assert made.std(0).mean() > 0.05


def test_size_that_does_not_divide_has_a_border():
    """28 px as three blocks see and make them, in 32 px; here 6 px in 8 px."""
    large, small = (ResNetGenerator((size, size, 1), (4, 4, 4)) for size in (8, 6))
    _, variables = generator_variables(large, 5)
    z = RNG.standard_normal((2, 5), np.float32)
    made, cut = (jax.jit(model.apply)(variables, z)[0] for model in (large, small))
    np.testing.assert_allclose(cut, made[:, 1:7, 1:7], rtol=0, atol=1e-6)
    critic = ResNetCritic((4, 4, 4))
    judged = random_variables(critic, (8, 8, 1))
    framed = np.pad(cut, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-1)
    values = [jax.jit(critic.apply)(judged, image)[0] for image in (cut, framed)]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["generator", "critic", "encoder"])
def test_bfloat16_is_of_activations_only(name):
    model, x = {
        "generator": (ResNetGenerator((4, 4, 1), (4,), dtype="bfloat16"), np.zeros((2, 3))),
        "critic": (ResNetCritic((4,), dtype="bfloat16"), np.zeros((2, 4, 4, 1))),
        "encoder": (ResNetEncoder(3, (4,), dtype="bfloat16"), np.zeros((2, 4, 4, 1))),
    }[name]
    with jax.numpy_dtype_promotion("standard"):  # Flax's layer takes its moments in float32
        output, variables = jax.eval_shape(
            lambda x: model.init_with_output(jax.random.key(0), x), np.float32(x)
        )
    assert {leaf.dtype for leaf in jax.tree.leaves((output, variables))} == {jnp.dtype("float32")}
