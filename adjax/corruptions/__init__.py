"""Image functions of the input pipeline, keyed by stateless seeds.

Each takes float32 images `[N, H, W, C]` in [0, 1] and int32 seeds `[N, 3]`, one an image, and its
parameters by name. It is vectorised over the batch: the same image and seed give the same result
in any batch. Sizes of images are static, N need not be.

A new one takes three steps: the function, in a module of this room; its parameters, a class of its
own in `settings.py` and a field of `PipelineSets`, `Corruptions` or `Crops` that is named as the
config will name it; a line below. A fourth, if it can: a function of the same name in `device.py`,
for `config.input = "device"`. What takes a network is made by its method, not here.
"""

import importlib
from collections.abc import Callable

# kind -> name in configs -> module and function. `auxiliary` images are made for outlier exposure,
# a `corruption` is what an autoencoder is trained to undo, `crops` are also given their `size`.
_FUNCTIONS = {
    "auxiliary": {
        "gaussian_blurring": "degradation.gaussian_blurring",
        "gaussian_noise": "degradation.gaussian_noise",
        "horizontal_flip": "geometry.horizontal_flip",
        "rotation": "geometry.rotation",
        "shearing": "geometry.shearing",
        "svd_blurring": "degradation.svd_blurring",
        "uniform_rotation": "geometry.uniform_rotation",
        "vertical_flip": "geometry.vertical_flip",
    },
    "corruption": {
        "stain": "stain.stain",
        "scratch": "scratch.scratch",
        "drops": "drops.drops",
        "gaussian": "degradation.gaussian_noise",
        "structural": "mixtures.structural",
        "stain_or_gaussian": "mixtures.stain_or_gaussian",
        "paste": "paste.paste",
        "nsa_like": "nsa_like.nsa_like",
    },
    "crops": {
        "rotated_crops": "crops.rotated_crops",
        "translation_rotation": "crops.translation_rotation",
    },
}

# Those that are also given other images of the same kind, `source` `[N, H, W, C]`.
TAKES_SOURCE = ("paste", "nsa_like")


def image_function(kind: str, name: str) -> Callable:
    """Return an image function; only now its module is imported, and TensorFlow with it.

    Args:
      kind: "auxiliary", "corruption" or "crops".
      name: section of that kind in `adjax.corruptions.settings`.

    """
    module, _, function = _FUNCTIONS[kind][name].partition(".")
    return getattr(importlib.import_module(f"adjax.corruptions.{module}"), function)


def device_function(kind: str, name: str) -> Callable | None:
    """Return the device form of an image function, of arrays of JAX; None if it has none."""
    from adjax.corruptions import device  # here: a config is checked without JAX

    return getattr(device, _FUNCTIONS[kind][name].rpartition(".")[2], None)
