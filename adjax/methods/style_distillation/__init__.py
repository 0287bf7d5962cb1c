"""Style distillation (Chung et al. 2020) and the autoencoder that it distils: AE, SDN, OE-SDN.

Values marked [D] are ours: the paper does not state them. They were calibrated on the published
AUROC of one class, MNIST digit 3, and are the same for all classes and sets.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

from adjax.corruptions.settings import LEAST_CHANGE, PipelineSets
from adjax.methods.info import MethodInfo
from adjax.methods.reconstruction_settings import ssim_sigma, ssim_window
from adjax.settings import (
    Section,
    choice,
    count,
    nothing_weighs,
    number,
    rate,
    several,
    size,
    weight,
    word,
)

SCHEDULES = ("cosine", "constant")


@dataclasses.dataclass(frozen=True)
class Distance(Section):
    """d = DSSIM + mean squared displacement; the paper names the terms only, the rest is [D]."""

    window: int = ssim_window()
    sigma: float = ssim_sigma()
    ssim_weight: float = weight(1.0, "weight of DSSIM [D]")
    squared_weight: float = weight(1.0, "weight of the mean squared displacement [D]")

    def relations(self) -> Iterator[tuple[str, str]]:
        """At least one term must count."""
        return nothing_weighs(self, "ssim_weight", "squared_weight")


@dataclasses.dataclass(frozen=True)
class Teacher(Section):
    """The bottleneck autoencoder f_AE, all [D]."""

    code_size: int = size(16, "numbers in the bottleneck [D]")
    widths: tuple = several(
        (32, 64, 128),
        "channels [D]",
        at_least=1,
        least_length=2,
        advice="give at least two positive widths",
    )
    batch_size: int = size(128, "images an update [D]")
    steps: int = count(540, "updates [D], about 12 epochs of a digit")
    learning_rate: float = rate(1e-3, "of Adam [D]")
    weight_decay: float = number(0.0, "decoupled [D]")
    schedule: str = choice("cosine", SCHEDULES, "of the learning rate [D]")


@dataclasses.dataclass(frozen=True)
class _AnyStudent(Section):
    """What every student f_OS is told."""

    features: int = size(32, "filters; published for the RNAN")
    auxiliary: str = word("rotation", "auxiliary set, a section of `auxiliary`; published")
    loss_weight: float = number(0.5, "lambda, published", at_least=0, at_most=1)
    batch_size: int = size(8, "images an update, and as many auxiliary ones [D]")
    learning_rate: float = rate(1e-3, "of Adam, the highest [D]")
    weight_decay: float = number(0.0, "decoupled [D]")


@dataclasses.dataclass(frozen=True)
class Student(_AnyStudent):
    """The student f_OS, an RNAN."""

    groups: int = count(2, "attention groups [D]; published: 10", at_most=100)
    nonlocal_groups: tuple = several(
        (0, -1), "those with a non-local block, as in RNAN", at_least=-100, at_most=99
    )
    steps: int = count(2000, "updates [D], about 3 epochs of a digit")
    schedule: str = choice("cosine", SCHEDULES, "of the learning rate [D]")

    def relations(self) -> Iterator[tuple[str, str]]:
        """A non-local block belongs to one of the groups."""
        if not all(-self.groups <= group < self.groups for group in self.nonlocal_groups):
            yield "nonlocal_groups", f"there are {self.groups} groups, numbered from 0"


@dataclasses.dataclass(frozen=True)
class FastStudent(_AnyStudent):
    """The student of the fast variants, residual blocks at half resolution [D]."""

    blocks: int = count(8, "residual blocks [D]", at_most=100)
    steps: int = count(2400, "updates [D], about 3 epochs of a digit")
    schedule: str = choice("one_cycle", ("one_cycle", *SCHEDULES), "of the learning rate [D]")


@dataclasses.dataclass(frozen=True)
class AdversarialNoise(Section):
    """Every value is changed by eps to where the teacher reconstructs the image worse."""

    eps: float = number(0.1, "of [0, 1] [D]", at_least=LEAST_CHANGE, below=1)


@dataclasses.dataclass(frozen=True)
class Reconstruction(Section):
    """The teacher's reconstruction of an image."""


@dataclasses.dataclass(frozen=True)
class AuxiliarySets(PipelineSets):
    """The sets of the paper and one of ours: of the pipeline, and two that take the teacher."""

    adversarial_noise: AdversarialNoise = AdversarialNoise()
    reconstruction: Reconstruction = Reconstruction()


_TEACHER = {"distance": Distance(), "teacher": Teacher()}
_EXPOSURE = {"auxiliary": AuxiliarySets()}
# On industrial images all three see patches: attention is quadratic in their area.
_PATCHES = {
    "image_score": "d",
    "data.crops": "rotated_crops",
    "data.patch": 64,
    "data.samples": 10000,
}
_SMOKE = {
    "teacher.steps": 20,
    "teacher.widths": (4, 8, 8),
    "teacher.batch_size": 16,
    "teacher.code_size": 4,
}
_STUDENT_SMOKE = {"student.steps": 10, "student.features": 4, "student.batch_size": 8}
_INDUSTRIAL_SMOKE = {"teacher.steps": 8, "teacher.batch_size": 4}
_STUDENT_INDUSTRIAL_SMOKE = {"student.steps": 4, "student.batch_size": 2}

_CIFAR10 = {"teacher.code_size": 8}  # [D]
_ON: dict[str, Any] = {"industrial": _PATCHES, "cifar10": _CIFAR10}
_ON_EXPOSED = _ON | {"cifar10": _CIFAR10 | {"auxiliary.adversarial_noise.eps": 8 / 255}}  # [D]


def _students(
    suffix: str, words: str, student: Section, **smoke: int
) -> tuple[MethodInfo, MethodInfo]:
    """Declare SDN and OE-SDN with one kind of student."""
    sections = _TEACHER | {"student": student}
    both: dict[str, Any] = {
        "paper": f"Chung et al. 2020{', with a student of ours' if suffix else ''}",
        "image_score": "d",  # [D]
        "smoke": _SMOKE | _STUDENT_SMOKE | {f"student.{key}": v for key, v in smoke.items()},
        "industrial_smoke": _INDUSTRIAL_SMOKE | _STUDENT_INDUSTRIAL_SMOKE,
        "steps": "student",
    }
    sdn = MethodInfo(
        name=f"sdn{suffix}",
        title=f"SDN{words}",
        builder=f"style_distillation.method:sdn{suffix}",
        sections=sections,
        on=_ON,
        published_as="sdn" if suffix else "",
        variants_of=f"oe_sdn{suffix}",
        **both,
    )
    oe_sdn = MethodInfo(
        name=f"oe_sdn{suffix}",
        title=f"OE-SDN{words}",
        builder=f"style_distillation.method:oe_sdn{suffix}",
        sections=sections | _EXPOSURE,
        chosen={"auxiliary": "student.auxiliary"},
        on=_ON_EXPOSED,
        published_as="oe_sdn" if suffix else "",
        variant="student.auxiliary",
        usual_variant="rotation",
        **both,
    )
    return sdn, oe_sdn


METHODS = (
    MethodInfo(
        name="ae",
        title="AE",
        paper="Chung et al. 2020",
        builder="style_distillation.autoencoder:autoencoder",
        sections=_TEACHER,
        image_score="d",  # [D]
        on=_ON,
        smoke=_SMOKE,
        industrial_smoke=_INDUSTRIAL_SMOKE,
        steps="teacher",
    ),
    *_students("", "", Student()),
    *_students("_fast", " fast", FastStudent(), blocks=2),
)
