"""Sliding windows against a plain loop over windows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from adjax.evaluation.windows import windowed
from adjax.ops import window_starts

PATCH = 6


@struct.dataclass
class PatchScores:
    image_score: dict[str, jax.Array]
    anomaly_map: jax.Array
    reconstruction: dict[str, jax.Array]


def score(variables, image, key):
    """Depends on the place within the patch, so that it matters where windows lie."""
    assert image.shape[1:3] == (PATCH, PATCH)
    reconstruction = jnp.cumsum(image, 1) * variables["w"]
    anomaly_map = jnp.abs(image - reconstruction).mean(-1)
    return PatchScores(
        {"max": anomaly_map.max((1, 2)), "negative": -anomaly_map.mean((1, 2))},
        anomaly_map,
        {"AE": reconstruction},
    )


def naive(variables, image, stride):
    """NumPy: window by window."""
    batch, height, width, _ = image.shape
    total, recon = np.zeros(image.shape[:3]), np.zeros(image.shape)
    count = np.zeros((height, width))
    best = {"max": np.full(batch, -np.inf), "negative": np.full(batch, -np.inf)}
    rows = {*range(0, height - PATCH + 1, stride), height - PATCH}
    columns = {*range(0, width - PATCH + 1, stride), width - PATCH}
    for y in rows:
        for x in columns:
            here = np.s_[:, y : y + PATCH, x : x + PATCH]
            scores = score(variables, jnp.asarray(image[here]), None)
            total[here] += scores.anomaly_map
            recon[here] += scores.reconstruction["AE"]
            count[here[1:]] += 1
            best = {name: np.maximum(best[name], scores.image_score[name]) for name in best}
    assert count.min() >= 1
    return best, total / count, recon / count[..., None]


@pytest.mark.parametrize(
    ("height", "width", "stride", "at_once"),
    [(6, 6, 3, 1), (11, 14, 4, 1), (13, 9, 2, 3), (12, 18, 6, 16)],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_equals_a_loop(height, width, stride, at_once, channels):
    rng = np.random.default_rng(0)
    image = rng.random((2, height, width, channels), np.float32)
    variables = {"w": jnp.float32(0.3)}
    actual = jax.jit(windowed(score, PATCH, stride, at_once))(variables, image, jax.random.key(0))
    best, anomaly_map, reconstruction = naive(variables, image, stride)
    assert isinstance(actual, PatchScores)
    for name, value in best.items():
        np.testing.assert_allclose(actual.image_score[name], value, rtol=1e-6)
    np.testing.assert_allclose(actual.anomaly_map, anomaly_map, rtol=0, atol=1e-6)
    np.testing.assert_allclose(actual.reconstruction["AE"], reconstruction, rtol=0, atol=1e-6)


def test_windows_together_give_what_they_give_alone():
    image = np.random.default_rng(1).random((3, 15, 11, 1), np.float32)
    variables = {"w": jnp.float32(0.3)}
    results = [
        jax.jit(windowed(score, PATCH, 2, at_once))(variables, image, jax.random.key(0))
        for at_once in (1, 4)
    ]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-6), *results)


def test_constant_maps_stay_exactly_constant():
    def ones(variables, image, key):
        return PatchScores({}, jnp.ones(image.shape[:3]), {})

    image = np.zeros((1, 17, 13, 1), np.float32)
    scores = jax.jit(windowed(ones, PATCH, 5, 2))({}, image, jax.random.key(0))
    np.testing.assert_array_equal(scores.anomaly_map, np.ones((1, 17, 13)))


def test_each_group_of_places_has_its_own_key():
    def random(variables, image, key):
        value = jax.random.uniform(key)
        return PatchScores({}, jnp.full(image.shape[:3], value), {})

    image = np.zeros((1, 12, 18, 1), np.float32)
    program = jax.jit(windowed(random, PATCH, PATCH))
    tiles = np.asarray(program({}, image, jax.random.key(0)).anomaly_map)[0, ::PATCH, ::PATCH]
    assert len(np.unique(tiles)) == 6
    again = program({}, image, jax.random.key(1)).anomaly_map
    assert not np.isin(again, tiles).any()


@pytest.mark.parametrize(
    ("size", "patch", "stride", "starts"),
    [
        (8, 8, 3, (0,)),
        (9, 8, 3, (0, 1)),
        (14, 8, 3, (0, 3, 6)),
        (15, 8, 3, (0, 3, 6, 7)),
        (256, 128, 30, (0, 30, 60, 90, 120, 128)),
    ],
)
def test_windows_begin_at_strides_and_end_at_the_border(size, patch, stride, starts):
    assert window_starts(size, patch, stride) == starts


@pytest.mark.parametrize(("size", "patch", "stride"), [(7, 8, 3), (16, 8, 9), (16, 8, 0)])
def test_windows_that_leave_gaps_raise(size, patch, stride):
    with pytest.raises(ValueError, match="do not cover"):
        window_starts(size, patch, stride)
