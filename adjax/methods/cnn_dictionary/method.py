"""Napoletano, Piccoli and Schettini, "Anomaly Detection in Nanofibrous Materials by CNN-Based
Self-Similarity" (Sensors 2018): how far a patch is from the nearest of a few typical normal ones,
in the features of a network that was trained on ImageNet.

The settings are those of the comparison in the MVTec AD paper, as far as they are known, but for
the network: theirs is ResNet-18, this is EfficientNet-Lite0. No network is trained. The first stage
puts the released weights among the run's variables, so that its checkpoints and exports need no
package; the second computes the dictionary.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from adjax.methods.cnn_dictionary.pretrained import efficientnet_lite0
from adjax.methods.info import Sections
from adjax.methods.stage import Fit, Images, Method, Scores
from adjax.models.efficientnet_lite import FEATURES, EfficientNetLite0
from adjax.ops import window_starts

NETWORK = "features"
DICTIONARY = "dictionary"
_AT_ONCE = 64  # images read, or patches whose features are computed, at a time


def cnn_dictionary(sections: Sections) -> Method:
    """Build the CNN dictionary: a patch's distance to the nearest entry of the dictionary.

    The map is the mean of the distances of the windows that overlap at a pixel, the image scores
    are the largest and the mean distance of its windows.
    """
    own = sections.dictionary
    model = EfficientNetLite0()

    def features(network, patches):
        return patch_features(model, network, patches, own.input)

    extract = jax.jit(features)

    def compute(images, frozen, member):
        rng = np.random.default_rng(member["seed"])
        patches = draw_patches(images, own.patches, own.patch, rng)
        network = frozen[NETWORK]["params"]
        rows = np.concatenate([np.asarray(extract(network, part)) for part in _parts(patches)])
        return build(rows[: len(patches)], own.variance, own.entries, member["seed"])

    def shapes(image_shape):
        for size in image_shape[:2]:
            window_starts(size, own.patch, own.stride)
        return {
            "mean": jax.ShapeDtypeStruct((FEATURES,), jnp.float32),
            "axes": jax.ShapeDtypeStruct((FEATURES, FEATURES), jnp.float32),
            "entries": jax.ShapeDtypeStruct((own.entries, FEATURES), jnp.float32),
        }

    def score(variables, image, key):
        network, dictionary = (variables[name]["params"] for name in (NETWORK, DICTIONARY))

        def distance(patches):
            return nearest(dictionary, features(network, patches))

        return window_scores(distance, image, own.patch, own.stride, own.at_once)

    used = "network=efficientnet_lite0"
    stages = (
        Fit(NETWORK, (used,), lambda _: _network_shapes(model), _weights),
        Fit(DICTIONARY, ("data", used, DICTIONARY), shapes, compute),
    )
    return Method("cnn_dictionary", stages, score, ("max", "mean"), ())


def patch_features(
    model: EfficientNetLite0, network: dict, patches: jax.Array, size: int
) -> jax.Array:
    """Compute features `[N, F]` of sum one, of patches `[N, p, p, C]` enlarged to `size` px.

    C is 1 or 3.
    """
    patches = jnp.broadcast_to(patches, (*patches.shape[:3], 3))
    shape = (patches.shape[0], size, size, 3)
    features, _ = model.apply(network, jax.image.resize(patches, shape, "bilinear"))
    return features / jnp.maximum(features.sum(-1, keepdims=True), 1e-6)  # they are not negative


def _network_shapes(model: EfficientNetLite0):
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    return jax.eval_shape(model.init, jax.random.key(0), image)


def _weights(images: Images, frozen, member):
    return efficientnet_lite0()


def _parts(patches: np.ndarray):
    """Yield parts of equally many patches; the last one is filled up."""
    size = min(_AT_ONCE, len(patches))
    for start in range(0, len(patches), size):
        part = patches[start : start + size]
        yield np.concatenate([part, np.repeat(part[:1], size - len(part), 0)])


def draw_patches(images: Images, count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Cut squares of `size` px out of images at random: float32 `[count, size, size, C]`."""
    total = sum(map(len, images(_AT_ONCE)))
    index = np.sort(rng.integers(total, size=count))
    patches, start = [], 0
    for batch in images(_AT_ONCE):
        highest = np.array(batch.shape[1:3]) - size
        for row in index[(index >= start) & (index < start + len(batch))] - start:
            top, left = rng.integers(highest + 1)
            patches.append(batch[row, top : top + size, left : left + size])
        start += len(batch)
    return np.stack(patches)


def build(features: np.ndarray, variance: float, entries: int, seed: int) -> dict[str, np.ndarray]:
    """Build the dictionary of training features `[N, F]`.

    Args:
      features: one row a patch.
      variance: the part of it that the principal components must keep; the first ones are taken.
      entries: number of entries, the centres of as many clusters of k-means (the best of ten).
      seed: draws the first centres.

    Returns:
      `mean` `[F]`, `axes` `[F, F]`, the components in its first columns and zeros in the others,
      and `entries` `[entries, F]` as seen along them; float32.

    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    features = features.astype(np.float64)
    mean = features.mean(0)
    with threadpool_limits(1):  # sums of threads are in no fixed order
        _, deviation, components = np.linalg.svd(features - mean, full_matrices=False)
        kept = np.cumsum(deviation**2) / np.square(deviation).sum()
        count = min(np.searchsorted(kept, variance) + 1, len(components))
        axes = components[:count].T
        clusters = KMeans(entries, n_init=10, random_state=seed).fit((features - mean) @ axes)
    missing = (0, 0), (0, features.shape[1] - count)
    arrays = {
        "mean": mean,
        "axes": np.pad(axes, missing),
        "entries": np.pad(clusters.cluster_centers_, missing),
    }
    return {name: value.astype(np.float32) for name, value in arrays.items()}


def nearest(dictionary: dict[str, jax.Array], features: jax.Array) -> jax.Array:
    """Measure how far features `[N, F]` are from the nearest entry along the components, `[N]`."""
    centred = features - dictionary["mean"][None]
    code = jnp.matmul(centred, dictionary["axes"], precision=lax.Precision.HIGHEST)

    def to_entry(entry):
        return jnp.square(code - entry[None]).sum(-1)

    return jnp.sqrt(lax.map(to_entry, dictionary["entries"]).min(0))


def window_scores(
    distance: Callable[[jax.Array], jax.Array],
    image: jax.Array,
    window: int,
    stride: int,
    at_once: int,
) -> Scores:
    """Score images by a distance that each of their windows has.

    Args:
      distance: `[N, window, window, C] -> [N]`.
      image: `[B, H, W, C]`.
      window: size in pixels.
      stride: pixels between windows.
      at_once: places whose windows, of all B images, are in memory together.

    """
    batch, height, width, channels = image.shape
    rows, columns = (window_starts(size, window, stride) for size in (height, width))
    corners = np.array([(y, x) for y in rows for x in columns], np.int32)
    places = len(corners)
    at_once = min(at_once, places)
    corners = np.pad(corners, ((0, -places % at_once), (0, 0)), mode="edge")

    def of_group(group):
        size = batch, window, window, channels
        cut = [lax.dynamic_slice(image, (0, *group[i], 0), size) for i in range(at_once)]
        return distance(jnp.concatenate(cut)).reshape(at_once, batch)

    distances = lax.map(of_group, jnp.asarray(corners).reshape(-1, at_once, 2))
    distances = distances.reshape(-1, batch)[:places]
    over_rows, over_columns = _cover(height, rows, window), _cover(width, columns, window)
    total = jnp.einsum(
        "rcb,rh,cw->bhw",
        distances.reshape(len(rows), len(columns), batch),
        over_rows,
        over_columns,
        precision=lax.Precision.HIGHEST,
    )
    count = np.outer(over_rows.sum(0), over_columns.sum(0))
    return Scores(
        image_score={"max": distances.max(0), "mean": distances.mean(0)},
        anomaly_map=total / jnp.asarray(count)[None],
        reconstruction={},
    )


def _cover(size: int, starts: tuple[int, ...], window: int) -> np.ndarray:
    """Mark which window covers which pixel of an axis: 0 or 1, float32 `[windows, size]`."""
    offset = np.arange(size)[None] - np.array(starts)[:, None]
    return ((offset >= 0) & (offset < window)).astype(np.float32)
