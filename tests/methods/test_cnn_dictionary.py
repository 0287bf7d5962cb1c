"""The dictionary of patch features: its parts against scikit-learn, SciPy and plain loops.

The network has random weights here, `test_pretrained.py` is about the released ones.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from dictionary_helpers import FEATURES, cnn_dictionary, use_few_features
from jax import export
from method_helpers import build_method
from model_helpers import random_variables
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from adjax.errors import UserError
from adjax.methods import lookup
from adjax.methods.cnn_dictionary.method import (
    build,
    draw_patches,
    nearest,
    window_scores,
)
from adjax.models.efficientnet_lite import EfficientNetLite0
from adjax.ops import convolution_backend
from adjax.settings import read


@functools.cache
def random_network():
    """Stands for the released weights; its features differ among images."""

    def enlarge(path, leaf):
        return 5 * leaf if path[-1].key == "depthwise" else leaf

    variables = random_variables(EfficientNetLite0(), (32, 32, 3))
    return jax.tree_util.tree_map_with_path(enlarge, variables)


@functools.cache
def network_features():
    return jax.jit(lambda images: EfficientNetLite0().apply(random_network(), images)[0])


def small(**values):
    values = {"patch": 6, "entries": 3, "at_once": 3, **values}
    changes = {f"dictionary.{key}": value for key, value in values.items()}
    return build_method("cnn_dictionary", changes)


@pytest.fixture(scope="module")
def method():
    return small(stride=4, input=32, patches=80)


@pytest.fixture(scope="module")
def dictionary(method):
    """Of 20 random images, as the stage makes it."""
    image = np.random.default_rng(0).random((20, 8, 9, 1), np.float32)
    frozen = {"features": {"params": random_network()}}

    def images(size):
        return (image[start : start + size] for start in range(0, len(image), size))

    found = method.stages[1].compute(images, frozen, {"seed": 3})
    assert jax.tree.map(np.shape, found) == jax.tree.map(
        lambda leaf: leaf.shape, method.stages[1].shapes((8, 9, 1))
    )
    return found


def test_stages(method):
    network, dictionary = method.stages
    assert (network.name, dictionary.name) == ("features", "dictionary")
    assert network.depends_on == ("network=efficientnet_lite0",)
    assert dictionary.depends_on == ("data", "network=efficientnet_lite0", "dictionary")
    like = jax.tree.map(lambda leaf: leaf.shape, network.shapes((8, 8, 1)))
    assert like == jax.tree.map(np.shape, random_network())
    assert method.image_scores == ("max", "mean")
    assert method.dynamic == ()


def test_impossible_settings_are_refused(method):
    with pytest.raises(ValueError, match="windows of 6 px at stride 4 do not cover 5 px"):
        method.stages[1].shapes((8, 5, 1))
    defaults = lookup("cnn_dictionary").sections["dictionary"]
    with pytest.raises(UserError, match=r"dictionary.patches=9: .* config.dictionary.entries=10"):
        read(defaults, {"patches": 9, "entries": 10}, "dictionary")
    with pytest.raises(UserError, match=r"dictionary.stride=17: must not be above .*patch=16"):
        read(defaults, {"stride": 17}, "dictionary")


def test_patches_are_cut_out_of_the_images():
    # Every pixel tells its image, row and column.
    number, row, column = np.meshgrid(*map(np.arange, (70, 6, 5)), indexing="ij")
    image = np.stack([number, row, column], -1).astype(np.float32)
    drawn = [
        draw_patches(
            lambda size: (image[start : start + size] for start in range(0, 70, size)),
            500,
            4,
            np.random.default_rng(seed),
        )
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()
    number, row, column = np.moveaxis(drawn[0], -1, 0)
    assert (number == number[:, :1, :1]).all()
    np.testing.assert_array_equal(row - row[:, :1, :1], np.arange(4.0)[None, :, None] + 0 * row)
    np.testing.assert_array_equal(
        column - column[:, :1, :1], np.arange(4.0)[None, None] + 0 * column
    )
    # The chance that one is missed of 70 images, 3 rows, 2 columns is below a tenth of a percent.
    assert len(np.unique(number)) > 65
    assert set(row[:, 0, 0]) == {0, 1, 2}
    assert set(column[:, 0, 0]) == {0, 1}


@pytest.fixture(scope="module")
def correlated():
    """Features `[300, 24]` of which few directions have most of the variance."""
    rng = np.random.default_rng(1)
    return (rng.random((300, 24)) @ np.diag(0.7 ** np.arange(24))).astype(np.float32)


def test_distance_is_to_the_nearest_centre_along_the_components(correlated):
    found = build(correlated, 0.95, entries=5, seed=0)
    pca = PCA(0.95, svd_solver="full").fit(correlated)
    assert (np.abs(found["axes"]).sum(0) > 0).sum() == pca.n_components_ < 24
    code = (correlated - found["mean"]) @ found["axes"]
    distance = cdist(code, found["entries"])
    np.testing.assert_allclose(
        jax.jit(nearest)(found, correlated), distance.min(1), rtol=0, atol=1e-5
    )
    # Signs of components are free, distances are not; and the centres are those of k-means.
    clusters = KMeans(5, n_init=10, random_state=0).fit(pca.transform(correlated))
    assert np.square(distance.min(1)).sum() == pytest.approx(clusters.inertia_, rel=0.01)
    nearest_entry = distance.argmin(1)
    means = [code[nearest_entry == k].mean(0) for k in range(5)]
    np.testing.assert_allclose(found["entries"], means, rtol=0, atol=1e-3)


def test_same_seed_gives_the_same_dictionary(correlated):
    first, again, other = (build(correlated, 0.9, 5, seed) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert (first["entries"] != other["entries"]).any()


@pytest.mark.parametrize("variance", [0.01, 0.5, 1.0])
def test_any_part_of_the_variance_can_be_kept(correlated, variance):
    found = build(correlated[:10], variance, 2, 0)
    kept = np.square((correlated[:10] - found["mean"]) @ found["axes"]).sum()
    whole = np.square(correlated[:10] - found["mean"]).sum()
    assert kept >= (variance - 1e-6) * whole


@pytest.mark.parametrize(
    ("height", "width", "window", "stride", "at_once"),
    [(6, 6, 6, 6, 4), (11, 14, 6, 4, 1), (13, 9, 6, 2, 3), (12, 18, 6, 6, 64)],
)
def test_windows_equal_a_loop(height, width, window, stride, at_once):
    image = np.random.default_rng(0).random((2, height, width, 2), np.float32)

    def distance(patches):
        assert patches.shape[1:] == (window, window, 2)
        return patches[:, 0, 1, 0] + 3 * patches[:, -1, -1, 1]

    scores = jax.jit(lambda image: window_scores(distance, image, window, stride, at_once))(image)
    total, count, found = np.zeros((2, height, width)), np.zeros((height, width)), []
    for y in sorted({*range(0, height - window + 1, stride), height - window}):
        for x in sorted({*range(0, width - window + 1, stride), width - window}):
            here = np.s_[:, y : y + window, x : x + window]
            found.append(distance(image[here]))
            total[here] += found[-1][:, None, None]
            count[here[1:]] += 1
    assert count.min() >= 1
    np.testing.assert_allclose(scores.anomaly_map, total / count, rtol=1e-5)
    np.testing.assert_allclose(scores.image_score["max"], np.max(found, 0), rtol=1e-6)
    np.testing.assert_allclose(scores.image_score["mean"], np.mean(found, 0), rtol=1e-5)


def naive_distance(dictionary, patches):
    """Grey patches enlarged by TensorFlow, features of sum one, SciPy's distances."""
    enlarged = tf.image.resize(np.repeat(patches, 3, -1), (32, 32)).numpy()
    features = np.asarray(network_features()(enlarged), np.float64)
    features /= np.abs(features).sum(-1, keepdims=True)
    code = (features - dictionary["mean"]) @ dictionary["axes"].astype(np.float64)
    return cdist(code, dictionary["entries"]).min(1)


def test_score_equals_its_parts(method, dictionary):
    image = np.random.default_rng(5).random((2, 8, 9, 1), np.float32)
    variables = {
        "features": {"params": random_network()},
        "dictionary": {"params": dictionary},
    }
    scores = jax.jit(method.score)(variables, image, jax.random.key(0))
    places = [(y, x) for y in (0, 2) for x in (0, 3)]
    found = np.stack(
        [naive_distance(dictionary, image[:, y : y + 6, x : x + 6]) for y, x in places]
    )
    assert found.std() > 0.01 * found.mean()
    scale = found.max()
    assert scores.anomaly_map.dtype == scores.image_score["max"].dtype == jnp.float32
    np.testing.assert_allclose(scores.image_score["max"], found.max(0), 0, 1e-3 * scale)
    np.testing.assert_allclose(scores.image_score["mean"], found.mean(0), 0, 1e-3 * scale)
    np.testing.assert_allclose(scores.anomaly_map[:, 0, 0], found[0], 0, 1e-3 * scale)
    np.testing.assert_allclose(scores.anomaly_map[:, 4, 4], found.mean(0), 0, 1e-3 * scale)
    assert scores.reconstruction == {}


def test_score_is_exported_for_any_number_of_images(monkeypatch):
    use_few_features(monkeypatch)
    method = small(stride=2)
    drawn = np.random.default_rng(0).random((40, FEATURES), np.float32)
    variables = {
        "features": {"params": method.stages[0].compute(None, {}, {})},
        "dictionary": {"params": build(drawn, 0.95, 3, 0)},
    }

    def score(image):
        return method.score(variables, image, jax.random.key(0)).image_score

    shape = jax.ShapeDtypeStruct(export.symbolic_shape("b, 8, 8, 3"), jnp.float32)
    with convolution_backend("xla"):
        exported = export.export(jax.jit(score), platforms=("cpu", "cuda", "tpu"))(shape)
    image = np.random.default_rng(6).random((3, 8, 8, 3), np.float32)
    for name, value in jax.jit(exported.call)(image).items():
        np.testing.assert_allclose(value, score(image)[name], rtol=1e-4)


def test_missing_weights_end_the_first_stage(method, monkeypatch):
    def missing():
        raise UserError("not installed")

    monkeypatch.setattr(cnn_dictionary, "efficientnet_lite0", missing)
    with pytest.raises(UserError, match="not installed"):
        method.stages[0].compute(None, {}, {"seed": 0})
