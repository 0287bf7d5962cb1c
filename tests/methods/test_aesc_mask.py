"""AESc with a mask: target, objective and score, and that it learns where a patch is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from method_helpers import build_method
from scipy import ndimage

from adjax.methods.aesc.mask import visible_change

SIZE = 16
PLAIN = {"autoencoder.corruption": "paste", "mask.lamp": 0.0}


@pytest.fixture(scope="module")
def pasted():
    """Ramps, the same with a bright square, and where that is."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    angle = rng.uniform(0, 2 * np.pi, (32, 1, 1))
    image = 0.5 + 0.25 * (np.cos(angle) * x + np.sin(angle) * y)
    top, left = rng.integers(1, SIZE - 5, (2, 32, 1, 1))
    rows, columns = np.arange(SIZE)[None, :, None], np.arange(SIZE)[None, None, :]
    mask = (abs(rows - top - 1.5) < 2) & (abs(columns - left - 1.5) < 2)
    changed = np.where(mask, 0.95, image)
    return *(a[..., None].astype(np.float32) for a in (image, changed)), mask


def member():
    return {"autoencoder.learning_rate": np.float32(3e-3), "autoencoder.weight_decay": 0.0}


def test_target_is_the_blurred_change_over_the_contrast(pasted):
    image, changed, mask = pasted
    target = np.asarray(visible_change(image, changed, 1 / SIZE, 0.3))
    difference = np.abs(image - changed)[..., 0].astype(float)
    desired = [np.clip(ndimage.gaussian_filter(one, 1.0) / 0.3, 0, 1) for one in difference]
    np.testing.assert_allclose(target, desired, atol=1e-5)
    sharp = np.asarray(visible_change(image, changed, 0.0, 0.01))
    np.testing.assert_array_equal(sharp > 0.99, mask)
    assert np.asarray(visible_change(image, image, 0.1, 0.1)).max() == 0


def test_objective_is_squared_error_and_weighted_cross_entropy(pasted, on_two_devices):
    method = build_method("aesc_mask", PLAIN)
    (stage,) = method.stages
    assert stage.corruption[0] == "paste"
    assert {"mask", "corruption.paste", "network=aesc_mask"} <= set(stage.depends_on)
    image, changed, _ = (a[:4] for a in pasted)
    state = stage.init(jax.random.key(0), jnp.asarray(image[:1]))
    batch = {"image": image, "corrupted": changed}
    _, metrics = on_two_devices(stage.update)(state, {}, batch, jax.random.key(1), member())
    loss = float(metrics["squared"]) + 0.1 * float(metrics["cross_entropy"])
    assert float(metrics["loss"]) == pytest.approx(loss, rel=1e-5)


def test_lamps_brighten_image_and_target_alike(pasted, on_two_devices):
    image, changed, _ = (a[:4] for a in pasted)
    values = []
    for lamp in (0.0, 0.5):
        (stage,) = build_method("aesc_mask", PLAIN | {"mask.lamp": lamp}).stages
        state = stage.init(jax.random.key(0), jnp.asarray(image[:1]))
        batch = {"image": image, "corrupted": changed}
        _, metrics = on_two_devices(stage.update)(state, {}, batch, jax.random.key(1), member())
        values.append(float(metrics["squared"]))
    assert values[0] != values[1]


def test_it_learns_where_a_patch_is(pasted, on_two_devices):
    image, changed, mask = pasted
    method = build_method("aesc_mask", PLAIN | {"mask.weight": 1.0, "autoencoder.width": 8})
    (stage,) = method.stages
    update = on_two_devices(stage.update)
    state = stage.init(jax.random.key(0), jnp.asarray(image[:1]))
    for step in range(300):
        rows = np.arange(8) + 8 * (step % 3)
        batch = {"image": image[rows], "corrupted": changed[rows]}
        state, _ = update(state, {}, batch, jax.random.key(step), member())
    variables = {"autoencoder": state.variables}
    score = jax.jit(method.score)
    seen, clean = (score(variables, x[24:], jax.random.key(0)) for x in (changed, image))
    inside = np.asarray(seen.anomaly_map)[mask[24:]].mean()
    outside = np.asarray(seen.anomaly_map)[~mask[24:]].mean()
    assert inside > 2 * outside
    assert (np.asarray(seen.image_score["linf"]) > np.asarray(clean.image_score["linf"])).all()
    assert seen.anomaly_map.min() >= 0
    assert seen.anomaly_map.max() <= 1


def test_reconstruction_has_the_images_channels():
    method = build_method("aesc_mask", PLAIN)
    image = np.random.default_rng(1).random((2, SIZE, SIZE, 3), np.float32)
    variables = method.stages[0].init(jax.random.key(0), jnp.asarray(image[:1])).variables
    scores = method.score({"autoencoder": variables}, image, jax.random.key(0))
    assert scores.reconstruction["AESc"].shape == image.shape
    assert scores.anomaly_map.shape == image.shape[:3]
