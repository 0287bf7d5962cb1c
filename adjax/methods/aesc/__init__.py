"""AESc (Collin and De Vleeschouwer 2020), an autoencoder with skip connections that takes stains
off images, and its twin AE d6 without skip connections; each scored by residual and by uncertainty.
"""

import dataclasses
from collections.abc import Iterator

from adjax.corruptions.settings import Corruptions
from adjax.methods.info import MethodInfo
from adjax.methods.reconstruction_settings import COMMON, SMOKE, Autoencoder
from adjax.settings import LARGEST_WEIGHT, SMALLEST_WEIGHT, Section, count, number, several


def _passes():
    # One alone has no variance.
    meaning = "through the network with dropout, while scoring"
    return count(30, meaning, at_least=2, at_most=10_000)


def _rates(*default: float):
    meaning = "of dropout, one a level of the encoder, largest first; while scoring only"
    return several(
        default,
        meaning,
        element=float,
        at_least=0,
        below=1,
        least_length=1,
        advice="give rates from 0 to below 1, one a level of config.autoencoder.depth",
    )


def _drops_nothing(section: Section, name: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with rates that all are 0: no pass differs from another."""
    if not any(getattr(section, name)):
        yield name, "one of the rates must be positive"


@dataclasses.dataclass(frozen=True)
class AEScUncertainty(Section):
    """Monte-Carlo dropout."""

    passes: int = _passes()
    aesc: tuple = _rates(0.0, 0.0, 0.1, 0.2, 0.4, 0.5)

    def relations(self) -> Iterator[tuple[str, str]]:
        """Something must be dropped."""
        return _drops_nothing(self, "aesc")


@dataclasses.dataclass(frozen=True)
class AED6Uncertainty(Section):
    """Monte-Carlo dropout of the network without skip connections."""

    passes: int = _passes()
    ae_d6: tuple = _rates(0.0, 0.0, 0.0, 0.0, 0.1, 0.2)

    def relations(self) -> Iterator[tuple[str, str]]:
        """Something must be dropped."""
        return _drops_nothing(self, "ae_d6")


@dataclasses.dataclass(frozen=True)
class Mask(Section):
    """The mask of our variant, all [D]."""

    weight: float = number(
        0.1,
        "of its cross entropy, beside the squared error [D]",
        at_least=SMALLEST_WEIGHT,  # else nothing teaches the mask, which is the score
        at_most=LARGEST_WEIGHT,
        advice=f"must be positive, from {SMALLEST_WEIGHT:g} to {LARGEST_WEIGHT:g}",
    )
    contrast: float = number(0.08, "of [0, 1], the change that counts as one [D]", above=0)
    sigma: float = number(
        1 / 128,
        "of the Gaussian that blurs a change, as a part of the image [D]",
        at_least=0,
        at_most=1,
    )
    lamp: float = number(
        0.15,
        "training images are brightened or darkened by up to this part [D]",
        at_least=0,
        below=1,
    )


_SECTIONS = {"autoencoder": Autoencoder(), "corruption": Corruptions()}

METHODS = (
    MethodInfo(
        name="aesc_residual",
        title="AESc (residual)",
        paper="Collin and De Vleeschouwer 2020",
        builder="aesc.method:aesc_residual",
        sections=_SECTIONS,
        smoke=SMOKE,
        **COMMON,
    ),
    MethodInfo(
        name="aesc_uncertainty",
        title="AESc (uncertainty)",
        paper="Collin and De Vleeschouwer 2020",
        builder="aesc.method:aesc_uncertainty",
        sections=_SECTIONS | {"uncertainty": AEScUncertainty()},
        smoke=SMOKE | {"uncertainty.passes": 2, "uncertainty.aesc": (0.0, 0.1, 0.2)},
        **COMMON,
    ),
    MethodInfo(
        name="ae_d6_residual",
        title="AE d6 (residual)",
        paper="Collin and De Vleeschouwer 2020",
        builder="aesc.method:ae_d6_residual",
        sections=_SECTIONS,
        smoke=SMOKE,
        **COMMON,
    ),
    MethodInfo(
        name="ae_d6_uncertainty",
        title="AE d6 (uncertainty)",
        paper="Collin and De Vleeschouwer 2020",
        builder="aesc.method:ae_d6_uncertainty",
        sections=_SECTIONS | {"uncertainty": AED6Uncertainty()},
        smoke=SMOKE | {"uncertainty.passes": 2, "uncertainty.ae_d6": (0.0, 0.0, 0.1)},
        **COMMON,
    ),
    MethodInfo(
        name="aesc_mask",
        title="AESc (mask)",
        paper="Collin and De Vleeschouwer 2020, a variant of ours",
        builder="aesc.mask:aesc_mask",
        sections={
            "autoencoder": Autoencoder(steps=2000, kernel=3, corruption="paste"),
            "corruption": Corruptions(),
            "mask": Mask(),
        },
        on={"industrial": {"select": "last", "data.size": 128}},
        smoke=SMOKE,
        **COMMON | {"image_score": "smoothed_max"},
    ),
)
