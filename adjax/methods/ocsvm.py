"""The one-class support vector machine of Schölkopf et al. 2001, on principal components of images.

The machine separates the training images from the origin in the space of a Gaussian kernel; the
score is how far an image falls on the wrong side,

    s(x) = rho - sum_i alpha_i exp(-gamma |z(x) - z_i|^2),

which is minus scikit-learn's `decision_function`. z are the principal components that keep 95 % of
the variance, as in the code of Ruff et al. 2018 ("Deep One-Class Classification"), from where the
published numbers come: there gamma is chosen by the labels of a tenth of the test images. That is
`ocsvm_oracle`, one machine a gamma; `ocsvm` knows training images only.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.decomposition import PCA
from sklearn.svm import OneClassSVM

from adjax.errors import UserError
from adjax.methods.contrast import extremes, normalise
from adjax.methods.stage import Fit, Images, Method, Scores

OCSVM, ORACLE = "ocsvm", "ocsvm_oracle"
_BATCH = 512  # images that are read at once


def ocsvm(config) -> Method:
    """`method = "ocsvm"`: gamma is one over the variance of all projections together."""
    stage = Fit(OCSVM, ("data", OCSVM), **_machines(config, OCSVM, [None]))

    def score(variables, image, key):
        (decision,) = decisions(variables[OCSVM]["params"], image)
        return spread_scores({"decision": decision}, image)

    return Method(OCSVM, (stage,), score, ("decision",), ())


def ocsvm_oracle(config) -> Method:
    """`method = "ocsvm_oracle"`: an image score a gamma, of which evaluation picks by test labels.

    Where a score is picked, the map is of all machines' mean.
    """
    exponents = config[ORACLE].exponents
    names = tuple(f"gamma_2^{exponent}" for exponent in exponents)
    gammas = [2.0**exponent for exponent in exponents]
    stage = Fit(ORACLE, ("data", ORACLE), **_machines(config, ORACLE, gammas))

    def score(variables, image, key):
        found = decisions(variables[ORACLE]["params"], image)
        return spread_scores(dict(zip(names, found, strict=True)), image)

    return Method(ORACLE, (stage,), score, names, (), oracle=True)


def spread_scores(image_score: dict[str, jax.Array], image: jax.Array) -> Scores:
    """Scores of a method that has no map of its own: every pixel has the image's score.

    Args:
      image_score: `[B]` each, by name; of several the map is their mean.
      image: `[B, H, W, C]`.

    """
    mean = sum(image_score.values()) / len(image_score)
    return Scores(image_score, jnp.broadcast_to(mean[:, None, None], image.shape[:3]), {})


def decisions(params: dict[str, jax.Array], image: jax.Array) -> jax.Array:
    """What the machines say about images: `-decision_function`, float32 `[G, B]`."""
    point = project(params, image)
    vectors = params["support_vectors"]
    product = jnp.matmul(point, vectors.T, precision="highest")
    norms = jnp.square(point).sum(1)[:, None] + jnp.square(vectors).sum(1)[None]
    distance = jnp.maximum(norms - 2 * product, 0)  # squared, [B, M]

    def decide(machine):
        gamma, coefficients, rho = machine
        kernel = jnp.exp(-gamma * distance)
        return rho - jnp.matmul(kernel, coefficients, precision="highest")

    return jax.lax.map(decide, (params["gamma"], params["coefficients"], params["rho"]))


def project(params: dict[str, jax.Array], image: jax.Array) -> jax.Array:
    """The features that the machines see: principal components, float32 `[B, components]`."""
    if "low" in params:
        image = normalise(image, params["low"], params["high"])
    centred = image.reshape(image.shape[0], -1) - params["mean"][None]
    return jnp.matmul(centred, params["components"].T, precision="highest")


def _machines(config, name: str, gammas: list[float | None]) -> dict[str, Any]:
    """`shapes` and `compute` of a `Fit` of one machine a gamma; None is scikit-learn's "scale"."""
    settings = config[name]
    size = settings.components, settings.support_vectors

    def shapes(image_shape):
        (components, vectors), pixels, count = size, int(np.prod(image_shape)), len(gammas)
        sizes = {
            "mean": (pixels,),
            "components": (components, pixels),
            "support_vectors": (vectors, components),
            "coefficients": (count, vectors),
            "gamma": (count,),
            "rho": (count,),
            **({"low": (), "high": ()} if settings.contrast else {}),
        }
        return {key: jax.ShapeDtypeStruct(shape, np.float32) for key, shape in sizes.items()}

    def compute(images, frozen, member):
        scale = extremes(images(_BATCH)) if settings.contrast else None
        pixels = as_rows(images, scale)
        if (pixels == pixels[0]).all():
            raise UserError(f"{name}: there are no two training images that differ")
        found = principal_components(pixels, settings.variance)
        points = found.transform(pixels)
        fitted = fit_machines(points, settings.nu, gammas)
        needs = {"components": points.shape[1], "support_vectors": len(fitted.vectors)}
        for key, needed in needs.items():
            if needed > settings[key]:
                raise UserError(
                    f"config.{name}.{key}={settings[key]}: these images need {needed} (of "
                    f"data.normal_class={member['data.normal_class']}); set a larger maximum"
                )
        scalars = {} if scale is None else dict(zip(("low", "high"), scale, strict=True))
        return scalars | {
            "mean": np.float32(found.mean_),
            "components": _padded(found.components_, size[0], pixels.shape[1]),
            "support_vectors": _padded(fitted.vectors, size[1], size[0]),
            "coefficients": _padded(fitted.coefficients, len(gammas), size[1]),
            "gamma": np.float32(fitted.gamma),
            "rho": np.float32(fitted.rho),
        }

    return {"shapes": shapes, "compute": compute}


def as_rows(images: Images, scale: tuple[np.float32, np.float32] | None = None) -> np.ndarray:
    """All training images, float32 `[n, H * W * C]`, contrast-normalised by `scale` if given."""
    return np.concatenate(
        [
            np.asarray(batch if scale is None else normalise(batch, *scale)).reshape(len(batch), -1)
            for batch in images(_BATCH)
        ]
    )


def principal_components(pixels: np.ndarray, variance: float) -> PCA:
    """As few components as keep more than this part of the variance of float32 `[n, D]`."""
    # An eigenproblem of D x D where there are more images than pixels, else an SVD of n x D.
    is_tall = pixels.shape[0] >= pixels.shape[1]
    solver = "covariance_eigh" if is_tall else "full"
    return PCA(n_components=variance, svd_solver=solver).fit(pixels)


class Machines(NamedTuple):
    """Machines that share their support vectors: those of each have its coefficients not zero.

    vectors: float32 `[m, K]`.
    coefficients: float64 `[G, m]`, from 0 to 1.
    gamma, rho: one a machine, G in all.
    """

    vectors: np.ndarray
    coefficients: np.ndarray
    gamma: list[float]
    rho: list[float]


def fit_machines(points: np.ndarray, nu: float, gammas: list[float | None]) -> Machines:
    """Fit scikit-learn's machine to points float32 `[n, K]`, once for each gamma."""
    scale = 1 / (points.shape[1] * float(points.var(dtype=np.float64)))
    gammas = [scale if gamma is None else gamma for gamma in gammas]
    coefficients, rho = np.zeros((len(gammas), len(points))), []
    for row, gamma in enumerate(gammas):
        machine = OneClassSVM(kernel="rbf", nu=nu, gamma=gamma).fit(points)
        coefficients[row, machine.support_] = machine.dual_coef_[0]
        rho.append(-float(machine.intercept_[0]))
    used = np.flatnonzero(coefficients.any(0))
    return Machines(points[used], coefficients[:, used], gammas, rho)


def _padded(array: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """A float32 matrix with zeros below and to the right, which change no score."""
    missing = rows - array.shape[0], columns - array.shape[1]
    return np.pad(array.astype(np.float32), [(0, count) for count in missing])
