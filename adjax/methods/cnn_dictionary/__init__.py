"""CNN dictionary (Napoletano et al. 2018): a patch's distance to a few typical normal patches."""

import dataclasses
from collections.abc import Iterator

from adjax.methods.info import MethodInfo
from adjax.settings import Section, count, number, size


@dataclasses.dataclass(frozen=True)
class Dictionary(Section):
    """The patches and the dictionary made of them."""

    patch: int = size(16, "px, published")
    stride: int = size(16, "px between patches that are scored [D]; published: 4")
    input: int = size(64, "px that a patch is enlarged to [D]; published: 224")
    patches: int = count(2000, "of the training images, at random places [D]", at_most=1_000_000)
    variance: float = number(0.95, "that principal components keep, published", above=0, below=1)
    entries: int = size(10, "of the dictionary, published")
    at_once: int = size(4, "places of a batch whose patches go through the network together")

    def relations(self) -> Iterator[tuple[str, str]]:
        """Every entry needs a patch; patches must leave no gaps."""
        if self.patches < self.entries:
            yield "patches", f"give at least as many as config.dictionary.entries={self.entries}"
        if self.stride > self.patch:
            yield "stride", f"must not be above config.dictionary.patch={self.patch}"


METHODS = (
    MethodInfo(
        name="cnn_dictionary",
        title="CNN dictionary (ours: EfficientNet-Lite0 features)",
        paper="Napoletano et al. 2018",
        builder="cnn_dictionary.method:cnn_dictionary",
        sections={"dictionary": Dictionary()},
        image_score="max",  # [D]
        on={
            # [D] 9 patches
            "mnist": {"dictionary.stride": 6, "image_score": "mean"},
            "fashion_mnist": {"dictionary.stride": 6, "image_score": "mean"},
            "cifar10": {"dictionary.stride": 8, "image_score": "mean"},
            "industrial": {"dictionary.input": 224, "maps.sigma": 0.0},  # patches overlap
        },
        smoke={
            "dictionary.stride": 12,
            "dictionary.input": 32,
            "dictionary.patches": 20,
            "dictionary.entries": 3,
        },
    ),
)
