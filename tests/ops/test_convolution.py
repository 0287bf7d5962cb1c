"""Convolutions against XLA's own: values, gradients and gradients of gradients; the two layers."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from adjax.ops import Conv, ConvTranspose, conv, conv_of_upsampled, conv_transpose, convolution

pytestmark = pytest.mark.usefixtures("backend")

# (size, kernel, strides, padding): a stem, one with rows that touch no output, RNAN's two, padding
# beyond the kernel.
GEOMETRIES = (
    ((9, 10), (4, 4), (2, 2), "SAME"),
    ((11, 9), (3, 2), (3, 1), "VALID"),
    ((8, 8), (3, 3), (2, 2), ((1, 1), (1, 1))),
    ((10, 10), (6, 6), (2, 2), ((2, 2), (2, 2))),
    ((6, 5), (1, 2), (1, 3), ((2, 0), (3, 1))),
)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def assert_close(actual, desired, tolerance=1e-5):
    """Every array within `tolerance` of the greatest magnitude in it."""
    jax.tree.map(
        lambda a, d: np.testing.assert_allclose(
            a, d, rtol=0, atol=tolerance * max(np.abs(d).max(initial=0), 1e-6)
        ),
        actual,
        desired,
    )


def lax_conv(x, w, strides, padding):
    """The oracle of `conv`."""
    return lax.conv_general_dilated(
        x, w, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def lax_conv_transpose(y, w, strides, padding, size):
    """The oracle of `conv_transpose`: the adjoint of a convolution of images of `size`."""
    image = jax.ShapeDtypeStruct((y.shape[0], *size, w.shape[2]), y.dtype)
    return jax.linear_transpose(lambda x: lax_conv(x, w, strides, padding), image)(y)[0]


def transposed_size(size, kernel, strides, padding):
    """Height and width of a transposed convolution, by the definition in its docstring."""
    if padding == "SAME":
        return tuple(n * s for n, s in zip(size, strides, strict=True))
    pads = ((0, 0), (0, 0)) if padding == "VALID" else padding
    return tuple(
        (n - 1) * s + k - sum(p) for n, s, k, p in zip(size, strides, kernel, pads, strict=True)
    )


def with_gradients(function):
    """Compiled `(a, b, cotangent) -> (value, gradient in a, gradient in b)`."""

    @jax.jit
    def evaluate(a, b, cotangent):
        value, backward = jax.vjp(function, a, b)
        return value, *backward(cotangent)

    return evaluate


def conv_case(size, kernel, strides, padding, channels=(2, 3)):
    """Operands, ours, oracle."""
    x, w = normal(0, 2, *size, channels[0]), normal(1, *kernel, *channels)
    static = {"strides": strides, "padding": padding}
    return (x, w), functools.partial(conv, **static), functools.partial(lax_conv, **static)


def conv_transpose_case(size, kernel, strides, padding, channels=(2, 3)):
    """Operands, ours, oracle."""
    y, w = normal(0, 2, *size, channels[1]), normal(1, *kernel, *channels)
    static = {"strides": strides, "padding": padding}
    oracle = functools.partial(
        lax_conv_transpose, **static, size=transposed_size(size, kernel, strides, padding)
    )
    return (y, w), functools.partial(conv_transpose, **static), oracle


CASES = pytest.mark.parametrize("case", [conv_case, conv_transpose_case])


def check_value_and_gradients(case, geometry):
    operands, ours, oracle = case(*geometry)
    cotangent = normal(2, *jax.eval_shape(oracle, *operands).shape)
    actual = with_gradients(ours)(*operands, cotangent)
    assert_close(actual, with_gradients(oracle)(*operands, cotangent))


@st.composite
def geometries(draw, transposed):
    """Any that a network could have and a few that none should."""
    side = st.tuples(
        st.integers(1, 13), st.integers(1, 11), st.integers(1, 3), st.integers(0, 3),
        st.integers(0, 3),
    )  # fmt: skip
    padding = draw(st.sampled_from(["SAME", "VALID", "explicit"]))

    def possible(side):
        size, kernel, stride, low, high = side
        if padding == "SAME":
            return True
        pads = low + high if padding == "explicit" else 0
        if transposed:
            return (size - 1) * stride + kernel - pads >= 1
        return size + pads >= kernel

    sides = [draw(side.filter(possible)) for _ in range(2)]
    size, kernel, strides, low, high = zip(*sides, strict=True)
    if padding == "explicit":
        padding = tuple(zip(low, high, strict=True))
    return size, kernel, strides, padding, draw(st.tuples(*[st.sampled_from([1, 2, 5])] * 2))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(geometry=geometries(transposed=False))
def test_conv_equals_lax_for_any_geometry(geometry):
    check_value_and_gradients(conv_case, geometry)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(geometry=geometries(transposed=True))
def test_conv_transpose_equals_lax_for_any_geometry(geometry):
    check_value_and_gradients(conv_transpose_case, geometry)


@CASES
@pytest.mark.parametrize("channels", [(1, 3), (3, 1), (1, 1)])
@pytest.mark.parametrize("geometry", [*GEOMETRIES, ((7, 8), (3, 5), (1, 1), "SAME")])
def test_one_channel_equals_lax(case, geometry, channels):
    check_value_and_gradients(case, (*geometry, channels))


@CASES
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_forms_for_other_platforms_give_the_same_numbers(case, geometry, other_platform):
    check_value_and_gradients(case, geometry)


@CASES
@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_other_platforms_get_one_convolution_a_product(case, platform):
    (a, b), ours, _ = case(*GEOMETRIES[0])

    def text(function):
        return jax.jit(function).trace(a, b).lower(lowering_platforms=(platform,)).as_text()

    def loss(a, b):
        return jnp.square(ours(a, b)).sum()

    # The phases of the CPU form would show as reshapes.
    program = text(jax.value_and_grad(loss, (0, 1)))
    assert program.count("stablehlo.convolution") == 3
    assert "stablehlo.reshape" not in program


@CASES
def test_gradient_of_a_gradient_norm_equals_lax(case):
    (a, b), ours, oracle = case(*GEOMETRIES[0])

    def penalty_gradient(convolve):
        def penalty(a, b):
            slope = jax.grad(lambda a: jnp.tanh(convolve(a, b)).sum())(a)
            return jnp.square(jnp.sqrt(jnp.square(slope).sum((1, 2, 3))) - 1).sum()

        return jax.jit(jax.value_and_grad(penalty, (0, 1)))(a, b)

    assert_close(penalty_gradient(ours), penalty_gradient(oracle))


@CASES
def test_gradient_of_the_weight_gradient_equals_lax(case):
    (a, b), ours, oracle = case(*GEOMETRIES[1])

    def second_gradient(convolve):
        def norm(a, b):
            return jnp.square(jax.grad(lambda b: jnp.tanh(convolve(a, b)).sum())(b)).sum()

        return jax.jit(jax.value_and_grad(norm, (0, 1)))(a, b)

    assert_close(second_gradient(ours), second_gradient(oracle))


@CASES
@pytest.mark.parametrize("loop", ["map", "scan"])
def test_same_numbers_inside_a_loop(case, loop):
    (a, b), ours, _ = case(*GEOMETRIES[0])

    def value_and_gradients(a, b):
        return jax.value_and_grad(lambda a, b: jnp.square(ours(a, b)).sum(), (0, 1))(a, b)

    members = np.stack([a, 2 * a]), np.stack([b, -b])
    if loop == "map":
        inside = jax.jit(lambda m: lax.map(lambda x: value_and_gradients(*x), m))(members)
    else:
        body = lambda carry, x: (carry + 1, value_and_gradients(*x))  # noqa: E731
        count, inside = jax.jit(lambda m: lax.scan(body, 0, m))(members)
        assert count == 2
    outside = [jax.jit(value_and_gradients)(*member) for member in zip(*members, strict=True)]
    assert_close(inside, jax.tree.map(lambda *row: np.stack(row), *outside), 1e-6)


@CASES
def test_vmap_over_image_and_kernel_equals_a_loop(case):
    (a, b), ours, _ = case(*GEOMETRIES[2])
    rows = np.stack([a, a[::-1], 3 * a]), np.stack([b, b[::-1], -b])
    cotangents = np.stack([normal(seed, *ours(a, b).shape) for seed in range(3)])
    evaluate = with_gradients(ours)
    one_by_one = [evaluate(*row) for row in zip(*rows, cotangents, strict=True)]
    stacked = jax.tree.map(lambda *row: np.stack(row), *one_by_one)
    assert_close(jax.jit(jax.vmap(evaluate))(*rows, cotangents), stacked, 1e-6)


@CASES
def test_forward_mode_raises(case):
    operands, ours, _ = case(*GEOMETRIES[2])
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(ours, operands, operands)


def test_transposed_convolution_of_rnan_doubles_the_size_exactly():
    x = jax.ShapeDtypeStruct((2, 7, 14, 3), jnp.float32)
    w = jax.ShapeDtypeStruct((6, 6, 5, 3), jnp.float32)
    doubled = functools.partial(conv_transpose, strides=(2, 2), padding=((2, 2), (2, 2)))
    assert jax.eval_shape(doubled, x, w).shape == (2, 14, 28, 5)


@pytest.mark.parametrize(
    ("layer", "kernel_shape", "output_shape"),
    [
        (Conv(5, (3, 2)), (3, 2, 4, 5), (2, 9, 7, 5)),
        (Conv(5, (3, 2), (2, 3)), (3, 2, 4, 5), (2, 5, 3, 5)),
        (Conv(5, (3, 2), padding="VALID"), (3, 2, 4, 5), (2, 7, 6, 5)),
        (Conv(5, (3, 3), (2, 2), ((1, 1), (1, 1))), (3, 3, 4, 5), (2, 5, 4, 5)),
        (ConvTranspose(5, (3, 2), (2, 3)), (3, 2, 5, 4), (2, 18, 21, 5)),
        (ConvTranspose(5, (3, 2), (2, 3), "VALID"), (3, 2, 5, 4), (2, 19, 20, 5)),
        (ConvTranspose(5, (6, 6), (2, 2), ((2, 2), (2, 2))), (6, 6, 5, 4), (2, 18, 14, 5)),
    ],
)
def test_shapes_of_layers(layer, kernel_shape, output_shape):
    image = jax.ShapeDtypeStruct((2, 9, 7, 4), jnp.float32)
    output, variables = jax.eval_shape(layer.init_with_output, jax.random.key(0), image)
    assert output.shape == output_shape
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), variables["params"])
    assert shapes == {"kernel": (kernel_shape, jnp.float32), "bias": ((5,), jnp.float32)}


@pytest.mark.parametrize(("layer", "convolve"), [(Conv, conv), (ConvTranspose, conv_transpose)])
def test_layer_is_convolution_plus_bias(layer, convolve):
    layer = layer(3, (3, 3), (2, 2))
    x, w, bias = normal(0, 2, 6, 6, 3), normal(1, 3, 3, 3, 3), normal(2, 3)
    without = np.asarray(jax.jit(functools.partial(convolve, strides=(2, 2)))(x, w))
    with_bias = jax.jit(layer.apply)({"params": {"kernel": w, "bias": bias}}, x)
    np.testing.assert_allclose(with_bias, without + bias, rtol=0, atol=1e-5)
    unbiased = layer.clone(use_bias=False)
    np.testing.assert_allclose(
        jax.jit(unbiased.apply)({"params": {"kernel": w}}, x), without, rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("layer", [Conv, ConvTranspose])
def test_bfloat16_compute_keeps_parameters_and_gradients_in_float32(layer):
    layer = layer(3, (3, 3), (2, 2), dtype=jnp.bfloat16)
    variables = {"params": {"kernel": normal(0, 3, 3, 3, 3), "bias": normal(1, 3)}}
    x = normal(2, 2, 6, 6, 3)
    initial = jax.eval_shape(layer.init, jax.random.key(0), x)
    assert {leaf.dtype for leaf in jax.tree.leaves(initial)} == {jnp.dtype(jnp.float32)}

    def output_and_gradient(layer):
        def loss(variables):
            output = layer.apply(variables, x)
            return jnp.square(output).mean(dtype=jnp.float32), output

        return jax.jit(jax.grad(loss, has_aux=True))(variables)

    gradient, output = output_and_gradient(layer)
    expected_gradient, expected_output = output_and_gradient(layer.clone(dtype=None))
    assert output.dtype == jnp.bfloat16
    assert expected_output.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype(jnp.float32)}
    # bfloat16 has 8 bits of mantissa.
    assert_close(output.astype(jnp.float32), expected_output, 2**-6)
    assert_close(gradient, expected_gradient, 2**-5)


def test_layer_takes_the_dtype_of_its_input():
    image = jax.ShapeDtypeStruct((1, 4, 4, 1), jnp.bfloat16)
    for layer in (Conv(2, (3, 3)), ConvTranspose(2, (3, 3))):
        output, variables = jax.eval_shape(layer.init_with_output, jax.random.key(0), image)
        assert output.dtype == jnp.bfloat16
        assert variables["params"]["kernel"].dtype == jnp.float32


def test_layers_start_with_unit_variance():
    image = jax.random.normal(jax.random.key(0), (4, 16, 16, 24))
    for layer in (Conv(32, (3, 3)), ConvTranspose(32, (3, 3))):
        output, _ = jax.jit(layer.init_with_output)(jax.random.key(1), image)
        inside = output[:, 2:-2, 2:-2]
        assert 0.8 < inside.var() < 1.2


def conv_of_upsampled_directly(x, w):
    return lax_conv(jnp.repeat(jnp.repeat(x, 2, 1), 2, 2), w, (1, 1), "SAME")


@pytest.mark.parametrize("channels", [(2, 3), (1, 2), (6, 1)])
@pytest.mark.parametrize("kernel", [(1, 2), (2, 5), (3, 4), (4, 1), (5, 5), (6, 3), (6, 6)])
def test_convolution_of_an_upsampled_image(kernel, channels):
    x, w = normal(0, 2, 3, 4, channels[0]), normal(1, *kernel, *channels)
    cotangent = normal(2, 2, 6, 8, channels[1])
    direct = with_gradients(conv_of_upsampled_directly)(x, w, cotangent)
    assert_close(with_gradients(conv_of_upsampled)(x, w, cotangent), direct)


def test_convolution_of_an_upsampled_image_on_other_platforms(other_platform):
    x, w, cotangent = normal(0, 2, 3, 4, 2), normal(1, 5, 4, 2, 3), normal(2, 2, 6, 8, 3)
    direct = with_gradients(conv_of_upsampled_directly)(x, w, cotangent)
    assert_close(with_gradients(conv_of_upsampled)(x, w, cotangent), direct)


@pytest.mark.parametrize("size", [(1, 1), (1, 4)])
def test_convolution_of_an_upsampled_image_smaller_than_its_kernel(size):
    x, w = normal(0, 2, *size, 2), normal(1, 5, 6, 2, 3)
    direct = jax.jit(conv_of_upsampled_directly)(x, w)
    assert_close(jax.jit(conv_of_upsampled)(x, w), direct)


def test_layer_that_upsamples():
    x = normal(0, 2, 4, 4, 3)
    layer = Conv(2, (5, 5), upsample=True)
    output, variables = layer.init_with_output(jax.random.key(0), x)
    desired = Conv(2, (5, 5)).apply(variables, jnp.repeat(jnp.repeat(x, 2, 1), 2, 2))
    assert_close(output, desired)
    with pytest.raises(ValueError, match="stride 1 and padding 'SAME'"):
        layer.clone(strides=(2, 2)).init(jax.random.key(0), x)


# The three bilinear maps and the shapes of their operands.
STRIDES, PADDING = (2, 2), ((1, 1), (1, 1))
X, W, Y = (2, 8, 8, 3), (3, 3, 3, 4), (2, 4, 4, 4)
MAPS = {
    "conv": (lambda x, w: convolution._conv(x, w, STRIDES, PADDING, None), X, W),
    "conv_input": (
        lambda y, w: convolution._conv_input(y, w, STRIDES, PADDING, X[1:3], None),
        Y,
        W,
    ),
    "conv_kernel": (
        lambda x, y: convolution._conv_kernel(x, y, STRIDES, PADDING, W[:2], None),
        X,
        Y,
    ),
}


# In a row, in a loop, and with an operand that they share.
@pytest.mark.parametrize(
    ("members", "own"),
    [(2, (True, True)), (9, (True, True)), (2, (True, False)), (2, (False, True))],
)
@pytest.mark.parametrize("name", MAPS)
def test_members_keep_their_own_convolutions(name, members, own):
    bilinear, *shapes = MAPS[name]
    a, b = (
        normal(seed, *[members] * is_own, *shape)
        for seed, (is_own, shape) in enumerate(zip(own, shapes, strict=True))
    )
    mapped = jax.jit(jax.vmap(bilinear, tuple(0 if is_own else None for is_own in own)))
    alone = [bilinear(a[k] if own[0] else a, b[k] if own[1] else b) for k in range(members)]
    assert_close(mapped(a, b), np.stack(alone))
    for platform in ("cpu", "cuda"):
        text = mapped.trace(a, b).lower(lowering_platforms=(platform,)).as_text()
        assert not re.search(r"group_count = ([2-9]|[1-9]\d)", text)
