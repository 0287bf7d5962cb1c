"""What the published tables compare with: the config sections and values of these methods.

A method has a section of its name here if it has parameters of its own, the same on all data sets
but for what `of_method` says. Values marked [D] are ours, the sources do not state them.
"""

from typing import Any

# Method -> the image score that stands in tables.
IMAGE_SCORES: dict[str, str] = {
    "ganomaly": "latent",
    "skip_ganomaly": "combined",
}
METHODS = tuple(IMAGE_SCORES)

SECTIONS: dict[str, dict[str, Any]] = {
    "ganomaly": {
        "code_size": 100,
        "width": 64,
        "batch_size": 64,
        "steps": 1350,  # the published 15 epochs, of a digit; [D] to count in steps
        "learning_rate": 2e-4,
        "weight_decay": 0.0,
        "adversarial_weight": 1.0,
        "reconstruction_weight": 50.0,
        "latent_weight": 1.0,
    },
    "skip_ganomaly": {
        "code_size": 100,
        "width": 64,
        "batch_size": 64,
        "steps": 1350,  # 15 epochs of a digit, the released default; [D] to count in steps
        "learning_rate": 2e-4,
        "weight_decay": 0.0,
        "adversarial_weight": 1.0,
        "reconstruction_weight": 50.0,
        "latent_weight": 1.0,
    },
}

# What cuts them down to a minute, by dotted keys.
SMOKE: dict[str, Any] = {
    "ganomaly.width": 4,
    "ganomaly.code_size": 4,
    "ganomaly.batch_size": 8,
    "ganomaly.steps": 10,
    "skip_ganomaly.width": 4,
    "skip_ganomaly.code_size": 4,
    "skip_ganomaly.batch_size": 8,
    "skip_ganomaly.steps": 10,
}

# Method -> dotted keys and values that differ on a data set.
MNIST: dict[str, dict[str, Any]] = {}
CIFAR10: dict[str, dict[str, Any]] = {}
INDUSTRIAL: dict[str, dict[str, Any]] = {
    # [D] size, batch and steps: the papers have no such images.
    "ganomaly": {"data.size": 128, "ganomaly.batch_size": 32, "ganomaly.steps": 2000},
    "skip_ganomaly": {
        "data.size": 128,
        "skip_ganomaly.batch_size": 32,
        "skip_ganomaly.steps": 2000,
    },
}
_ON = {"mnist": MNIST, "fashion_mnist": MNIST, "cifar10": CIFAR10}


def of_method(method: str, dataset: str) -> dict[str, Any]:
    """What a method has of its own on a data set, by dotted keys."""
    values = _ON.get(dataset, INDUSTRIAL).get(method, {})
    return {"method": method, "image_score": IMAGE_SCORES[method], **values}
