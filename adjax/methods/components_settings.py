"""Settings of the features that shallow detectors see, see `components`."""

import dataclasses

from adjax.settings import Section, flag, number, size


@dataclasses.dataclass(frozen=True)
class Components(Section):
    """Features of images; published is what the code of Ruff et al. 2018 says, and its scripts."""

    pca: bool = flag(
        True,
        "principal components, not pixels [D] but for OC-SVMs on CIFAR-10: published as a flag",
    )
    variance: float = number(0.95, "that principal components keep, published", above=0, below=1)
    components: int = size(512, "the most that there is room for [D]")
    contrast: bool = flag(False, "L1 normalisation and extremes to [0, 1]: published for CIFAR-10")
