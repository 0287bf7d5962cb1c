"""Style distillation: Chung et al., "Unsupervised Anomaly Detection Using Style Distillation".

A student f_OS without a bottleneck learns to imitate the blurred output of the bottleneck
autoencoder f_AE, trained first and then frozen:

    J = (1 - lambda) KD + lambda OER
    KD  = mean over normal images of    d(f_OS(x), f_AE(x))       imitate the teacher
    OER = mean over auxiliary images of d(x~, f_OS(x~))           reproduce everything else

The anomaly map is |f_OS(x) - f_AE(x)|: on normal images the two agree, blur included, so that only
what the teacher cannot reproduce remains. SDN is the ablation without auxiliary images (lambda 0).
"""

import jax.numpy as jnp
import optax

from adjax import losses
from adjax.methods.autoencoder import IMAGE_SCORES, TEACHER, difference_scores, teacher_stage
from adjax.methods.stage import Method, Stage, dynamic_keys, init_with, learning_curve, minimise
from adjax.models import RNAN

STUDENT = "student"


def sdn(config) -> Method:
    """`method = "sdn"`: the student sees normal images only."""
    return _style_distillation("sdn", config, auxiliary=None)


def oe_sdn(config) -> Method:
    """`method = "oe_sdn"`: the student also sees `student.auxiliary` images."""
    return _style_distillation("oe_sdn", config, auxiliary=config.student.auxiliary)


def _style_distillation(name: str, config, auxiliary: str | None) -> Method:
    settings = config.student
    distance = losses.Distance(**config.distance)
    teacher, first_stage = teacher_stage(config)
    student = RNAN(settings.groups, settings.nonlocal_groups, settings.features)
    optimizer = optax.scale_by_adam()
    curve = learning_curve(settings.schedule, settings.steps)

    def imitation(frozen, image, output):
        return distance(output, teacher.apply(frozen[TEACHER], image)[0])

    def objective(variables, frozen, batch, key, member):
        image = batch["image"]
        if auxiliary is None:
            output, _ = student.apply(variables, image)
            return imitation(frozen, image, output).mean(), ({}, {})
        both = jnp.concatenate([image, batch["auxiliary"]])
        output, auxiliary_output = jnp.split(student.apply(variables, both)[0], 2)
        kd = imitation(frozen, image, output).mean()
        oer = distance(batch["auxiliary"], auxiliary_output).mean()
        weight = member[f"{STUDENT}.loss_weight"]
        return (1 - weight) * kd + weight * oer, ({"kd": kd, "oer": oer}, {})

    def validate(variables, frozen, image):
        return imitation(frozen, image, student.apply(variables, image)[0])

    def score(variables, image, key):
        taught, _ = teacher.apply(variables[TEACHER], image)
        output, _ = student.apply(variables[STUDENT], image)
        return difference_scores(distance, output, taught, {"AE": taught, "student": output})

    second_stage = Stage(
        STUDENT,
        settings.steps,
        settings.batch_size,
        auxiliary,
        (*first_stage.sections, STUDENT),
        init_with(student, optimizer),
        minimise(STUDENT, objective, optimizer, curve),
        validate,
    )
    dynamic = dynamic_keys(TEACHER) + dynamic_keys(STUDENT)
    if auxiliary is not None:
        dynamic += (f"{STUDENT}.loss_weight",)
    return Method(name, (first_stage, second_stage), score, IMAGE_SCORES, dynamic)
