"""Style distillation: Chung et al., "Unsupervised Anomaly Detection Using Style Distillation".

A student f_OS without a bottleneck learns to imitate the blurred output of the bottleneck
autoencoder f_AE, trained first and then frozen:

    J = (1 - lambda) KD + lambda OER
    KD  = mean over normal images of    d(f_OS(x), f_AE(x))       imitate the teacher
    OER = mean over auxiliary images of d(x~, f_OS(x~))           reproduce everything else

The anomaly map is |f_OS(x) - f_AE(x)|: on normal images the two agree, blur included, so that only
what the teacher cannot reproduce remains. SDN is the ablation without auxiliary images (lambda 0).

The image score `margin` is ours: d(f_OS(x), f_AE(x)) - d(x, f_OS(x)), how much nearer the student
is to the image than to the teacher. Unlike d, it does not grow with what the teacher leaves out.
"""

from functools import partial

import jax.numpy as jnp
from flax import linen as nn

from adjax.methods.info import Sections
from adjax.methods.precision import in_training
from adjax.methods.stage import Method, dynamic_keys, network_stage
from adjax.methods.style_distillation import FastStudent, Student
from adjax.methods.style_distillation.autoencoder import (
    IMAGE_SCORES,
    TEACHER,
    difference_scores,
    distance_of,
    teacher_stage,
)
from adjax.methods.style_distillation.auxiliary import MADE_IN_STEP, auxiliary_images
from adjax.models.residual import HalfResolutionResNet
from adjax.models.rnan import RNAN
from adjax.settings import as_dict

STUDENT = "student"
STUDENT_SCORES = (*IMAGE_SCORES, "margin")


def sdn(sections: Sections) -> Method:
    """Build SDN, whose student sees normal images only."""
    return _style_distillation("sdn", sections)


def oe_sdn(sections: Sections) -> Method:
    """Build OE-SDN, whose student sees the images of `student.auxiliary` too."""
    return _style_distillation("oe_sdn", sections, _exposure(sections))


def sdn_fast(sections: Sections) -> Method:
    """Build SDN with the fast student."""
    return _style_distillation("sdn_fast", sections)


def oe_sdn_fast(sections: Sections) -> Method:
    """Build OE-SDN with the fast student."""
    return _style_distillation("oe_sdn_fast", sections, _exposure(sections))


def _exposure(sections: Sections) -> tuple[str, dict]:
    name = sections.student.auxiliary
    return name, as_dict(sections.auxiliary)[name]


def _network(own: Student | FastStudent) -> nn.Module:
    if isinstance(own, FastStudent):
        return HalfResolutionResNet(own.blocks, own.features)
    return RNAN(own.groups, own.nonlocal_groups, own.features)


def _style_distillation(
    name: str, sections: Sections, exposure: tuple[str, dict] | None = None
) -> Method:
    own = sections.student
    distance = distance_of(sections)
    teacher, first_stage = teacher_stage(sections)
    student = _network(own)
    trained = in_training(student, sections.precision)

    def teach(frozen, image):
        return teacher.apply(frozen[TEACHER], image)[0]

    def objective(variables, frozen, batch, key, member):
        image = batch["image"]
        if exposure is None:
            output, _ = trained.apply(variables, image)
            return distance(output, teach(frozen, image)).mean(), ({}, {})
        auxiliary = auxiliary_images(exposure, batch, partial(teach, frozen), distance)
        both = jnp.concatenate([image, auxiliary])
        output, auxiliary_output = jnp.split(trained.apply(variables, both)[0], 2)
        kd = distance(output, teach(frozen, image)).mean()
        oer = distance(auxiliary, auxiliary_output).mean()
        weight = member[f"{STUDENT}.loss_weight"]
        return (1 - weight) * kd + weight * oer, ({"kd": kd, "oer": oer}, {})

    def validate(variables, frozen, image):
        return distance(student.apply(variables, image)[0], teach(frozen, image))

    def score(variables, image, key):
        taught = teach(variables, image)
        output, _ = student.apply(variables[STUDENT], image)
        scores = difference_scores(distance, output, taught, {"AE": taught, "student": output})
        scores.image_score["margin"] = scores.image_score["d"] - distance(image, output)
        return scores

    depends_on = (*first_stage.depends_on, STUDENT)
    dynamic = dynamic_keys(TEACHER) + dynamic_keys(STUDENT)
    if exposure is not None:
        depends_on += (f"auxiliary.{exposure[0]}",)
        dynamic += (f"{STUDENT}.loss_weight",)
    second_stage = network_stage(
        STUDENT,
        own,
        student,
        objective,
        validate,
        depends_on,
        images_per_update=own.batch_size * (1 if exposure is None else 2),
        auxiliary=None if exposure is None or exposure[0] in MADE_IN_STEP else exposure,
    )
    return Method(name, (first_stage, second_stage), score, STUDENT_SCORES, dynamic)
