"""DCGAN: parameters of every size it is used at, ranges, features and running statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_helpers import random_variables, shapes_of

from adjax.models.dcgan import DCDiscriminator, DCGenerator


def latents_of(count, size=6):
    return np.random.default_rng(0).standard_normal((count, size), np.float32)


def count(shapes):
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


def generator_shapes(model, latent_size):
    z = jax.ShapeDtypeStruct((1, latent_size), jnp.float32)
    return jax.eval_shape(model.init, jax.random.key(0), z)


# Dense kernel, then kernels of the transposed convolutions; normalised layers have two parameters
# a channel and no bias, the image's layer has a bias.
@pytest.mark.parametrize(
    ("shape", "widths", "kernel", "latent_size", "parameters"),
    [
        # The default for digits.
        ((28, 28, 1), (64, 32), 4, 64, 64 * 3136 + 16 * (64 * 32 + 32) + 2 * 96 + 1),
        ((32, 32, 3), (8, 4, 2), 4, 5, 5 * 128 + 16 * (32 + 8 + 6) + 2 * 14 + 3),
        # As published for images of 64 px.
        (
            (64, 64, 3),
            (512, 256, 128, 64),
            5,
            100,
            100 * 8192 + 25 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + 2 * 960 + 3,
        ),
    ],
)
def test_generator_has_the_parameters_of_its_layers(shape, widths, kernel, latent_size, parameters):
    model = DCGenerator(shape, widths, kernel)
    assert count(generator_shapes(model, latent_size)) == parameters


@pytest.mark.parametrize(
    ("shape", "widths", "kernel", "parameters"),
    [
        ((28, 28, 1), (32, 64), 4, 16 * (32 + 32 * 64) + 32 + 2 * 64 + 3136 + 1),
        ((128, 128, 1), (4, 8, 8, 8, 8), 4, 16 * (4 + 32 + 3 * 64) + 4 + 2 * 32 + 128 + 1),
        (
            (64, 64, 3),
            (64, 128, 256, 512),
            5,
            25 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 64 + 2 * 896 + 8192 + 1,
        ),
    ],
)
def test_discriminator_has_the_parameters_of_its_layers(shape, widths, kernel, parameters):
    assert count(shapes_of(DCDiscriminator(widths, kernel), shape)) == parameters


@pytest.fixture(scope="module")
def networks():
    """A generator and a discriminator of random variables, and their functions."""
    generator, discriminator = DCGenerator((8, 12, 3), (5, 4), 4), DCDiscriminator((4, 5), 5)
    rng = np.random.default_rng(1)

    def draw(path, leaf):
        value = rng.standard_normal(leaf.shape, np.float32)
        return 0.5 + np.abs(value) if path[-1].key in ("var", "scale") else 0.3 * value

    variables = jax.tree_util.tree_map_with_path(draw, generator_shapes(generator, 6))
    judged = random_variables(discriminator, (8, 12, 3), seed=2)
    return (
        jax.jit(lambda z: generator.apply(variables, z)[0]),
        jax.jit(lambda image: discriminator.apply(judged, image)),
        judged,
    )


def test_images_are_in_the_range_of_tanh_and_differ(networks):
    generate, _, _ = networks
    made = generate(latents_of(4))
    assert made.shape == (4, 8, 12, 3)
    assert made.dtype == np.float32
    assert abs(made).max() <= 1
    assert made.std(0).mean() > 0.05


def test_logit_is_a_product_with_the_features(networks):
    _, judge, variables = networks
    image = np.random.default_rng(3).uniform(-1, 1, (4, 8, 12, 3)).astype(np.float32)
    logit, out = judge(image)
    assert out["features"].shape == (4, 2, 3, 5)
    dense = variables["params"]["logit"]
    desired = np.asarray(out["features"]).reshape(4, -1) @ dense["kernel"][:, 0] + dense["bias"]
    np.testing.assert_allclose(logit, desired, rtol=1e-4, atol=1e-5)
    assert (np.asarray(out["features"]) < 0).any()  # leaky


def test_an_image_depends_on_its_own_latent_only(networks):
    generate, judge, _ = networks
    z = latents_of(4)
    made = generate(z)
    np.testing.assert_allclose(generate(z[1:2]), made[1:2], rtol=0, atol=1e-6)
    np.testing.assert_allclose(judge(made[1:2])[0], judge(made)[0][1:2], rtol=1e-5, atol=1e-6)


def test_training_normalises_by_the_batch_and_follows_its_statistics():
    model = DCGenerator((8, 8, 1), (4,), 4)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 6)))
    z = latents_of(16)
    _, new = model.apply(variables, z, train=True, mutable=["batch_stats"])
    x = (z @ variables["params"]["map"]["kernel"]).reshape(-1, 4)
    statistics = new["batch_stats"]["BatchNorm_0"]
    np.testing.assert_allclose(statistics["mean"], 0.1 * x.mean(0), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(statistics["var"], 0.9 + 0.1 * x.var(0), rtol=1e-5)


def test_weights_begin_small():
    variables = DCDiscriminator((16, 32), 5).init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    for name in ("Conv_0", "Conv_1", "logit"):
        assert np.std(variables["params"][name]["kernel"]) == pytest.approx(0.02, rel=0.15)


@pytest.mark.parametrize("size", [30, 4])
def test_image_that_cannot_be_halved_often_enough_is_refused(size):
    with pytest.raises(ValueError, match="3 widths need height and width divisible by 8 px"):
        shapes_of(DCDiscriminator((2, 2, 2)), (size, size, 1))
    with pytest.raises(ValueError, match="3 widths need height and width divisible by 8 px"):
        generator_shapes(DCGenerator((size, size, 1), (2, 2, 2)), 4)
