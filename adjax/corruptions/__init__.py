"""Image functions of the input pipeline, keyed by stateless seeds.

Each takes float32 images `[N, H, W, C]` in [0, 1] and int32 seeds `[N, 3]`, one an image, and its
parameters by name. It is vectorised over the batch: the same image and seed give the same result
in any batch. Sizes of images are static, N need not be.
"""

from adjax.corruptions.degradation import gaussian_blurring, gaussian_noise, svd_blurring
from adjax.corruptions.geometry import (
    horizontal_flip,
    rotation,
    shearing,
    uniform_rotation,
    vertical_flip,
)

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

__all__ = [
    "AUXILIARY",
    "gaussian_blurring",
    "gaussian_noise",
    "horizontal_flip",
    "rotation",
    "shearing",
    "svd_blurring",
    "uniform_rotation",
    "vertical_flip",
]
