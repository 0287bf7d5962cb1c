"""What the published tables compare with: the config sections and values of these methods.

A method, or each of its stages, has a section here if it has parameters of its own, the same on all
data sets but for what `of_method` says. Values marked [D] are ours, the sources do not state them.
"""

from typing import Any

# Method -> the image score that stands in tables.
IMAGE_SCORES: dict[str, str] = {
    "ocsvm": "decision",
    "ocsvm_oracle": "oracle",
    "isolation_forest": "isolation",
    "deep_svdd": "distance",
    "vae": "error",  # [D]
    "anogan": "loss",
    "f_anogan": "loss",
    "ganomaly": "latent",
    "skip_ganomaly": "combined",
    "cnn_dictionary": "max",  # [D]
    "itae": "l1",  # published
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
_SVDD = {
    "batch_size": 200,
    "steps": 1200,  # [D] about 40 epochs of a digit; published: 150
    "learning_rate": 1e-4,
    "schedule": "step",
    "milestones": (400,),  # [D] a third, as published: epoch 50 of 150
}
_GANOMALY = {  # and Skip-GANomaly: the released defaults
    "code_size": 100,
    "width": 64,
    "batch_size": 64,
    "steps": 1350,  # 15 epochs of a digit, published of GANomaly; [D] to count in steps
    "learning_rate": 2e-4,
    "weight_decay": 0.0,
    "adversarial_weight": 1.0,
    "reconstruction_weight": 50.0,
    "latent_weight": 1.0,
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
        **_SVDD,
        "network": "mnist",  # which of the authors' LeNets: how it begins, and the code's scale
        "widths": (8, 4),
        "code_size": 32,
        "weight_decay": 0.5e-3,
    },
    "svdd": {
        **_SVDD,
        "objective": "one_class",  # or "soft_boundary"
        "nu": 0.1,  # of the soft boundary
        "warm_up_steps": 80,  # [D] of the soft boundary, in which R stays 0; published: 10 epochs
        "weight_decay": 0.5e-6,
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
    "ganomaly": _GANOMALY,
    "skip_ganomaly": _GANOMALY,
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
    "ganomaly.width": 4,
    "ganomaly.code_size": 4,
    "ganomaly.batch_size": 8,
    "ganomaly.steps": 10,
    "skip_ganomaly.width": 4,
    "skip_ganomaly.code_size": 4,
    "skip_ganomaly.batch_size": 8,
    "skip_ganomaly.steps": 10,
    "dictionary.stride": 12,
    "dictionary.input": 32,
    "dictionary.patches": 20,
    "dictionary.entries": 3,
    "itae.widths": (4, 8),
    "itae.batch_size": 8,
    "itae.steps": 8,
}

# Method -> dotted keys and values that differ on a data set.
MNIST: dict[str, dict[str, Any]] = {
    "cnn_dictionary": {"dictionary.stride": 6, "image_score": "mean"},  # [D] 9 patches
}
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
    # [D] three layers for 32 px; about 50 epochs of a class
    "anogan": {"anogan.widths": (128, 64, 32), "anogan.steps": 3700},
    "cnn_dictionary": {"dictionary.stride": 8, "image_score": "mean"},  # [D] 9 patches
    "itae": {"itae.mirror": True},
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
    # [D] size, batch and steps: the papers have no such images.
    "ganomaly": {"data.size": 128, "ganomaly.batch_size": 32, "ganomaly.steps": 2000},
    "skip_ganomaly": {
        "data.size": 128,
        "skip_ganomaly.batch_size": 32,
        "skip_ganomaly.steps": 2000,
    },
    "cnn_dictionary": {"dictionary.input": 224},
    "itae": {"itae.batch_size": 16, "itae.steps": 2500},  # [D] about 200 epochs of 200 images
}
_ON = {"mnist": MNIST, "fashion_mnist": MNIST, "cifar10": CIFAR10}


def of_method(method: str, dataset: str) -> dict[str, Any]:
    """What a method has of its own on a data set, by dotted keys."""
    values = _ON.get(dataset, INDUSTRIAL).get(method, {})
    return {"method": method, "image_score": IMAGE_SCORES[method], **values}
