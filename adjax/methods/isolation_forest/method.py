"""The isolation forest of Liu, Ting and Zhou 2008, on principal components of images.

A tree splits a random feature at a random value until the images of its subsample are alone; what
is anomalous is alone soon. With h the depth at which an image ends, plus the mean depth c(n) of an
unfinished leaf's n images, the score is

    s(x) = 2 ** (-mean h(x) / c(subsample)),

from 0 to 1, which is minus scikit-learn's `score_samples`. The features are those of `components`.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.ensemble import IsolationForest

from adjax.methods.components import feature_shapes, features, learn_features
from adjax.methods.info import Sections
from adjax.methods.stage import Fit, Method, spread_scores

NAME = "isolation_forest"


def isolation_forest(sections: Sections) -> Method:
    """Build the isolation forest: score s(x), every pixel has the image's."""
    own = sections.isolation_forest
    depth = _depth(own.subsample)
    nodes = own.trees, 2 ** (depth + 1) - 1

    def shapes(image_shape):
        floats = feature_shapes(own, image_shape) | {"normal_path": ()}
        floats |= dict.fromkeys(("threshold", "path"), nodes)
        arrays = {key: jax.ShapeDtypeStruct(shape, np.float32) for key, shape in floats.items()}
        whole = jax.ShapeDtypeStruct(nodes, np.int32)
        return arrays | dict.fromkeys(("feature", "left", "right"), whole)

    def compute(images, frozen, member):
        params, points = learn_features(NAME, own, images, member["data.normal_class"])
        forest = IsolationForest(
            n_estimators=own.trees,
            max_samples=min(own.subsample, len(points)),
            random_state=member["seed"],
        ).fit(points)
        trees = [flat_tree(estimator.tree_, nodes[1]) for estimator in forest.estimators_]
        # A subsample of one image has a depth of 0 whatever this is.
        normal_path = mean_path(forest.max_samples_) or 1.0
        params["normal_path"] = np.float32(normal_path)
        return params | {key: np.stack([tree[key] for tree in trees]) for key in trees[0]}

    def score(variables, image, key):
        params = variables[NAME]["params"]
        isolated = isolation(params, features(params, image), depth)
        return spread_scores({"isolation": isolated}, image)

    return Method(NAME, (Fit(NAME, ("data", NAME), shapes, compute),), score, ("isolation",), ())


def isolation(params: dict[str, jax.Array], point: jax.Array, depth: int) -> jax.Array:
    """Return how soon images are alone, in (0, 1): float32 `[B]`.

    Args:
      params: arrays `[trees, nodes]` as `flat_tree` makes them, and `normal_path`.
      point: the images' features, float32 `[B, K]`.
      depth: the deepest tree's.

    """
    tree = jnp.arange(len(params["feature"]))[None]

    def descend(_, node):  # node [B, trees]; a leaf leads to itself
        value = jnp.take_along_axis(point, params["feature"][tree, node], 1)
        goes_left = value <= params["threshold"][tree, node]
        return jnp.where(goes_left, params["left"][tree, node], params["right"][tree, node])

    root = jnp.zeros((point.shape[0], tree.shape[1]), jnp.int32)
    leaf = jax.lax.fori_loop(0, depth, descend, root)
    return jnp.exp2(-params["path"][tree, leaf].mean(1) / params["normal_path"])


def flat_tree(tree: Any, nodes: int) -> dict[str, np.ndarray]:
    """Return a tree of scikit-learn as arrays `[nodes]`, zeros after its own.

    Returns:
      `feature`, `left`, `right` int32, `threshold` and `path` float32: the length of the path that
      ends in a leaf. Images go left if their feature is at most the threshold.

    """
    own = np.arange(tree.node_count)
    is_leaf = tree.children_left < 0
    depth = np.zeros(tree.node_count)
    for node in own[~is_leaf]:  # parents come before their children
        depth[[tree.children_left[node], tree.children_right[node]]] = depth[node] + 1
    threshold = tree.threshold.astype(np.float32)
    # Features are float32: at most a float64 threshold is at most the float32 one below it.
    threshold = np.where(threshold > tree.threshold, np.nextafter(threshold, -np.inf), threshold)
    arrays = {
        "feature": np.where(is_leaf, 0, tree.feature).astype(np.int32),
        "left": np.where(is_leaf, own, tree.children_left).astype(np.int32),
        "right": np.where(is_leaf, own, tree.children_right).astype(np.int32),
        "threshold": np.where(is_leaf, 0, threshold).astype(np.float32),
        "path": (depth + [mean_path(count) for count in tree.n_node_samples]).astype(np.float32),
    }
    return {key: np.pad(array, (0, nodes - tree.node_count)) for key, array in arrays.items()}


def mean_path(count: int) -> float:
    """Return c(n), the mean depth of a leaf in a search tree of n random values (their eq. 1)."""
    if count < 3:
        return float(max(count - 1, 0))
    return 2 * (np.log(count - 1) + np.euler_gamma) - 2 * (count - 1) / count


def _depth(subsample: int) -> int:
    """Return the depth to which scikit-learn grows a tree of so many images."""
    return int(np.ceil(np.log2(max(subsample, 2))))
