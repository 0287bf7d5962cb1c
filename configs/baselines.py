"""What the published tables compare with: the config sections and values of these methods.

A method has a section of its name here if it has parameters of its own, the same on all data sets
but for what `of_method` says. Values marked [D] are ours, the sources do not state them.
"""

from typing import Any

# Method -> the image score that stands in tables.
IMAGE_SCORES: dict[str, str] = {}
METHODS = tuple(IMAGE_SCORES)

SECTIONS: dict[str, dict[str, Any]] = {}

# What cuts them down to a minute, by dotted keys.
SMOKE: dict[str, Any] = {}

# Method -> dotted keys and values that differ on a data set.
MNIST: dict[str, dict[str, Any]] = {}
CIFAR10: dict[str, dict[str, Any]] = {}
INDUSTRIAL: dict[str, dict[str, Any]] = {}
_ON = {"mnist": MNIST, "fashion_mnist": MNIST, "cifar10": CIFAR10}


def of_method(method: str, dataset: str) -> dict[str, Any]:
    """What a method has of its own on a data set, by dotted keys."""
    values = _ON.get(dataset, INDUSTRIAL).get(method, {})
    return {"method": method, "image_score": IMAGE_SCORES[method], **values}
