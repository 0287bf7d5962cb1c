"""Image functions of the input pipeline, keyed by stateless seeds.

Each takes float32 images `[N, H, W, C]` in [0, 1] and int32 seeds `[N, 3]`, one an image, and its
parameters by name. It is vectorised over the batch: the same image and seed give the same result
in any batch. Sizes of images are static, N need not be.
"""

import tensorflow as tf

from adjax.corruptions.crops import rotated_crops, translation_rotation
from adjax.corruptions.degradation import gaussian_blurring, gaussian_noise, svd_blurring
from adjax.corruptions.drops import drops
from adjax.corruptions.geometry import (
    horizontal_flip,
    rotation,
    shearing,
    uniform_rotation,
    vertical_flip,
)
from adjax.corruptions.mixtures import stain_or_gaussian, structural
from adjax.corruptions.scratch import scratch
from adjax.corruptions.stain import stain

# The auxiliary sets of style distillation that need no network; parameters: `config.auxiliary`.
AUXILIARY = {
    "gaussian_blurring": gaussian_blurring,
    "gaussian_noise": gaussian_noise,
    "horizontal_flip": horizontal_flip,
    "rotation": rotation,
    "shearing": shearing,
    "svd_blurring": svd_blurring,
    "uniform_rotation": uniform_rotation,
    "vertical_flip": vertical_flip,
}


def none(image, seed):
    """The image as it is."""
    return tf.identity(image)


# What an autoencoder is trained to undo; parameters: `config.corruption`.
CORRUPTIONS = {
    "none": none,
    "stain": stain,
    "scratch": scratch,
    "drops": drops,
    "gaussian": gaussian_noise,
    "structural": structural,
    "stain_or_gaussian": stain_or_gaussian,
}

# Augmentation of training images; also given `size`: their results are `[N, size, size, C]`.
CROPS = {
    "rotated_crops": rotated_crops,
    "translation_rotation": translation_rotation,
}

__all__ = [
    "AUXILIARY",
    "CORRUPTIONS",
    "CROPS",
    "drops",
    "gaussian_blurring",
    "gaussian_noise",
    "horizontal_flip",
    "none",
    "rotated_crops",
    "rotation",
    "scratch",
    "shearing",
    "stain",
    "stain_or_gaussian",
    "structural",
    "svd_blurring",
    "translation_rotation",
    "uniform_rotation",
    "vertical_flip",
]
