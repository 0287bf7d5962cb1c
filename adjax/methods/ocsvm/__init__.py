"""One-class support vector machines (Schölkopf et al. 2001) on principal components of images.

Values are those of the code of Ruff et al. 2018 and its scripts, where not marked.
"""

import dataclasses
from collections.abc import Iterator

from adjax.methods.components_settings import Components
from adjax.methods.info import MethodInfo
from adjax.settings import number, several, size


@dataclasses.dataclass(frozen=True)
class OCSVM(Components):
    """The machine."""

    # At 1 every image is outside the margin, which then lies nowhere.
    nu: float = number(0.1, "of the code, whose scripts are given it", above=0, below=1)
    support_vectors: int = size(1024, "the most that there is room for [D]")


@dataclasses.dataclass(frozen=True)
class OCSVMOracle(OCSVM):
    """One machine a gamma, of which labels choose; with a large gamma every image is a vector."""

    exponents: tuple = several(
        tuple(range(-10, 0)),
        "powers of 2 that gamma is chosen from, published",
        at_least=-60,
        at_most=60,
        least_length=1,
        advice="give exponents of 2 from -60 to 60",
    )

    def relations(self) -> Iterator[tuple[str, str]]:
        """Image scores are named by the exponents."""
        if len(set(self.exponents)) < len(self.exponents):
            yield "exponents", "give each exponent once"


METHODS = (
    MethodInfo(
        name="ocsvm",
        title="OC-SVM",
        paper="Schölkopf et al. 2001",
        builder="ocsvm.method:ocsvm",
        sections={"ocsvm": OCSVM()},
        image_score="decision",
        on={
            "cifar10": {"ocsvm.contrast": True},
            "industrial": {"data.size": 128, "ocsvm.components": 320},  # [D]
        },
    ),
    MethodInfo(
        name="ocsvm_oracle",
        title="OC-SVM (oracle)",
        paper="Schölkopf et al. 2001",
        builder="ocsvm.method:ocsvm_oracle",
        sections={"ocsvm_oracle": OCSVMOracle(support_vectors=8192)},  # [D]
        image_score="oracle",
        on={"cifar10": {"ocsvm_oracle.contrast": True}},
        smoke={"ocsvm_oracle.exponents": (-7, -5)},
        tasks=("classes",),
        published_as="ocsvm",
    ),
)
