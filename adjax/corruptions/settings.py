"""Parameters of auxiliary sets, corruptions and crops, with their bounds; no TensorFlow.

Each section is named as the image function that takes its values, see `adjax.corruptions`.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

from adjax.settings import Alternatives, Section, count, flag, number, several

_number = number  # a setting of drops has that name
LEAST_CHANGE = 0.001  # of [0, 1]: a quarter of a grey level


@dataclasses.dataclass(frozen=True)
class GaussianBlurring(Section):
    """Convolution with a Gaussian."""

    sigma: float = number(
        1.0,
        "px, deviation of the Gaussian [D]",
        at_least=0.3,  # less leaves the image as it is, to a grey level
        at_most=100,
        advice="must be positive, from 0.3 to 100",
    )
    width: int = count(
        5, "px, where the Gaussian is cut off [D]", odd=True, at_least=3, at_most=255
    )


@dataclasses.dataclass(frozen=True)
class GaussianNoise(Section):
    """Normal noise in every pixel and channel."""

    sigma: float = number(
        0.1,
        "deviation, of [0, 1] [D]",
        at_least=LEAST_CHANGE,
        at_most=1,
        advice=f"must be positive, from {LEAST_CHANGE:g} to 1",
    )


@dataclasses.dataclass(frozen=True)
class HorizontalFlip(Section):
    """Left and right exchanged."""


@dataclasses.dataclass(frozen=True)
class Rotation(Section):
    """Turns that interpolate no pixel."""

    angles: tuple = several(
        (90, 180, 270),
        "degrees, each equally likely [D]",
        at_least=-360,
        at_most=360,
        least_length=1,
        advice="give multiples of 90; uniform_rotation has other angles",
    )

    def relations(self) -> Iterator[tuple[str, str]]:
        """Other angles would interpolate; every angle given costs a copy of the batch."""
        if any(angle % 90 for angle in self.angles):
            yield "angles", "give multiples of 90; uniform_rotation has other angles"
        elif len(self.angles) > 36:
            yield "angles", "give at most 36 angles"
        elif not any(angle % 360 for angle in self.angles):
            yield "angles", "they leave the image as it is"


@dataclasses.dataclass(frozen=True)
class Shearing(Section):
    """Rows moved in proportion to their distance from the middle."""

    minimum: float = number(
        0.1, "px a row, least [D]", at_least=0, advice="must lie between 0 and maximum"
    )
    maximum: float = number(0.3, "px a row, greatest [D]", at_least=0.001, at_most=10)

    def relations(self) -> Iterator[tuple[str, str]]:
        """The least must not be above the greatest."""
        if self.minimum > self.maximum:
            yield "minimum", "must lie between 0 and maximum"


@dataclasses.dataclass(frozen=True)
class SvdBlurring(Section):
    """The largest singular values kept."""

    rank: int = count(4, "singular values kept in every channel [D]")


@dataclasses.dataclass(frozen=True)
class UniformRotation(Section):
    """Turns by any whole angle; not in the paper."""

    low: int = count(30, "degrees, least angle [D]", at_least=-360, at_most=360)
    high: int = count(330, "degrees, greatest angle [D]", at_least=-360, at_most=360)

    def relations(self) -> Iterator[tuple[str, str]]:
        """The least must not be above the greatest."""
        if self.low > self.high:
            yield "low", "must not be above high"
        elif self.low == self.high and self.low % 360 == 0:
            yield "low", "leaves the image as it is"


@dataclasses.dataclass(frozen=True)
class VerticalFlip(Section):
    """Top and bottom exchanged."""


@dataclasses.dataclass(frozen=True)
class PipelineSets(Alternatives):
    """The auxiliary sets that need no network; the paper names them only, every value is [D]."""

    gaussian_blurring: GaussianBlurring = GaussianBlurring()
    gaussian_noise: GaussianNoise = GaussianNoise()
    horizontal_flip: HorizontalFlip = HorizontalFlip()
    rotation: Rotation = Rotation()
    shearing: Shearing = Shearing()
    svd_blurring: SvdBlurring = SvdBlurring()
    uniform_rotation: UniformRotation = UniformRotation()
    vertical_flip: VerticalFlip = VerticalFlip()


def grey(default: int, meaning: str) -> Any:
    """Make a setting that is a grey level."""
    return count(default, f"{meaning} grey level", at_least=0, at_most=255)


def ordered(section: Section, *names: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with ranges `NAME_low` to `NAME_high`."""
    for name in names:
        if getattr(section, f"{name}_low") > getattr(section, f"{name}_high"):
            yield f"{name}_low", f"must not be above {name}_high"


def soft_edge(section: Section) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the Gaussian of an edge: it must not vanish."""
    if 0 < section.blur < 0.001:
        yield "blur", "must be 0 or at least 0.001"


def length(default: float, meaning: str) -> Any:
    """Make a setting that is a length, less than half of the image's."""
    advice = "must be at least 0 and below 0.5"
    return number(default, f"of the image's sides, {meaning}", at_least=0, below=0.5, advice=advice)


@dataclasses.dataclass(frozen=True)
class Stain(Section):
    """An irregular grey ellipse; values as in the code of the AESc's authors."""

    size_low: float = length(0.01, "least semi-axis")
    size_high: float = length(0.12, "greatest semi-axis")
    colour_low: int = grey(10, "least")
    colour_high: int = grey(220, "greatest")
    irregularity: float = number(
        0.1, "of the mean semi-axis, how far points of the rim move", at_least=0, at_most=1
    )
    blur: float = number(
        0.0, "of the greater semi-axis, deviation of the softened edge", at_least=0, at_most=1
    )
    noise_variance: float = number(
        0.05 / 255, "of the stain's texture, in [0, 1]", at_least=0, at_most=1
    )

    def relations(self) -> Iterator[tuple[str, str]]:
        """Ranges must not be empty, and the edge's Gaussian not vanish."""
        yield from ordered(self, "size", "colour")
        yield from soft_edge(self)


@dataclasses.dataclass(frozen=True)
class Scratch(Section):
    """A thin curve; values as in the code of the AESc's authors."""

    colour_low: int = grey(150, "least mean")
    colour_high: int = grey(150, "greatest mean")
    deviation: float = number(20.0, "grey levels, of its pixels", at_least=0, at_most=255)
    brush: int = count(3, "px, width of the line", odd=True, at_most=31)

    def relations(self) -> Iterator[tuple[str, str]]:
        """The range of grey levels must not be empty."""
        yield from ordered(self, "colour")


@dataclasses.dataclass(frozen=True)
class Drops(Section):
    """A cluster of discs; values as in the code of the AESc's authors."""

    number: int = count(10, "discs of a cluster", at_most=100)
    radius_low: float = length(0.01, "least radius")
    radius_high: float = length(0.02, "greatest radius")
    scatter: float = _number(0.01, "radii, deviation of a disc's centre", at_least=0, at_most=10)
    colour_low: int = grey(220, "least")
    colour_high: int = grey(220, "greatest")

    def relations(self) -> Iterator[tuple[str, str]]:
        """Ranges must not be empty, and a cluster not be larger than the image."""
        yield from ordered(self, "radius", "colour")
        if (1 + 4.4 * self.scatter) * self.radius_high > 0.5:  # normal draws are within 4.4
            yield "radius_high", f"discs scattered by {self.scatter:g} would leave the image"


def parts(default: tuple[float, ...], meaning: str) -> Any:
    """Make a setting that is the probabilities of so many corruptions."""
    return several(
        default,
        meaning,
        element=float,
        at_least=0,
        at_most=1,
        least_length=len(default),
        advice=f"give {len(default)} numbers from 0 to 1 whose sum is 1",
    )


def wrong_parts(section: Section) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the parts of a mixture as a whole."""
    length = len(type(section)().parts)
    if len(section.parts) != length or abs(sum(section.parts) - 1) > 1e-6:
        yield "parts", f"give {length} numbers from 0 to 1 whose sum is 1"


@dataclasses.dataclass(frozen=True)
class Structural(Section):
    """A stain, a scratch or drops; as meant: a slip in their code makes it 0.2, 0.2, 0.6."""

    parts: tuple = parts((0.6, 0.2, 0.2), "probabilities of stain, scratch, drops")
    stain: Stain = Stain(blur=0.15)
    scratch: Scratch = Scratch(colour_low=10, colour_high=220)
    drops: Drops = Drops(colour_low=10, colour_high=220)

    def relations(self) -> Iterator[tuple[str, str]]:
        """One part a corruption, and one corruption an image."""
        return wrong_parts(self)


@dataclasses.dataclass(frozen=True)
class StainOrGaussian(Section):
    """A stain, or noise all over the image."""

    parts: tuple = parts((0.6, 0.4), "probabilities of stain, noise")
    stain: Stain = Stain(blur=0.15)
    gaussian: GaussianNoise = GaussianNoise(sigma=0.1**0.5)

    def relations(self) -> Iterator[tuple[str, str]]:
        """One part a corruption, and one corruption an image."""
        return wrong_parts(self)


@dataclasses.dataclass(frozen=True)
class Paste(Section):
    """A patch of another normal image, of the same one, or a grey stain, in a stain's shape [D]."""

    size_low: float = length(0.02, "least semi-axis")
    size_high: float = length(0.2, "greatest semi-axis")
    irregularity: float = number(
        0.2, "of the mean semi-axis, how far points of the rim move", at_least=0, at_most=1
    )
    blur: float = number(
        0.15, "of the greater semi-axis, deviation of a soft edge", at_least=0, at_most=1
    )
    parts: tuple = parts((0.55, 0.25, 0.2), "probabilities of another image, the same, a stain")
    soft: float = number(0.5, "part of the patches with a soft edge", at_least=0, at_most=1)
    level: float = number(
        0.5, "part of those that get the mean of what they cover", at_least=0, at_most=1
    )
    colour_low: int = grey(10, "least")
    colour_high: int = grey(220, "greatest")

    def relations(self) -> Iterator[tuple[str, str]]:
        """Ranges must not be empty, the parts be probabilities."""
        yield from ordered(self, "size", "colour")
        yield from wrong_parts(self)
        yield from soft_edge(self)


@dataclasses.dataclass(frozen=True)
class NsaLike(Section):
    """Patches of other images, blended by Poisson's equation; values of NSA's code for objects."""

    patches: int = count(3, "at most; each after the first comes in half of the images", at_most=16)
    size_low: float = length(0.03, "least half side cut out and side pasted")
    size_high: float = length(0.4, "greatest of both")
    spread: float = number(
        0.05,
        "of the image's sides, scale of the gamma distribution of sizes",
        at_least=0,
        at_most=1,
    )
    factor_low: float = number(0.7, "least scaling of a patch", at_least=0.1, at_most=10)
    factor_high: float = number(1.3, "greatest scaling of a patch", at_least=0.1, at_most=10)
    background: int = grey(200, "the background's")
    contrast: int = count(
        0,
        "grey levels from which on a pixel is no background; 0: there is none [D]",
        at_least=0,
        at_most=255,
    )
    filled: float = number(
        0.7, "part of what is cut out that is no background, at least", at_least=0, at_most=1
    )
    overlap: float = number(
        0.25, "part of what is covered that is no background, at least", at_least=0, at_most=1
    )
    mixed: bool = flag(False, "keep greater gradients of the image, as NSA does for textures")

    def relations(self) -> Iterator[tuple[str, str]]:
        """Ranges must not be empty, and some grey level be no background."""
        yield from ordered(self, "size", "factor")
        greatest = max(self.background, 255 - self.background)
        if self.contrast > greatest:
            yield "contrast", f"no grey level is so far from background: give at most {greatest}"


@dataclasses.dataclass(frozen=True)
class Corruptions(Alternatives):
    """Changes that an autoencoder is trained to undo; values as in the AESc's authors' code."""

    none = "none"

    stain: Stain = Stain()
    scratch: Scratch = Scratch()
    drops: Drops = Drops()
    gaussian: GaussianNoise = GaussianNoise()
    structural: Structural = Structural()
    stain_or_gaussian: StainOrGaussian = StainOrGaussian()
    paste: Paste = Paste()
    nsa_like: NsaLike = NsaLike()


@dataclasses.dataclass(frozen=True)
class RotatedCrops(Section):
    """Crops at a random place and angle."""


@dataclasses.dataclass(frozen=True)
class TranslationRotation(Section):
    """Whole images moved and turned; how far MVTec's objects move is not stated."""

    translation: float = number(
        0.05, "of the image's sides, to either side [D]", at_least=0, at_most=1
    )
    angle: int = count(10, "degrees, to either side [D]", at_least=0, at_most=180)
    mirror: bool = flag(False, "exchange left and right in half of the images [D]")


@dataclasses.dataclass(frozen=True)
class Crops(Alternatives):
    """Ways to cut crops out of training images; their size is `data.patch`."""

    none = ""

    rotated_crops: RotatedCrops = RotatedCrops()
    translation_rotation: TranslationRotation = TranslationRotation()
