"""ITAE (Huang et al., arXiv 1911.10676): a U-Net that restores colour and orientation.

Values are those of others' re-implementation, where not marked; the paper's own are not known.
"""

import dataclasses
from collections.abc import Iterator

from adjax.methods.info import MethodInfo
from adjax.settings import LARGEST_INT, Section, choice, count, flag, number, rate, several, size


@dataclasses.dataclass(frozen=True)
class ITAE(Section):
    """The network and its training."""

    widths: tuple = several(
        (16, 32, 64, 128, 128),
        "channels, of the image's own size first [D]; theirs: (64, 128, 256, 512, 512)",
        at_least=1,
        least_length=2,
        advice="give at least two positive widths",
    )
    mirror: bool = flag(False, "mirror half of the training images")
    batch_size: int = size(32, "images an update")
    steps: int = count(
        2000, "updates [D], about 11 epochs of a digit; theirs: 500 epochs, of CIFAR-10 125"
    )
    optimizer: str = choice("adam", ("adam", "sgd"), "[D]; theirs: sgd")
    learning_rate: float = rate(1e-3, "[D]; theirs: 0.1")
    weight_decay: float = number(0.0, "decoupled")
    schedule: str = choice(
        "cosine", ("cosine", "constant", "halving"), "of the learning rate [D]; theirs: halving"
    )

    def relations(self) -> Iterator[tuple[str, str]]:
        """Halving counts tenths of the steps, in int32."""
        if self.schedule == "halving" and self.steps > LARGEST_INT // 10:
            yield "steps", f"must be at most {LARGEST_INT // 10} with the schedule halving"


METHODS = (
    MethodInfo(
        name="itae",
        title="ITAE",
        paper="Huang et al. 2019",
        builder="itae.method:itae",
        sections={"itae": ITAE()},
        image_score="l1",  # published
        on={
            "cifar10": {"itae.mirror": True},
            # [D] about 200 epochs of 200 images
            "industrial": {"itae.batch_size": 16, "itae.steps": 2500},
        },
        smoke={"itae.widths": (4, 8), "itae.batch_size": 8, "itae.steps": 8},
        steps="itae",
    ),
)
