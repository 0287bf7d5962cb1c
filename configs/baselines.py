"""What the published tables compare with: the config sections and values of these methods.

A method has a section of its name here if it has parameters of its own, the same on all data sets
but for what `of_method` says. Values marked [D] are ours, the sources do not state them.
"""

from typing import Any

# Method -> the image score that stands in tables.
IMAGE_SCORES: dict[str, str] = {
    "cnn_dictionary": "max",  # [D]
    "itae": "l1",  # published
}
METHODS = tuple(IMAGE_SCORES)

SECTIONS: dict[str, dict[str, Any]] = {
    "dictionary": {  # of `cnn_dictionary`
        "patch": 16,  # px, published
        "stride": 16,  # [D] on industrial images; published: 4
        "input": 64,  # [D] px that a patch is enlarged to; published: 224
        "patches": 2000,  # [D] of the training images, at random places
        "variance": 0.95,  # published: what the principal components keep
        "entries": 10,  # published
        "at_once": 4,  # places of a batch of images whose patches go through the network together
    },
    # Of others' re-implementation, where not marked; the paper's own settings are not known.
    "itae": {
        "widths": (16, 32, 64, 128, 128),  # [D]; theirs: (64, 128, 256, 512, 512)
        "mirror": False,  # whether half of the training images are mirrored
        "batch_size": 32,
        "steps": 2000,  # [D] about 11 epochs of a digit; theirs: 500 epochs, of CIFAR-10 125
        "optimizer": "adam",  # [D]; theirs: "sgd"
        "learning_rate": 1e-3,  # [D]; theirs: 0.1
        "weight_decay": 0.0,
        "schedule": "cosine",  # [D]; theirs: "halving"
    },
}

# What cuts them down to a minute, by dotted keys.
SMOKE: dict[str, Any] = {
    "dictionary.stride": 12,
    "dictionary.input": 32,
    "dictionary.patches": 20,
    "dictionary.entries": 3,
    "itae.widths": (4, 8),
    "itae.batch_size": 8,
    "itae.steps": 8,
}

# Method -> dotted keys and values that differ on a data set.
# Classes are told apart by whole images, defects by places: hence the mean [D].
MNIST: dict[str, dict[str, Any]] = {
    "cnn_dictionary": {"dictionary.stride": 6, "image_score": "mean"},  # [D] 9 patches
}
CIFAR10: dict[str, dict[str, Any]] = {
    "cnn_dictionary": {"dictionary.stride": 8, "image_score": "mean"},  # [D] 9 patches
    "itae": {"itae.mirror": True},
}
INDUSTRIAL: dict[str, dict[str, Any]] = {
    "cnn_dictionary": {},
    "itae": {"itae.batch_size": 16, "itae.steps": 2500},  # [D] about 200 epochs of 200 images
}
_ON = {"mnist": MNIST, "fashion_mnist": MNIST, "cifar10": CIFAR10}


def of_method(method: str, dataset: str) -> dict[str, Any]:
    """What a method has of its own on a data set, by dotted keys."""
    values = _ON.get(dataset, INDUSTRIAL).get(method, {})
    return {"method": method, "image_score": IMAGE_SCORES[method], **values}
