"""Features that shallow detectors see: principal components or pixels, maybe of L1 contrast.

As in the code of Ruff et al. 2018 ("Deep One-Class Classification"), whose scripts switch either on
by a flag: contrast normalisation to the extremes of the training images, then as few components as
keep a part of their variance.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.decomposition import PCA

from adjax.errors import UserError
from adjax.methods.components_settings import Components
from adjax.methods.contrast import extremes, normalise
from adjax.methods.stage import Images
from adjax.settings import wrong

_BATCH = 512  # images that are read at once


def width(own: Components, image_shape: tuple[int, int, int]) -> int:
    """Return how many features there is room for: `components`, or all pixels."""
    return own.components if own.pca else int(np.prod(image_shape))


def feature_shapes(own: Components, image_shape: tuple[int, int, int]) -> dict[str, tuple]:
    """Return the shapes of the float32 arrays that `learn_features` returns, by name."""
    pixels = int(np.prod(image_shape))
    shapes = {"low": (), "high": ()} if own.contrast else {}
    if own.pca:
        shapes |= {"mean": (pixels,), "components": (own.components, pixels)}
    return shapes


def learn_features(
    name: str, own: Components, images: Images, normal_class: Any
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Learn what `features` needs to know, and compute the features of the training images.

    Args:
      name: the config section's, for errors.
      own: that section.
      images: a normal class's, as a `Fit` is given them.
      normal_class: its name or number, for errors.

    Returns:
      `(params, features float32 [n, K])`; the components in `params` are padded with zeros.

    Raises:
      UserError: if more components are needed than there is room for, or no two images differ.

    """
    params = {}
    if own.contrast:
        params = dict(zip(("low", "high"), extremes(images(_BATCH)), strict=True))
    pixels = np.concatenate([np.asarray(features(params, image)) for image in images(_BATCH)])
    if (pixels == pixels[0]).all():
        raise UserError(f"{name}: there are no two training images that differ")
    if not own.pca:
        return params, pixels
    pca = _principal_components(pixels, own.variance)
    check_room(name, own, "components", pca.n_components_, normal_class)
    params["mean"] = np.float32(pca.mean_)
    params["components"] = padded(pca.components_, own.components, pixels.shape[1])
    return params, pca.transform(pixels)


def features(params: dict[str, Any], image: jax.Array | np.ndarray) -> jax.Array:
    """Compute features `[B, width]` of images float32 `[B, H, W, C]`, zeros after the last."""
    if "low" in params:
        image = normalise(image, params["low"], params["high"])
    pixels = jnp.reshape(image, (image.shape[0], -1))
    if "mean" not in params:
        return pixels
    centred = pixels - params["mean"][None]
    return jnp.matmul(centred, params["components"].T, precision="highest")


def check_room(name: str, own: Components, key: str, needed: int, normal_class: Any) -> None:
    """Raise `UserError` if a maximum of the config is too small."""
    if needed > getattr(own, key):
        advice = f"the images of data.normal_class={normal_class} need {needed}"
        raise wrong(f"{name}.{key}", getattr(own, key), f"{advice}; set a larger maximum")


def padded(array: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return a float32 matrix with zeros below and to the right."""
    missing = rows - array.shape[0], columns - array.shape[1]
    return np.pad(array.astype(np.float32), [(0, count) for count in missing])


def _principal_components(pixels: np.ndarray, variance: float) -> PCA:
    """Fit as few components as keep more than this part of the variance of float32 `[n, D]`."""
    # An eigenproblem of D x D where there are more images than pixels, else an SVD of n x D.
    is_tall = pixels.shape[0] >= pixels.shape[1]
    solver = "covariance_eigh" if is_tall else "full"
    return PCA(n_components=variance, svd_solver=solver).fit(pixels)
