"""Images, seeds and parameters for the tests of corruptions."""

import numpy as np

from adjax.corruptions.settings import Corruptions, Crops, PipelineSets
from adjax.settings import as_dict

# The parameters that experiments have.
AUXILIARY, CORRUPTION, CROPS = map(as_dict, (PipelineSets(), Corruptions(), Crops()))
DROPS, SCRATCH, STAIN = (CORRUPTION[name] for name in ("drops", "scratch", "stain"))


def draw(number, channels=1, size=8):
    """Random images and as many seeds as a training run would give them."""
    image = np.random.default_rng(0).random((number, size, size, channels), np.float32)
    seed = np.stack([np.full(number, 3), np.arange(number), np.ones(number)], -1)
    return image, seed.astype(np.int32)


def varied(function, image, number, **parameters):
    """One image under many seeds: `[number, H, W, C]`."""
    _, seed = draw(number)
    return function(np.repeat(image[None], number, 0), seed, **parameters).numpy()
