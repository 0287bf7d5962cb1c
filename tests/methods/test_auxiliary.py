"""Auxiliary images that the teacher takes part in."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_helpers import random_variables

from adjax.losses import Distance
from adjax.methods.style_distillation.auxiliary import (
    adversarial_noise,
    auxiliary_images,
    reconstruction,
)
from adjax.models.conv_autoencoder import ConvAutoencoder

D = Distance(window=7)


@functools.partial(jax.jit, static_argnames=("reconstruct", "eps"))
def noise(image, reconstruct, eps):
    return adversarial_noise(image, reconstruct, D, eps=eps)


@pytest.fixture(scope="module", params=[1, 3])
def teacher(request):
    """`(image [6, 8, 8, C], image -> reconstruction)` of a random autoencoder."""
    model = ConvAutoencoder(4, (4, 8))
    shape = (8, 8, request.param)
    variables = random_variables(model, shape, seed=2)
    image = np.random.default_rng(3).random((6, *shape), np.float32)
    return image, jax.jit(lambda image: model.apply(variables, image)[0])


@pytest.mark.parametrize("eps", [0.005, 0.1])
def test_adversarial_noise_raises_the_error_within_eps(teacher, eps):
    image, reconstruct = teacher
    noisy = noise(image, reconstruct, eps)
    assert noisy.min() >= 0
    assert noisy.max() <= 1
    change = np.abs(noisy - image)
    assert change.max() <= eps + 1e-6
    inside = (image > eps) & (image < 1 - eps)
    np.testing.assert_allclose(change[inside], eps, rtol=0, atol=1e-6)
    error = jax.jit(lambda x: D(x, reconstruct(x)))
    before, after = (np.asarray(error(x)) for x in (image, noisy))
    assert (after > before).all()


def test_adversarial_noise_follows_the_sign_of_finite_differences(teacher):
    image, reconstruct = teacher
    image = jnp.asarray(image[:1]) * 0.5 + 0.25
    direction = np.asarray(noise(image, reconstruct, 0.1) - image) / 0.1

    @jax.jit
    @jax.vmap
    def error(x):
        return D(x[None], reconstruct(x[None]))[0]

    steps = 2e-2 * np.eye(image.size, dtype=np.float32).reshape(-1, *image.shape[1:])
    slope = np.asarray(error(image + steps) - error(image - steps)).reshape(image.shape)
    steep = np.abs(slope) > np.quantile(np.abs(slope), 0.5)
    np.testing.assert_array_equal(np.round(direction[steep]), np.sign(slope[steep]))


def test_adversarial_noise_depends_on_its_own_image_only(teacher):
    image, reconstruct = teacher
    noisy = noise(image, reconstruct, 0.1)
    alone = noise(image[2:3], reconstruct, 0.1)
    np.testing.assert_allclose(alone[0], noisy[2], rtol=0, atol=1e-6)


def test_reconstruction_is_what_the_teacher_gives(teacher):
    image, reconstruct = teacher
    np.testing.assert_array_equal(reconstruction(image, reconstruct, D), reconstruct(image))


def test_images_of_the_pipeline_are_taken_from_the_batch(teacher):
    image, reconstruct = teacher
    batch = {"image": image, "auxiliary": image**2}
    made = auxiliary_images(("rotation", {}), batch, reconstruct, D)
    np.testing.assert_array_equal(made, image**2)
