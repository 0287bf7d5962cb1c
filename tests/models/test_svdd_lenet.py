"""The LeNets of Deep SVDD: sizes, and their layers as the released code has them, in SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_helpers import count, random_variables, shapes_of
from scipy.signal import convolve2d, correlate2d

from adjax.models.svdd_lenet import LeNet, LeNetAutoencoder

MNIST = LeNetAutoencoder((8, 4), 32)
CIFAR10 = LeNetAutoencoder((32, 64, 128), 128, glorot=True, normalise_code=True)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((2, 28, 28, 1), np.float32)


@pytest.fixture(scope="module")
def variables(image):
    return random_variables(MNIST, image.shape[1:])


# Kernels of 25 taps: 1 x 8 + 8 x 4 and 7 x 7 x 4 values to 32; back from 2 channels to 4, 8 and 1.
# In colour 3 x 32 + 32 x 64 + 64 x 128 and 4 x 4 x 128 to 128; back from 8 to 128, 64, 32 and 3.
@pytest.mark.parametrize(
    ("model", "size", "channels", "encoder", "decoder"),
    [
        (MNIST, 28, 1, 40 * 25 + 196 * 32, 48 * 25),
        (CIFAR10, 32, 3, 10_336 * 25 + 2048 * 128, 11_360 * 25),
    ],
)
def test_parameter_counts(model, size, channels, encoder, decoder):
    shape = size, size, channels
    assert count(LeNet(model.widths, model.code_size), shape) == encoder
    assert count(model, shape) == encoder + decoder
    assert (encoder, encoder + decoder) in ((7_272, 8_472), (520_544, 804_544))


@pytest.mark.parametrize(("model", "shape"), [(MNIST, (28, 28, 1)), (CIFAR10, (32, 32, 3))])
def test_nothing_is_added_or_scaled(model, shape):
    paths = jax.tree_util.tree_flatten_with_path(shapes_of(model, shape)["params"])[0]
    assert {path[-1].key for path, _ in paths} == {"kernel"}


def test_only_colour_normalises_the_code():
    norms = shapes_of(CIFAR10, (32, 32, 3))["batch_stats"]
    assert norms["BatchNorm_0"]["mean"].shape == (128,)
    # Three in the encoder; the code and three levels of the decoder. On MNIST two levels.
    assert [len(norms["encoder"]), len(norms)] == [3, 1 + 4]
    assert len(shapes_of(MNIST, (28, 28, 1))["batch_stats"]) == 1 + 2


def leaky(x):
    return np.where(x > 0, x, 0.01 * x)


def normalised(x, statistics):
    return (x - statistics["mean"]) / np.sqrt(statistics["var"] + 1e-4)


def convolved(x, kernel):
    """`[H, W, I]` by `[5, 5, I, O]`, zeros around."""
    return np.stack(
        [
            sum(correlate2d(x[..., i], kernel[..., i, o], "same") for i in range(x.shape[-1]))
            for o in range(kernel.shape[-1])
        ],
        -1,
    )


def transposed(x, kernel, padding):
    """A transposed convolution of stride 1, as the released code has it; its kernel is mirrored."""
    kernel = kernel[::-1, ::-1]
    whole = np.stack(
        [
            sum(convolve2d(x[..., i], kernel[..., i, o]) for i in range(x.shape[-1]))
            for o in range(kernel.shape[-1])
        ],
        -1,
    )
    return whole[padding:-padding, padding:-padding]


def doubled(x):
    return x.repeat(2, 0).repeat(2, 1)


def by_hand(variables, image):
    """Code and reconstruction of one image `[28, 28, 1]`, by running statistics."""
    variables = jax.tree.map(np.float64, variables)
    params, statistics = variables["params"], variables["batch_stats"]
    own, own_statistics = params["encoder"], statistics["encoder"]
    x = image
    for layer in range(2):
        x = convolved(x, own[f"Conv_{layer}"]["kernel"])
        x = leaky(normalised(x, own_statistics[f"BatchNorm_{layer}"]))
        height, width, channels = x.shape
        x = x.reshape(height // 2, 2, width // 2, 2, channels).max((1, 3))
    code = x.reshape(-1) @ own["code"]["kernel"]
    kernels = [params[f"Conv_{layer}"]["kernel"] for layer in range(3)]
    x = transposed(doubled(leaky(code.reshape(4, 4, 2))), kernels[0], padding=2)
    x = transposed(doubled(leaky(normalised(x, statistics["BatchNorm_0"]))), kernels[1], padding=3)
    x = transposed(doubled(leaky(normalised(x, statistics["BatchNorm_1"]))), kernels[2], padding=2)
    return code, 1 / (1 + np.exp(-x))


def test_layers_are_those_of_the_released_code(variables, image):
    reconstruction, out = jax.jit(MNIST.apply)(variables, image)
    assert reconstruction.shape == image.shape
    assert reconstruction.dtype == out["code"].dtype == jnp.float32
    for found, code, one in zip(reconstruction, out["code"], image, strict=True):
        desired_code, desired = by_hand(variables, one.astype(np.float64))
        np.testing.assert_allclose(code, desired_code, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(found, desired, rtol=0, atol=1e-5)


def test_encoder_is_a_network_of_its_own(variables, image):
    own = {name: tree["encoder"] for name, tree in variables.items()}
    code, out = jax.jit(LeNet((8, 4), 32).apply)(own, image)
    desired = jax.jit(MNIST.apply)(variables, image)[1]["code"]
    np.testing.assert_allclose(code, desired, rtol=1e-5, atol=1e-6)
    assert out == {}


def test_training_updates_every_statistic(variables, image):
    train = jax.jit(lambda v, x: MNIST.apply(v, x, train=True, mutable=["batch_stats"]))
    _, updated = train(variables, image)
    old, new = variables["batch_stats"], updated["batch_stats"]
    assert jax.tree.structure(old) == jax.tree.structure(new)
    kernel = variables["params"]["encoder"]["Conv_0"]["kernel"]
    x = np.stack([convolved(one, kernel) for one in image])
    for name, moment in (("mean", x.mean((0, 1, 2))), ("var", x.var((0, 1, 2)))):
        desired = 0.9 * old["encoder"]["BatchNorm_0"][name] + 0.1 * moment
        found = new["encoder"]["BatchNorm_0"][name]
        np.testing.assert_allclose(found, desired, rtol=1e-4, atol=1e-5)


def test_weights_begin_as_in_the_released_code():
    """PyTorch's 1 / sqrt(fan), of transposed convolutions by their outputs; Glorot's in colour."""
    key = jax.random.key(0, impl="rbg")  # the fastest to compile
    grey = jax.jit(MNIST.init)(key, jnp.zeros((1, 28, 28, 1)))["params"]
    tiny = LeNetAutoencoder((16, 32), 64, glorot=True)
    colour = jax.jit(tiny.init)(key, jnp.zeros((1, 16, 16, 3)))["params"]
    gain = np.sqrt(2 / (1 + 0.01**2))
    for kernel, bound in (
        (grey["encoder"]["Conv_1"], 1 / np.sqrt(8 * 25)),
        (grey["encoder"]["code"], 1 / np.sqrt(196)),
        (grey["Conv_1"], 1 / np.sqrt(8 * 25)),
        (grey["Conv_2"], 1 / np.sqrt(1 * 25)),
        (colour["encoder"]["Conv_0"], gain * np.sqrt(6 / ((3 + 16) * 25))),
        (colour["encoder"]["code"], 1 / np.sqrt(16 * 32)),
        (colour["Conv_2"], gain * np.sqrt(6 / ((16 + 3) * 25))),
    ):
        largest = abs(kernel["kernel"]).max()
        assert 0.95 * bound < largest <= bound * (1 + 1e-6)


@pytest.mark.parametrize("size", [8, 15, 20, 32])
def test_every_size_that_fits(size):
    model = LeNetAutoencoder((4, 4), 16)
    if size in (20, 32):
        image = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
        shapes = shapes_of(model, (size, size, 3))
        assert jax.eval_shape(model.apply, shapes, image)[0].shape == image.shape
    else:
        with pytest.raises(ValueError, match="2 widths need square images of 4 to 8 times 4 px"):
            shapes_of(model, (size, size, 3))


def test_code_that_is_no_square_is_refused():
    with pytest.raises(ValueError, match="code_size=20 is not a multiple of 16"):
        shapes_of(LeNetAutoencoder((4, 4), 20), (16, 16, 1))
    with pytest.raises(ValueError, match="divisible by 4 px"):
        shapes_of(LeNet((4, 4), 20), (18, 18, 1))
