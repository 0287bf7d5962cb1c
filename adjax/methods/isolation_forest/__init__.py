"""Isolation forest (Liu, Ting and Zhou 2008) on principal components of images."""

import dataclasses

from adjax.methods.components_settings import Components
from adjax.methods.info import MethodInfo
from adjax.settings import size


@dataclasses.dataclass(frozen=True)
class Forest(Components):
    """The trees."""

    trees: int = size(100, "published")
    # Trees of two images or fewer tell nothing: all their leaves are equally deep.
    subsample: int = size(256, "images a tree, published", at_least=3)


METHODS = (
    MethodInfo(
        name="isolation_forest",
        title="Isolation forest",
        paper="Liu, Ting and Zhou 2008",
        builder="isolation_forest.method:isolation_forest",
        sections={"isolation_forest": Forest(contrast=True)},  # published
        image_score="isolation",
        on={"industrial": {"data.size": 128, "isolation_forest.components": 320}},  # [D]
        smoke={"isolation_forest.trees": 20},
    ),
)
