"""Deep SVDD (Ruff et al. 2018): an encoder that maps normal images close to one point.

Values are those of the authors' code, where not marked.
"""

import dataclasses
from collections.abc import Iterator

from adjax.methods.info import MethodInfo
from adjax.settings import LARGEST_INT, Section, choice, count, number, rate, several, size

_CODE_MULTIPLE = 16  # a decoder begins with 4 x 4 pixels of the code


def _schedule():
    return choice("step", ("cosine", "constant", "step"), "of the learning rate")


def _milestones():
    return several(
        (400,),
        "steps after which the rate of the schedule step is a tenth: a third of them, as published"
        " (epoch 50 of 150) [D]",
        at_least=1,
        at_most=LARGEST_INT,
        advice="give numbers of steps, or none",
    )


@dataclasses.dataclass(frozen=True)
class Pretraining(Section):
    """The autoencoder whose encoder Deep SVDD starts from."""

    batch_size: int = size(200, "images an update")
    steps: int = count(1200, "updates [D], about 40 epochs of a digit; published: 150")
    learning_rate: float = rate(1e-4, "of Adam")
    schedule: str = _schedule()
    milestones: tuple = _milestones()
    network: str = choice(
        "mnist", ("mnist", "cifar10"), "the authors' LeNet: how it begins, and the code's scale"
    )
    widths: tuple = several(
        (8, 4),
        "channels of the convolutions",
        at_least=1,
        least_length=2,
        advice="give at least two positive widths",
    )
    code_size: int = size(32, "numbers in the code, a multiple of 16")
    weight_decay: float = number(0.5e-3, "part of the gradient")

    def relations(self) -> Iterator[tuple[str, str]]:
        """The decoder begins with 4 x 4 pixels of the code."""
        if self.code_size % _CODE_MULTIPLE:
            yield "code_size", f"must be a multiple of {_CODE_MULTIPLE}"


@dataclasses.dataclass(frozen=True)
class SVDD(Section):
    """The sphere, and the training of the encoder."""

    batch_size: int = size(200, "images an update")
    steps: int = count(1200, "updates [D], about 40 epochs of a digit; published: 150")
    learning_rate: float = rate(1e-4, "of Adam")
    schedule: str = _schedule()
    milestones: tuple = _milestones()
    objective: str = choice("one_class", ("one_class", "soft_boundary"), "what is minimised")
    nu: float = number(0.1, "part of the images outside the soft boundary", above=0, at_most=1)
    warm_up_steps: int = count(
        80, "of the soft boundary, in which R stays 0 [D]; published: 10 epochs", at_least=0
    )
    weight_decay: float = number(0.5e-6, "part of the gradient")

    def relations(self) -> Iterator[tuple[str, str]]:
        """The soft boundary must get a radius."""
        if self.objective == "soft_boundary" and self.warm_up_steps >= self.steps:
            yield "warm_up_steps", f"must be below config.svdd.steps={self.steps}"


METHODS = (
    MethodInfo(
        name="deep_svdd",
        title="Deep SVDD",
        paper="Ruff et al. 2018",
        builder="deep_svdd.method:deep_svdd",
        sections={"svdd_autoencoder": Pretraining(), "svdd": SVDD()},
        image_score="distance",
        on={
            "cifar10": {
                "svdd_autoencoder.network": "cifar10",
                "svdd_autoencoder.widths": (32, 64, 128),
                "svdd_autoencoder.code_size": 128,
                "svdd_autoencoder.weight_decay": 0.5e-6,
                "svdd_autoencoder.milestones": (850,),  # [D] published: epoch 250 of 350
            }
        },
        smoke={
            "svdd_autoencoder.widths": (4, 4),
            "svdd_autoencoder.code_size": 16,
            "svdd_autoencoder.batch_size": 16,
            "svdd_autoencoder.steps": 10,
            "svdd.batch_size": 16,
            "svdd.steps": 10,
            "svdd.warm_up_steps": 5,
        },
        tasks=("classes",),
        steps="svdd",
    ),
)
