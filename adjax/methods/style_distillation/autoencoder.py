"""The bottleneck autoencoder alone: the column AE of Chung et al. 2020, Tables 1 to 3.

Trained on normal images to reproduce them; what it cannot reproduce is anomalous. Architecture and
training are defaults of ours (the paper shows a figure only), calibrated on MNIST.
"""

from collections.abc import Callable

import jax

from adjax import losses
from adjax.methods.info import Sections
from adjax.methods.precision import in_training
from adjax.methods.stage import DATA_AXIS, Method, Scores, Stage, dynamic_keys, network_stage
from adjax.models.conv_autoencoder import ConvAutoencoder
from adjax.settings import as_dict

TEACHER = "teacher"


def autoencoder(sections: Sections) -> Method:
    """Build AE: score d(x, f_AE(x)), map |x - f_AE(x)|."""
    model, stage = teacher_stage(sections)
    distance = distance_of(sections)

    def score(variables, image, key):
        reconstruction, _ = model.apply(variables[TEACHER], image)
        return difference_scores(distance, image, reconstruction, {"AE": reconstruction})

    return Method("ae", (stage,), score, IMAGE_SCORES, dynamic_keys(TEACHER))


def distance_of(sections: Sections) -> losses.Distance:
    """Return the distance d."""
    return losses.Distance(**as_dict(sections.distance))


def teacher_stage(sections: Sections) -> tuple[ConvAutoencoder, Stage]:
    """Return the autoencoder and its training, the first stage of style distillation too."""
    own = sections.teacher
    distance = distance_of(sections)
    model = ConvAutoencoder(own.code_size, own.widths, batch_axis=DATA_AXIS)
    trained = in_training(model, sections.precision)

    def objective(variables, frozen, batch, key, member):
        (reconstruction, _), model_state = trained.apply(
            variables, batch["image"], train=True, mutable=["batch_stats"]
        )
        return distance(batch["image"], reconstruction).mean(), ({}, model_state)

    def validate(variables, frozen, image):
        return distance(image, model.apply(variables, image)[0])

    depends_on = ("data", "distance", TEACHER)
    return model, network_stage(TEACHER, own, model, objective, validate, depends_on)


IMAGE_SCORES = ("d", "mse", "mae")


def difference_scores(
    distance: Callable, a: jax.Array, b: jax.Array, reconstruction: dict[str, jax.Array]
) -> Scores:
    """Score images by the difference of two `[B, H, W, C]`.

    The map is |a - b|, averaged over channels. The paper does not state its image-level reduction:
    d is the default, the mean square and the mean absolute difference are reported beside it.
    """
    return Scores(
        image_score={
            "d": distance(a, b),
            "mse": losses.mean_squared_error(a, b),
            "mae": losses.mean_absolute_error(a, b),
        },
        anomaly_map=losses.absolute_error(a, b).mean(-1),
        reconstruction=reconstruction,
    )
