"""Graphs compute what the programs compute that they are made of, for any number of images."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from jax import export as jax_export
from jax import lax

from adjax.datasets.brightness import to_median
from adjax.onnx.program import to_onnx
from adjax.ops import attention, conv, conv_of_upsampled, conv_transpose, window_starts
from adjax.ops.depthwise import depthwise

SIZE, CHANNELS = 6, 4
WEIGHTS = np.random.default_rng(0).normal(size=(3, 3, CHANNELS, 5)).astype(np.float32)
SIDES = np.random.default_rng(1).normal(size=(2, 5, SIZE)).astype(np.float32)
KEY = jax.random.key(7)
_HALF = np.uint32(2**31)


def on_floats(function):
    """Let a case take float32 `[B, 6, 6, 4]` in [0, 1]."""
    return lambda image: function(image.astype(jnp.float32) / np.float32(255))


def signed(function):
    return lambda x: function((x - 0.5) * 8.1)


def median(x):
    return jnp.median(x, (1, 2, 3), keepdims=True)


def positions(x):
    return x.reshape(x.shape[0], SIZE * SIZE, CHANNELS)


def words(x):
    return (x * 255).astype(jnp.uint32)


def drawn(draw):
    """A case that adds what is drawn in each round of a loop, by keys and by the round."""

    def function(x):
        def add(total, part):
            key, number = part
            noise = draw(jax.random.fold_in(key, number), (1, *x.shape[1:]))
            return total + x * noise, noise.mean()

        parts = jax.random.split(KEY, 3), jnp.arange(3, dtype=jnp.uint32)
        return lax.scan(add, jnp.zeros_like(x), parts)[0]

    return function


def several(x):
    """Two draws side by side, as passes of Monte-Carlo dropout are."""
    keys = jax.random.split(KEY, 4).reshape(2, 2)

    def add(total, keys):
        drops = jax.vmap(lambda key: bernoulli(jax.random.fold_in(key, 3), (1, *x.shape[1:])))(keys)
        return total + (drops * x[None]).sum(0), None

    return lax.scan(add, jnp.zeros_like(x), keys)[0]


def bernoulli(key, shape):
    return jax.random.bernoulli(key, 0.3, shape).astype(jnp.float32)


def descended(x):
    """Gradient descent, as methods search a latent by."""
    w = jnp.asarray(WEIGHTS)

    def loss(z):
        return jnp.square(jax.nn.leaky_relu(conv(z, w, (2, 2))) - 1).sum()

    def step(z, _):
        return z - 0.01 * jax.grad(loss)(z), None

    return lax.scan(step, x, length=4)[0]


def windows(x):
    """Sums over windows that are cut and put back, as `evaluation.windowed` does it."""
    places = window_starts(SIZE, 4, 3)
    corners = jnp.asarray([(a, b) for a in places for b in places], jnp.int32)

    def add(total, corner):
        start = (0, *corner, 0)
        part = lax.dynamic_slice(x, start, (x.shape[0], 4, 4, CHANNELS))
        before = lax.dynamic_slice(total, start, part.shape)
        return lax.dynamic_update_slice(total, before + part, start), part.max()

    return lax.scan(add, jnp.zeros_like(x), corners)[0]


def beyond(x):
    """A window that would end outside is moved back."""
    start = (x[0, 0, 0, 0] * 0 + 9).astype(jnp.int32)
    return lax.dynamic_slice_in_dim(x, start, 4, 1)


def tree(x):
    """Steps down a tree whose nodes are looked up."""
    features = x.reshape(x.shape[0], -1)
    table = jnp.asarray(np.random.default_rng(3).integers(0, 7, (2, 7)), jnp.int32)
    which = jnp.arange(2)[None]

    def descend(_, node):
        value = jnp.take_along_axis(features, table[which, node], 1)
        return jnp.where(value < 0.5, table[which, node], node)

    return lax.fori_loop(0, 3, descend, jnp.zeros((x.shape[0], 2), jnp.int32))


CASES = {
    "numbers": lambda x: (x - 0.3) * 2 / (x + 1) + x**2 + x**3 + x**-2 - jnp.abs(-x),
    "functions": lambda x: jnp.exp(x) + jnp.log(x + 1) + jnp.log1p(x) + jnp.expm1(x) + jnp.exp2(x),
    "curves": signed(lambda x: jax.nn.sigmoid(x) + jnp.tanh(x) + jax.nn.leaky_relu(x, 0.2)),
    "roots": lambda x: jnp.sqrt(x) + lax.rsqrt(x + 1) + jnp.square(x) + lax.pow(x, x),
    "steps": signed(lambda x: jnp.floor(x) + jnp.ceil(x) + jnp.sign(x) + jnp.rint(x * 2.5)),
    "error function": signed(lax.erf),
    "its inverse": lambda x: lax.erf_inv(x * 1.9 - 0.95),
    "bounds": signed(lambda x: jnp.clip(x, -1, 1) + jnp.maximum(x, 0) + jnp.minimum(x, 1)),
    "softplus": signed(jax.nn.softplus),
    "comparisons": lambda x: (x < 0.2) | (x >= 0.9) & ~(x == 1) ^ (x != 0) | (x <= 0) & (x > 1),
    "finite": lambda x: jnp.isfinite(1 / jnp.where(x < 0.5, 0, x)),
    "words": lambda x: (words(x) * np.uint32(2**31 + 5) ^ words(x) << 3 | words(x) >> 2) & 1023,
    "words compared": lambda x: jnp.where(words(x) > 9, words(x), words(x) - 10) < _HALF,
    "whole numbers": lambda x: (x * 99).astype(jnp.int32) // 7 + (x * 99).astype(jnp.int32) % 5,
    "sums": lambda x: x.sum((1, 2)) + x.mean((1, 2)) + x.max((1, 2)) - x.min((1, 2)),
    "products": lambda x: x.prod(3) + jnp.cumsum(x, 1)[..., 0] + jnp.linalg.norm(x, axis=3),
    "bools": lambda x: (x > 0.1).any((1, 2)) & (x > 0.01).all((1, 2)),
    "places": lambda x: jnp.argmax(x, 3) + jnp.argmin(x, 1)[..., :1],
    "median": median,
    "one brightness": lambda x: to_median(jnp.rint(x * 255).astype(jnp.uint8), 99.0, jnp),
    "order": lambda x: jnp.argsort(x.reshape(x.shape[0], -1), 1),
    "largest": lambda x: lax.top_k(x, 2)[0] + lax.top_k(x, 2)[1].astype(jnp.float32),
    "shapes": lambda x: x.reshape(x.shape[0] * 6, 24).T.reshape(4, 6, -1).transpose(2, 1, 0),
    "parts": lambda x: jnp.concatenate([x[:, 1:-1:2], x[:, ::-1][:, :2], x[:, :2] * 2], 1),
    "halves": lambda x: sum(jnp.split(jnp.concatenate([x, 2 * x, x * x]), 3)),
    "borders": lambda x: jnp.pad(x, ((0, 0), (1, 2), (0, 0), (0, 0))),
    "mirrored": lambda x: jnp.pad(x, ((0, 0), (2, 2), (3, 3), (0, 0)), "reflect"),
    "cut": lambda x: lax.pad(x, np.float32(0), ((0, 0, 0), (-1, 2, 0), (1, -2, 0), (0, 0, 0))),
    "counted": lambda x: x + jnp.arange(x.shape[0], dtype=jnp.float32).reshape(-1, 1, 1, 1),
    "repeated": lambda x: jnp.broadcast_to(x[:, :, None], (x.shape[0], 6, 3, 6, 4)),
    "matrices": lambda x: x @ WEIGHTS[0, 0] + jnp.einsum("bhwc,bhvd->bwd", x, x).sum(-1)[0, 0],
    "both sides": lambda x: jnp.einsum("ph,bhwc,qw->bpqc", *(SIDES[0], x, SIDES[1])),
    "conv": lambda x: conv(x, jnp.asarray(WEIGHTS)),
    "strided": lambda x: conv(x, jnp.asarray(WEIGHTS), (2, 2), ((1, 2), (0, 1))),
    "transposed": lambda x: conv_transpose(x, jnp.asarray(WEIGHTS.swapaxes(2, 3)), (2, 2)),
    "transposed, valid": lambda x: conv_transpose(
        x, jnp.asarray(WEIGHTS.swapaxes(2, 3)), (2, 2), "VALID"
    ),
    "upsampled": lambda x: conv_of_upsampled(x, jnp.asarray(WEIGHTS)),
    "depthwise": lambda x: depthwise(x, jnp.asarray(WEIGHTS[:, :, :1, :4]), (2, 2)),
    "attention": lambda x: attention(*(positions(x),) * 3),
    "attention by rows": lambda x: attention(*(jnp.tile(positions(x), (1, 30, 1)),) * 3),
    "windows": windows,
    "window moved back": beyond,
    "tree": tree,
    "descent": descended,
    "reversed loop": lambda x: lax.scan(
        lambda c, y: (c * 0.5 + y, c), x[:, 0] * 0, x.transpose(1, 0, 2, 3), reverse=True
    )[1],
    "loop over parts": lambda x: lax.map(lambda w: conv(x, w), jnp.asarray([WEIGHTS, -WEIGHTS])),
    "uniform": drawn(jax.random.uniform),
    "normal": drawn(jax.random.normal),
    "dropped": drawn(bernoulli),
    "dropped side by side": several,
}  # fmt: skip


@functools.cache
def session_of(name):
    def function(image, offset):
        return {"found": on_floats(CASES[name])(image), "sum": offset + 1}

    batch = jax_export.symbolic_shape(f"b, {SIZE}, {SIZE}, {CHANNELS}")
    model = to_onnx(function, jax.ShapeDtypeStruct(batch, np.uint8), {"offset": np.float32(2)})
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


@pytest.mark.parametrize("name", CASES)
def test_graph_computes_what_the_program_does(name):
    for count in (1, 3):
        shape = count, SIZE, SIZE, CHANNELS
        image = np.random.default_rng(count).integers(0, 256, shape, np.uint8)
        expected = jax.jit(on_floats(CASES[name]))(image)
        found, offset = session_of(name).run(["found", "sum"], {"image": image})
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, 1e-5, 1e-5)
        assert offset == 3


def test_number_may_be_given():
    image = np.zeros((1, SIZE, SIZE, CHANNELS), np.uint8)
    (offset,) = session_of("median").run(
        ["sum"], {"image": image, "offset": np.array(5, np.float32)}
    )
    assert offset == 6


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: lax.cumlogsumexp(x, 1), "the operation cumlogsumexp"),
        (lambda x: x.view(jnp.int32), "bits read as numbers"),
        (lambda x: lax.round(x), "halves rounded away from zero"),
        (lambda x: x[: x.shape[0] // 2 + 1], "axis of size"),
    ],
)
def test_what_cannot_be_said_is_refused(function, reason):
    batch = jax_export.symbolic_shape(f"b, {SIZE}, {SIZE}, {CHANNELS}")
    image = jax.ShapeDtypeStruct(batch, np.uint8)
    with pytest.raises(NotImplementedError, match=reason):
        to_onnx(lambda image: {"found": on_floats(function)(image)}, image, {})
