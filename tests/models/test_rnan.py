"""The student: size, names, the global residual and its non-local groups."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_helpers import random_variables, shapes_of

from adjax.models.rnan import RNAN, NonLocalBlock, ResidualBlock

TINY = RNAN(groups=2, nonlocal_groups=(0,), features=4)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(1).random((2, 6, 8, 1), np.float32)


@pytest.fixture(scope="module")
def apply():
    return jax.jit(TINY.apply)


def nonlocal_groups(params):
    return [name for name, group in params.items() if "NonLocalBlock_0" in group]


@pytest.mark.parametrize(
    ("groups", "features", "channels", "count"),
    [
        (10, 32, 1, 2_243_233),  # 2.24 M: "faithful"
        (4, 32, 1, 905_761),  # 0.91 M: "light"
        (2, 32, 1, 459_937),  # 0.46 M: the default
        (10, 64, 3, 8_959_555),  # 8.96 M: the published denoiser
    ],
)
def test_parameter_count(groups, features, channels, count):
    model = RNAN(groups=groups, features=features)
    params = shapes_of(model, (28, 28, channels))["params"]
    assert sum(x.size for x in jax.tree.leaves(params)) == count


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ((0, -1), ["group_0", "group_3"]),
        ((-2,), ["group_2"]),
        ((1, -3), ["group_1"]),
        ((), []),
    ],
)
def test_nonlocal_groups(chosen, expected):
    model = RNAN(groups=4, nonlocal_groups=chosen, features=4)
    assert nonlocal_groups(shapes_of(model, (8, 8, 1))["params"]) == expected


def test_parameter_names_and_shapes_are_stable():
    """A checkpoint is a tree of these names."""

    def conv(kernel, inputs=4, outputs=4):
        return {"kernel": (kernel, kernel, inputs, outputs), "bias": (outputs,)}

    def dense(inputs, outputs):
        return {"kernel": (inputs, outputs), "bias": (outputs,)}

    residual = {"Conv_0": conv(3), "Conv_1": conv(3)}
    local = {
        **{f"ResidualBlock_{i}": residual for i in range(9)},
        "Conv_0": conv(3),
        "ConvTranspose_0": conv(6),
        "Conv_1": conv(1),
        "Conv_2": conv(3),
    }
    attention = {
        **{name: dense(4, 2) for name in ("query", "key", "value")},
        "out": dense(2, 4),
    }
    variables = shapes_of(TINY, (6, 8, 3))
    assert jax.tree.map(lambda x: x.shape, variables) == {
        "params": {
            "head": conv(3, 3, 4),
            "group_0": {**local, "NonLocalBlock_0": attention},
            "body": conv(3),
            "group_1": local,
            "tail": conv(3, 4, 3),
        }
    }


def test_output_is_the_input_plus_the_tail(image, apply):
    variables = random_variables(TINY, (6, 8, 1))
    output, out = apply(variables, image)
    assert output.shape == image.shape
    assert output.dtype == np.float32
    assert out == {}
    assert np.abs(output - image).max() > 1e-2
    kernel = variables["params"]["tail"].pop("kernel")
    bias = variables["params"]["tail"].pop("bias")
    variables["params"]["tail"] = {"kernel": 0 * kernel, "bias": 0 * bias}
    np.testing.assert_array_equal(apply(variables, image)[0], image)
    variables["params"]["tail"]["bias"] += 0.25
    np.testing.assert_array_equal(apply(variables, image)[0], image + np.float32(0.25))


def lax_conv(params, x, strides=(1, 1), padding="SAME"):
    y = jax.lax.conv_general_dilated(
        x, params["kernel"], strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return y + params["bias"].reshape(1, 1, 1, -1)


def lax_conv_transpose(params, x, like):
    """The transpose of a convolution 6 x 6, stride 2, padding 2, that takes images as `like`."""
    zero = {**params, "bias": jnp.zeros(x.shape[-1])}
    _, adjoint = jax.vjp(lambda y: lax_conv(zero, y, (2, 2), ((2, 2), (2, 2))), like)
    return adjoint(x)[0] + params["bias"].reshape(1, 1, 1, -1)


def lax_rnan(params, image):
    """The oracle of `TINY`: the topology written out, block by block."""

    # Flax numbers the layers of a nested call from the outside in.
    def residual(params, x):
        return x + lax_conv(params["Conv_1"], jax.nn.relu(lax_conv(params["Conv_0"], x)))

    def attend(params, x):
        def dense(name, x):
            return x @ params[name]["kernel"] + params[name]["bias"].reshape(1, 1, -1)

        flat = x.reshape(len(x), -1, x.shape[-1])
        query, key, value = (dense(name, flat) for name in ("query", "key", "value"))
        weight = jax.nn.softmax(query @ key.transpose(0, 2, 1), axis=-1)  # over keys
        return x + dense("out", weight @ value).reshape(x.shape)

    def group(params, x):
        def block(number, x):
            return residual(params[f"ResidualBlock_{number}"], x)

        r = block(0, x)
        trunk = block(1, block(2, r))
        mask = attend(params["NonLocalBlock_0"], r) if "NonLocalBlock_0" in params else r
        shallow = block(3, mask)
        small = lax_conv(params["Conv_0"], shallow, (2, 2), ((1, 1), (1, 1)))
        small = block(4, block(5, small))
        grown = lax_conv_transpose(params["ConvTranspose_0"], small, shallow)
        mask = jax.nn.sigmoid(lax_conv(params["Conv_1"], block(6, grown + shallow)))
        return lax_conv(params["Conv_2"], block(7, block(8, trunk * mask + r)))

    x = group(params["group_0"], lax_conv(params["head"], image))
    x = group(params["group_1"], lax_conv(params["body"], x))
    return image + lax_conv(params["tail"], x)


def test_topology_equals_that_of_the_reference(image, apply):
    variables = random_variables(TINY, (6, 8, 1))
    desired = np.asarray(jax.jit(lax_rnan)(variables["params"], image))
    scale = np.abs(desired - image).max()
    assert scale > 0.1
    np.testing.assert_allclose(apply(variables, image)[0], desired, rtol=0, atol=1e-5 * scale)


def test_attention_reaches_every_position_and_starts_as_identity(image, apply):
    variables = random_variables(TINY, (6, 8, 1))
    attention = variables["params"]["group_0"]["NonLocalBlock_0"]
    learnt = attention["out"]
    attention["out"] = jax.tree.map(np.zeros_like, learnt)
    without = apply(variables, image)[0]
    # Whatever query, key and value are, a zero output leaves the block an identity.
    attention["value"] = jax.tree.map(lambda x: 5 * x, attention["value"])
    np.testing.assert_array_equal(apply(variables, image)[0], without)
    attention["out"] = learnt
    assert (np.abs(apply(variables, image)[0] - without) > 1e-6).all()


def test_initial_values():
    image = jnp.zeros((1, 4, 4, 16))
    block = jax.jit(NonLocalBlock().init)(jax.random.key(0), image)["params"]
    assert not block["out"]["kernel"].any()
    assert block["value"]["kernel"].any()
    # A third of LeCun's variance, that is of 1 / fan-in.
    block = jax.jit(ResidualBlock().init)(jax.random.key(0), image)["params"]
    for name in ("Conv_0", "Conv_1"):
        assert block[name]["kernel"].var() * 9 * 16 == pytest.approx(1 / 3, rel=0.1)


def test_train_flag_changes_nothing(image):
    variables = random_variables(TINY, (6, 8, 1))
    traced = [
        str(jax.make_jaxpr(lambda v, x, t=train: TINY.apply(v, x, train=t))(variables, image))
        for train in (False, True)
    ]
    assert traced[0] == traced[1]
