"""What the published tables compare with: the config sections and values of these methods.

A method has a section of its name here if it has parameters of its own, the same on all data sets
but for what `of_method` says. Values marked [D] are ours, the sources do not state them.
"""

from typing import Any

# Method -> the image score that stands in tables.
IMAGE_SCORES: dict[str, str] = {
    "ocsvm": "decision",
    "ocsvm_oracle": "oracle",
    "isolation_forest": "isolation",
    "deep_svdd": "distance",
    "vae": "error",  # [D]
}
METHODS = tuple(IMAGE_SCORES)

# Of OC-SVMs and forests. Published is what the code of Ruff et al. 2018 says, and its scripts.
_COMPONENTS = {
    "pca": True,  # [D] but for OC-SVMs on CIFAR-10: published as a flag
    "variance": 0.95,  # that principal components keep, published
    "components": 512,  # [D] the most that there is room for
}
_OCSVM = {
    **_COMPONENTS,
    "contrast": False,  # L1 normalisation and extremes to [0, 1]: published for CIFAR-10 only
    "nu": 0.1,  # of the code, whose scripts are given it
    "support_vectors": 1024,  # [D] the most that there is room for
}
SECTIONS: dict[str, dict[str, Any]] = {
    "ocsvm": _OCSVM,
    "ocsvm_oracle": {
        **_OCSVM,
        "exponents": tuple(range(-10, 0)),  # gammas are these powers of 2, published
        "support_vectors": 8192,  # [D] with a large gamma every image is one
    },
    "isolation_forest": {
        **_COMPONENTS,
        "contrast": True,  # published
        "trees": 100,  # published
        "subsample": 256,  # published
    },
    "svdd_autoencoder": {  # the pre-training of Deep SVDD
        "network": "mnist",  # which of the authors' LeNets: how it begins, and the code's scale
        "widths": (8, 4),
        "code_size": 32,
        "batch_size": 200,
        "steps": 1200,  # [D] about 40 epochs of a digit; published: 150
        "learning_rate": 1e-4,
        "weight_decay": 0.5e-3,
        "schedule": "step",
        "milestones": (400,),  # [D] a third, as published: epoch 50 of 150
    },
    "svdd": {
        "objective": "one_class",  # or "soft_boundary"
        "nu": 0.1,  # of the soft boundary
        "warm_up_steps": 80,  # [D] of the soft boundary, in which R stays 0; published: 10 epochs
        "batch_size": 200,
        "steps": 1200,  # [D] about 40 epochs of a digit; published: 150
        "learning_rate": 1e-4,
        "weight_decay": 0.5e-6,
        "schedule": "step",
        "milestones": (400,),  # [D] a third, as published: epoch 50 of 150
    },
    "vae": {  # all [D]: no table of ours has published numbers of one
        "network": "conv",  # the layers of the bottleneck autoencoder, or "ssim": of SSIM-AE
        "code_size": 16,
        "widths": (32, 64, 128),  # of "conv"
        "extra_layers": 0,  # of "ssim"
        "sigma": 0.3,  # of the likelihood
        "beta": 1.0,  # weight of the divergence
        "draws": 8,  # of the code, while scoring
        "batch_size": 128,
        "steps": 540,  # about 12 epochs of a digit
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "schedule": "cosine",
    },
}

# What cuts them down to a minute, by dotted keys.
SMOKE: dict[str, Any] = {
    "ocsvm_oracle.exponents": (-7, -5),
    "isolation_forest.trees": 20,
    "svdd_autoencoder.widths": (4, 4),
    "svdd_autoencoder.code_size": 16,
    "svdd_autoencoder.batch_size": 16,
    "svdd_autoencoder.steps": 10,
    "svdd.batch_size": 16,
    "svdd.steps": 10,
    "svdd.warm_up_steps": 5,
    "vae.network": "conv",
    "vae.code_size": 4,
    "vae.widths": (4, 8, 8),
    "vae.draws": 2,
    "vae.batch_size": 8,
    "vae.steps": 8,
}

# Method -> dotted keys and values that differ on a data set.
MNIST: dict[str, dict[str, Any]] = {}
CIFAR10: dict[str, dict[str, Any]] = {
    "ocsvm": {"ocsvm.contrast": True},
    "ocsvm_oracle": {"ocsvm_oracle.contrast": True},
    "deep_svdd": {
        "svdd_autoencoder.network": "cifar10",
        "svdd_autoencoder.widths": (32, 64, 128),
        "svdd_autoencoder.code_size": 128,
        "svdd_autoencoder.weight_decay": 0.5e-6,
        "svdd_autoencoder.milestones": (850,),  # [D] published: epoch 250 of 350
    },
}
INDUSTRIAL: dict[str, dict[str, Any]] = {
    "ocsvm": {"data.size": 128, "ocsvm.components": 320},  # [D]
    "isolation_forest": {"data.size": 128, "isolation_forest.components": 320},  # [D]
    "vae": {  # as AE (L2) of Bergmann et al., but for size, code, epochs and decay
        "vae.network": "ssim",
        "vae.code_size": 100,
        "vae.steps": 3900,  # 50 epochs of 10,000 images
        "vae.learning_rate": 2e-4,
        "vae.schedule": "constant",
        "data.size": 128,
        "data.crops": "translation_rotation",
        "data.patch": 128,
        "data.samples": 10000,
    },
}
_ON = {"mnist": MNIST, "fashion_mnist": MNIST, "cifar10": CIFAR10}


def of_method(method: str, dataset: str) -> dict[str, Any]:
    """What a method has of its own on a data set, by dotted keys."""
    values = _ON.get(dataset, INDUSTRIAL).get(method, {})
    return {"method": method, "image_score": IMAGE_SCORES[method], **values}
