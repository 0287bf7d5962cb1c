"""What the published tables compare with: the config sections and values of these methods.

A method has a section of its name here if it has parameters of its own, the same on all data sets
but for what `of_method` says. Values marked [D] are ours, the sources do not state them.
"""

from typing import Any

# Method -> the image score that stands in tables.
IMAGE_SCORES: dict[str, str] = {"anogan": "loss", "f_anogan": "loss"}
METHODS = tuple(IMAGE_SCORES)

SECTIONS: dict[str, dict[str, Any]] = {
    # DCGAN; rates and batch of a public re-implementation, the latents of the MVTec AD paper.
    "anogan": {
        "latent_size": 64,
        "widths": (64, 32),  # [D] smallest map first; 512, 256, 128, 64 there, for 64 px
        "kernel": 4,  # [D]; 5 there
        "batch_size": 64,
        "steps": 4500,  # [D] about 50 epochs of a digit, as in the MVTec AD paper; 25 there
        "learning_rate": 2e-4,
        "weight_decay": 0.0,
        "least_spread": 0.05,  # [D] of made images by that of real ones: below is collapse
        "spread_after": 500,  # [D] steps
    },
    # lambda is published; steps and rate are those of the MVTec AD paper (first published: 500).
    "anogan_search": {"steps": 300, "learning_rate": 0.02, "feature_weight": 0.1},
    # f-AnoGAN, as in the authors' code for grey images of 64 px, where not marked.
    "wgan": {
        "latent_size": 128,
        "widths": (64, 32, 16),  # [D] 4 x 4 to 32 x 32 px; 512, 256, 128, 64 there
        "batch_size": 64,  # of a step of the critic; an update takes critic_steps times these
        "critic_steps": 5,
        "gp_weight": 10.0,
        "steps": 500,  # [D] updates, about 27 epochs of a digit; 7 epochs of a larger set there
        "learning_rate": 1e-4,
        "weight_decay": 0.0,
        "least_spread": 0.05,  # [D] as of anogan
        "spread_after": 200,  # [D]
    },
    "izi_encoder": {
        "batch_size": 64,
        "steps": 2000,  # [D] about 22 epochs of a digit; 50,000 there
        "learning_rate": 5e-5,
        "weight_decay": 0.0,
        "kappa": 1.0,
    },
}

# What cuts them down to a minute, by dotted keys.
SMOKE: dict[str, Any] = {
    "anogan.steps": 8,
    "anogan.batch_size": 8,
    "anogan.widths": (8, 4),
    "anogan_search.steps": 3,
    "wgan.steps": 4,
    "wgan.batch_size": 4,
    "wgan.critic_steps": 2,
    "wgan.widths": (8, 4),
    "izi_encoder.steps": 4,
    "izi_encoder.batch_size": 8,
}

# Method -> dotted keys and values that differ on a data set.
MNIST: dict[str, dict[str, Any]] = {}
CIFAR10: dict[str, dict[str, Any]] = {
    # [D] three layers for 32 px; about 50 epochs of a class
    "anogan": {"anogan.widths": (128, 64, 32), "anogan.steps": 3700},
}
INDUSTRIAL: dict[str, dict[str, Any]] = {
    # Images of 128 px as in the MVTec AD paper, which has textures in patches of this size.
    "anogan": {
        "anogan.widths": (256, 128, 64, 32, 16),  # [D]
        "anogan.steps": 7800,  # 50 epochs of 10,000 images
        "data.size": 128,
        "data.patch": 128,
        "data.crops": "translation_rotation",  # [D] its augmentation is not stated
        "data.samples": 10000,
        "select": "last",  # no validation loss says which generator is best
    },
    "f_anogan": {
        "wgan.widths": (128, 64, 32, 16),  # [D]; its size is the published one
        "data.size": 64,
        "data.patch": 64,
        "data.crops": "translation_rotation",  # [D], as of anogan
        "data.samples": 10000,
        "select": "last",
    },
}
_ON = {"mnist": MNIST, "fashion_mnist": MNIST, "cifar10": CIFAR10}


def of_method(method: str, dataset: str) -> dict[str, Any]:
    """What a method has of its own on a data set, by dotted keys."""
    values = _ON.get(dataset, INDUSTRIAL).get(method, {})
    return {"method": method, "image_score": IMAGE_SCORES[method], **values}
