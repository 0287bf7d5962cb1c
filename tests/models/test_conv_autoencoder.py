"""The bottleneck autoencoder: size, shapes, range and batch statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_helpers import random_variables, shapes_of

from adjax.models.conv_autoencoder import ConvAutoencoder

MODEL = ConvAutoencoder(4, (4, 8, 8))


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((5, 8, 12, 3), np.float32)


@pytest.fixture(scope="module")
def variables(image):
    return random_variables(MODEL, image.shape[1:])


@pytest.fixture(scope="module")
def trained(variables, image):
    """Output and updated collections of a step of training."""
    apply = jax.jit(lambda v, x: MODEL.apply(v, x, train=True, mutable=["batch_stats"]))
    return apply(variables, image)


def test_parameter_count_on_mnist():
    params = shapes_of(ConvAutoencoder(16), (28, 28, 1))["params"]
    assert sum(x.size for x in jax.tree.leaves(params)) == 416_369


def test_code_size_sets_the_bottleneck():
    params = shapes_of(ConvAutoencoder(7), (28, 28, 1))["params"]
    assert params["code"]["kernel"].shape == (7 * 7 * 128, 7)
    assert params["Dense_0"]["kernel"].shape == (7, 7 * 7 * 128)


def test_reconstruction_and_code(variables, image):
    reconstruction, out = jax.jit(MODEL.apply)(variables, image)
    assert reconstruction.shape == image.shape
    assert reconstruction.dtype == jnp.float32
    assert reconstruction.min() >= 0
    assert reconstruction.max() <= 1
    assert set(out) == {"code"}
    assert out["code"].shape == (5, 4)


def test_only_the_code_reaches_the_reconstruction(variables, image):
    code = variables["params"]["code"]
    blind = {**code, "kernel": np.zeros_like(code["kernel"])}
    apply = jax.jit(MODEL.apply)
    reconstruction, _ = apply(variables, image)
    assert np.ptp(reconstruction, axis=0).max() > 1e-3
    variables = {**variables, "params": {**variables["params"], "code": blind}}
    reconstruction, _ = apply(variables, image)
    assert np.ptp(reconstruction, axis=0).max() == 0


def test_training_updates_running_statistics(variables, trained, image):
    _, updated = trained
    assert set(updated) == {"batch_stats"}
    old, new = variables["batch_stats"], updated["batch_stats"]
    assert old.keys() == new.keys() == {f"BatchNorm_{i}" for i in range(6)}
    # The input of the first normalisation is a convolution without bias: computable here.
    kernel = variables["params"]["Conv_0"]["kernel"]
    x = jax.lax.conv_general_dilated(
        image, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    for name, moment in (("mean", x.mean((0, 1, 2))), ("var", x.var((0, 1, 2)))):
        desired = 0.9 * old["BatchNorm_0"][name] + 0.1 * moment
        np.testing.assert_allclose(new["BatchNorm_0"][name], desired, rtol=1e-4, atol=1e-6)


def test_evaluation_changes_nothing_and_treats_images_alone(variables, trained, image):
    variables = {**variables, **trained[1]}
    apply = jax.jit(lambda v, x: MODEL.apply(v, x, mutable=["batch_stats"]))
    (together, _), collections = apply(variables, image)
    jax.tree.map(
        np.testing.assert_array_equal, collections["batch_stats"], variables["batch_stats"]
    )
    others = np.concatenate([image[:1], np.ones_like(image[1:])])
    (alone, _), _ = apply(variables, others)
    np.testing.assert_allclose(alone[0], together[0], rtol=0, atol=1e-6)


def test_batch_axis_averages_statistics(variables, trained, image):
    model = MODEL.clone(batch_axis="data")
    apply = jax.vmap(
        lambda v, x: model.apply(v, x, train=True, mutable=["batch_stats"]),
        in_axes=(None, 0),
        axis_name="data",
    )
    one_an_image = jax.jit(apply)(variables, image[:, None])
    (reconstruction, _), updated = one_an_image
    (desired, _), desired_update = trained
    np.testing.assert_allclose(reconstruction[:, 0], desired, rtol=0, atol=1e-5)
    jax.tree.map(
        lambda a, d: np.testing.assert_allclose(a[0], d, rtol=1e-4, atol=1e-6),
        updated,
        desired_update,
    )
