"""The one-class support vector machine of Schölkopf et al. 2001, on principal components of images.

The machine separates the training images from the origin in the space of a Gaussian kernel; the
score is how far an image falls on the wrong side,

    s(x) = rho - sum_i alpha_i exp(-gamma |z(x) - z_i|^2),

which is minus scikit-learn's `decision_function`. z are the features of `components`. In the code
of Ruff et al. 2018 ("Deep One-Class Classification"), from where the published numbers come, gamma
is chosen by the labels of a tenth of the test images: that is `ocsvm_oracle`, one machine a gamma.
`ocsvm` knows training images only.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.svm import OneClassSVM

from adjax.errors import UserError
from adjax.methods.components import (
    check_room,
    feature_shapes,
    features,
    learn_features,
    padded,
    width,
)
from adjax.methods.info import Sections
from adjax.methods.ocsvm import OCSVM
from adjax.methods.stage import Fit, Method, spread_scores

STAGE, ORACLE = "ocsvm", "ocsvm_oracle"


def ocsvm(sections: Sections) -> Method:
    """Build the OC-SVM whose gamma is one over the summed variance of the features."""
    stage = Fit(STAGE, ("data", STAGE), **_machines(sections.ocsvm, STAGE, [None]))

    def score(variables, image, key):
        (decision,) = decisions(variables[STAGE]["params"], image)
        return spread_scores({"decision": decision}, image)

    return Method(STAGE, (stage,), score, ("decision",), ())


def ocsvm_oracle(sections: Sections) -> Method:
    """Build OC-SVMs of several gammas, an image score each, to be picked by test labels.

    Where a score is picked, the map is that of all machines' mean.
    """
    exponents = sections.ocsvm_oracle.exponents
    names = tuple(f"gamma_2^{exponent}" for exponent in exponents)
    gammas = [2.0**exponent for exponent in exponents]
    stage = Fit(ORACLE, ("data", ORACLE), **_machines(sections.ocsvm_oracle, ORACLE, gammas))

    def score(variables, image, key):
        scores = decisions(variables[ORACLE]["params"], image)
        return spread_scores(dict(zip(names, scores, strict=True)), image)

    return Method(ORACLE, (stage,), score, names, (), oracle=True)


def decisions(params: dict[str, jax.Array], image: jax.Array) -> jax.Array:
    """Return each machine's score of images, `-decision_function`, float32 `[G, B]`."""
    point, vectors = features(params, image), params["support_vectors"]
    product = jnp.matmul(point, vectors.T, precision="highest")
    norms = jnp.square(point).sum(1)[:, None] + jnp.square(vectors).sum(1)[None]
    distance = jnp.maximum(norms - 2 * product, 0)  # squared, [B, M]

    def decide(machine):
        gamma, coefficients, rho = machine
        kernel = jnp.exp(-gamma * distance)
        return rho - jnp.matmul(kernel, coefficients, precision="highest")

    return jax.lax.map(decide, (params["gamma"], params["coefficients"], params["rho"]))


def _machines(own: OCSVM, name: str, gammas: list[float | None]) -> dict[str, Any]:
    """Return `shapes` and `compute` of a `Fit`, one machine a gamma.

    A gamma of None is scikit-learn's "scale".
    """
    count, room = len(gammas), own.support_vectors

    def shapes(image_shape):
        sizes = feature_shapes(own, image_shape) | {
            "support_vectors": (room, width(own, image_shape)),
            "coefficients": (count, room),
            "gamma": (count,),
            "rho": (count,),
        }
        return {key: jax.ShapeDtypeStruct(shape, np.float32) for key, shape in sizes.items()}

    def compute(images, frozen, member):
        normal_class = member["data.normal_class"]
        params, points = learn_features(name, own, images, normal_class)
        fitted = fit_machines(points, own.nu, gammas)
        check_room(name, own, "support_vectors", len(fitted.vectors), normal_class)
        columns = own.components if own.pca else points.shape[1]
        # Padded vectors have coefficients of zero.
        return params | {
            "support_vectors": padded(fitted.vectors, room, columns),
            "coefficients": padded(fitted.coefficients, count, room),
            "gamma": np.float32(fitted.gamma),
            "rho": np.float32(fitted.rho),
        }

    return {"shapes": shapes, "compute": compute}


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
        machine = OneClassSVM(kernel="rbf", nu=nu, gamma=gamma)
        try:
            machine.fit(points)
        except ValueError as error:  # its solution is not finite: nu is too near to 0 or to 1
            raise UserError(
                f"nu={nu:g} has no machine for {len(points)} images: {error}"
            ) from error
        coefficients[row, machine.support_] = machine.dual_coef_[0]
        rho.append(-float(machine.intercept_[0]))
    used = np.flatnonzero(coefficients.any(0))
    return Machines(points[used], coefficients[:, used], gammas, rho)
