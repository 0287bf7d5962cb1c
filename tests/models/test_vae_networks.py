"""Variational autoencoders: sizes, what their code is made of, and the layers they share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_helpers import count, random_variables, shapes_of

from adjax.models.conv_autoencoder import ConvAutoencoder
from adjax.models.ssim_autoencoder import SSIMAutoencoder
from adjax.models.vae import conv_vae, ssim_vae

MODEL = conv_vae(4, (4, 8, 8))


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((5, 8, 12, 3), np.float32)


@pytest.fixture(scope="module")
def variables(image):
    return random_variables(MODEL, image.shape[1:])


def test_a_second_head_is_all_that_is_added():
    """The autoencoders' own counts are pinned by their tests; a head reads 7 x 7 x 128 or 2048."""
    head = 16 * (7 * 7 * 128) + 16
    assert count(conv_vae(16), (28, 28, 1)) == count(ConvAutoencoder(16), (28, 28, 1)) + head
    assert count(conv_vae(16), (28, 28, 1)) == 416_369 + 100_368
    head = 100 * (8 * 8 * 32) + 100
    shape = 128, 128, 1
    assert count(ssim_vae(100), shape) == count(SSIMAutoencoder(100), shape) + head
    assert count(ssim_vae(100), shape) == 1_048_549 + 204_900


def test_code_is_the_mean_and_noise_of_the_variance(variables, image):
    noise = np.random.default_rng(1).standard_normal((5, 4), np.float32)
    apply = jax.jit(MODEL.apply)
    reconstruction, out = apply(variables, image, noise)
    assert set(out) == {"mean", "log_variance", "code"}
    assert {x.shape for x in out.values()} == {(5, 4)}
    mean, log_variance = (np.asarray(out[name]) for name in ("mean", "log_variance"))
    np.testing.assert_allclose(out["code"], mean + np.exp(log_variance / 2) * noise, rtol=1e-5)
    np.testing.assert_array_equal(apply(variables, image)[1]["code"], mean)
    decode = jax.jit(lambda v, code: MODEL.apply(v, code, image.shape[1:], method="decode"))
    np.testing.assert_allclose(decode(variables, out["code"]), reconstruction, rtol=0, atol=1e-6)
    assert reconstruction.shape == image.shape
    assert 0 <= reconstruction.min() < reconstruction.max() <= 1


def test_layers_are_those_of_the_autoencoder(variables, image):
    """With the mean's head for its code, the autoencoder's reconstruction is the same."""
    params, statistics = {}, {}
    for part, offset in (("encoder", 0), ("decoder", 3)):
        for name, tree in variables["params"][part].items():
            kind, _, number = name.partition("_")
            moved = f"{kind}_{int(number) + offset}" if kind in ("Conv", "BatchNorm") else name
            params[moved] = tree
        for name, tree in variables["batch_stats"][part].items():
            statistics[f"BatchNorm_{int(name[-1]) + offset}"] = tree
    params["code"] = variables["params"]["mean"]
    model = ConvAutoencoder(4, (4, 8, 8))
    desired, out = jax.jit(model.apply)({"params": params, "batch_stats": statistics}, image)
    reconstruction, found = jax.jit(MODEL.apply)(variables, image)
    np.testing.assert_allclose(reconstruction, desired, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found["mean"], out["code"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("extra_layers", [0, 1])
def test_shapes_of_large_images(extra_layers):
    model, size = ssim_vae(10, extra_layers, jnp.bfloat16), 128 * 2**extra_layers
    image = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    shapes = shapes_of(model, image.shape[1:])
    assert shapes.keys() == {"params"}
    reconstruction, out = jax.eval_shape(model.apply, shapes, image)
    assert (reconstruction.shape, reconstruction.dtype) == (image.shape, jnp.float32)
    assert {(x.shape, x.dtype) for x in out.values()} == {((2, 10), jnp.dtype("float32"))}
    with pytest.raises(ValueError, match=f"needs images of {size} x {size} px"):
        shapes_of(model, (64, 64, 3))


def test_training_updates_running_statistics(variables, image):
    apply = jax.jit(lambda v, x: MODEL.apply(v, x, train=True, mutable=["batch_stats"]))
    _, updated = apply(variables, image)
    old, new = variables["batch_stats"], updated["batch_stats"]
    assert jax.tree.structure(old) == jax.tree.structure(new)
    changes = jax.tree.map(lambda a, b: np.abs(a - b).max(), old, new)
    assert min(jax.tree.leaves(changes)) > 0
