"""The config's section `data`: of image classes, and of industrial categories; no TensorFlow."""

import dataclasses
import re
from collections.abc import Iterator

from adjax.datasets.catalog import INDUSTRIAL
from adjax.settings import Section, choice, count, number, word

PROTOCOLS = ("one_class", "leave_one_out")
NORMALISATIONS = ("none", "median")
LARGEST_IMAGE = 8192  # px
_DEPTHS = "use 0, or 8 to 16 as the camera has"
_TERM = re.compile(r"([\w-]+)(?:\[(.*)\])?", re.ASCII)
_SLICE = re.compile(r"(\d*)(%?):(\d*)(%?)", re.ASCII)


@dataclasses.dataclass(frozen=True)
class ClassData(Section):
    """Image classes of a TFDS set, of which one is normal, or all but one."""

    name: str = word("mnist", "of the TFDS set")
    dir: str = word("data", "the TFDS data directory")
    train_split: str = word("train", "TFDS split expression")
    test_split: str = word("test", "TFDS split expression")
    normal_class: int | str = count(
        3, "label or name; where one is left out, the abnormal class", at_least=0, or_name=True
    )
    protocol: str = choice(
        "one_class", PROTOCOLS, "of Deep SVDD, or of GANomaly: all classes but one are normal"
    )
    validation_fraction: float = number(
        0.05, "of the normal training images, held out [D]", at_least=0, below=1
    )

    decides = False  # no threshold is chosen: labels of test images measure, and nothing else
    names_kinds = False  # figures show labels as numbers
    crops = ""
    window = 0
    varying = ("data.normal_class",)  # members may differ in it: they share the images
    named_by_content = False  # stages keep their names; the cache keeps what each was trained on

    @property
    def noun(self) -> str:
        """Word for the class that a member is named by."""
        return "abnormal class" if self.protocol == "leave_one_out" else "class"

    @property
    def untrained(self) -> tuple[str, ...]:
        """Settings here that no training depends on."""
        return () if self.protocol == "leave_one_out" else ("test_split",)

    def relations(self) -> Iterator[tuple[str, str]]:
        """No text may be empty, no image be trained on and tested."""
        for field in ("name", "dir", "train_split", "test_split"):
            if not getattr(self, field):
                yield field, "must not be empty"
        if overlap(self.train_split, self.test_split):
            yield (
                "train_split",
                f"holds images of config.data.test_split={self.test_split!r}: give other ones",
            )


@dataclasses.dataclass(frozen=True)
class CategoryData(Section):
    """Images of one category of an industrial set, normal and defective."""

    name: str = choice("mvtec_ad", INDUSTRIAL, "of the set")
    dir: str = word("", "folder of the set; empty: below the environment variable ADJAX_DATA_DIR")
    normal_class: str = word("bottle", "the category; empty: the only one")
    good: str = word("", "names of folders of normal images, between commas, beside the usual ones")
    validation_fraction: float = number(
        0.2, "of the normal training images, held out", at_least=0, below=1
    )
    size: int = count(256, "px, images are resized to", at_most=LARGEST_IMAGE)
    channels: int = count(
        1, "1 (grey) or 3 (colour)", at_most=3, advice="use 1 (grey) or 3 (colour)"
    )
    normalise: str = choice(
        "none", NORMALISATIONS, "median: every image is brought to the training images' median"
    )
    bits: int = count(
        0,
        "of a grey level, the lowest, of files that have more than 8; 0: all of them",
        at_least=0,
        at_most=16,
        advice=_DEPTHS,
    )
    patch: int = count(0, "px, of the patches that a network sees; 0: whole images", at_least=0)
    crops: str = word("", "how patches to train on are cut; a section of `crops`")
    samples: int = count(
        0, "patches an epoch, the same in every one; 0: anew, one an image", at_least=0
    )

    decides = True  # thresholds are chosen, and photographs can be judged
    names_kinds = True  # labels are kinds of defects
    varying = ()  # each category has images of its own
    named_by_content = True  # stages trained on other images have other names
    noun = "category"
    protocol = "category"

    @property
    def untrained(self) -> tuple[str, ...]:
        """Settings here that no training depends on."""
        # Stages keep the names that they had before there were these settings.
        young = {"normalise": "none", "good": "", "bits": 0}
        return tuple(name for name, default in young.items() if getattr(self, name) == default)

    @property
    def window(self) -> int:
        """Size of the windows by which images are scored; 0: as a whole."""
        return 0 if self.patch == self.size else self.patch

    def relations(self) -> Iterator[tuple[str, str]]:
        """Patches must fit into the images and be cut somehow."""
        if self.channels == 2:
            yield "channels", "use 1 (grey) or 3 (colour)"
        if 0 < self.bits < 8:
            yield "bits", _DEPTHS
        if self.patch > self.size:
            yield "patch", f"must not be above data.size={self.size}"
        if self.crops and not self.patch:
            yield "patch", f"give the size of the {self.crops}"
        if self.patch not in (0, self.size) and not self.crops:
            yield "crops", "say how patches to train on are cut, or set no patch"


def overlap(one: str, other: str) -> bool:
    """Return whether two TFDS split expressions may hold the same images, as far as they tell.

    Splits of different names do not, but for "all". Parts of one split do, unless both are slices
    `[FROM:TO]`, both in images or both in per cent counted from its beginning, and one ends before
    the other begins. What is no split expression is left to TFDS to refuse.
    """
    return any(
        ("all" in (a[0], b[0]) or a[0] == b[0])
        and not _apart(a[1], b[1])
        and not _apart(b[1], a[1])
        for a in _terms(one)
        for b in _terms(other)
    )


def _terms(expression: str) -> list[tuple[str, re.Match | None]]:
    """Return the name and the slice, None if it is the whole or unusual, of each term of a sum."""
    terms = [_TERM.fullmatch(term.strip()) for term in expression.split("+")]
    return [(term[1], _SLICE.fullmatch(term[2] or "")) for term in terms if term]


def _apart(first: re.Match | None, second: re.Match | None) -> bool:
    """Return whether a slice ends before another one begins."""
    if not (first and second and first[3] and second[1]):
        return False
    return first[4] == second[2] and int(first[3]) <= int(second[1])
