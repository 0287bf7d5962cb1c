"""Fits of small methods: their images, what they compute, that it can be exported."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

MEMBER = {"seed": 3, "data.normal_class": 7}


def smooth_images(count, seed=0):
    """Images `[count, 8, 8, 1]` of few directions: sums of smooth patterns, and a little noise."""
    rng = np.random.default_rng(seed)
    waves = np.arange(8)[:, None] * np.arange(1, 5)[None] * 0.4
    patterns = np.einsum("hi,wj->ijhw", np.sin(waves), np.cos(waves)).reshape(16, 8, 8)
    weights = rng.standard_normal((count, 16)) * np.linspace(1, 0.1, 16) ** 2
    images = 0.5 + 0.1 * np.einsum("ni,ihw->nhw", weights, patterns)
    images += 0.02 * rng.standard_normal(images.shape)
    return images.clip(0, 1).astype(np.float32)[..., None]


def stream(images):
    """The images as a fit is given them."""
    return lambda size: (images[start : start + size] for start in range(0, len(images), size))


def fitted(method, images):
    """Variables of a method of one fit; they have the promised shapes."""
    (stage,) = method.stages
    params = stage.compute(stream(images), {}, MEMBER)
    assert jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), params) == stage.shapes(
        images.shape[1:]
    )
    return {stage.name: {"params": jax.tree.map(jnp.asarray, params)}}


def scored(method, variables, images):
    """Image scores by a compiled score; the map says the same."""
    scores = jax.jit(method.score)(variables, images, jax.random.key(0))
    assert set(scores.image_score) == set(method.image_scores)
    mean = np.mean([np.asarray(score) for score in scores.image_score.values()], 0)
    assert scores.anomaly_map.dtype == jnp.float32
    np.testing.assert_allclose(
        scores.anomaly_map, np.broadcast_to(mean[:, None, None], images.shape[:3]), rtol=1e-5
    )
    return scores.image_score


def assert_exports(method, variables, images):
    """The score of any number of images is exported and says the same of one alone."""
    key = jax.random.key(0)
    shape = export.symbolic_shape("b, 8, 8, 1")
    program = jax.jit(lambda image: method.score(variables, image, key).image_score)
    exported = export.export(program)(jax.ShapeDtypeStruct(shape, np.float32))
    loaded = export.deserialize(exported.serialize())
    expected = program(images)
    for name, values in loaded.call(images[:1]).items():
        np.testing.assert_allclose(values, expected[name][:1], rtol=1e-4, atol=1e-5)
