"""The latent search of AnoGAN, measured in turns: all images of a batch at once, and one by one.

The sides share one process, networks of random weights (the work is the same) and the images, which
are noise: the batched side searches each of them once, the others the first few of every turn.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from adjax.benchmark.batches import random_images
from adjax.benchmark.measure import Repeats
from adjax.methods import create_method
from adjax.methods.anogan import draw_latents, latent_loss

IMAGES, BATCH, SHAPE = 1000, 200, (28, 28, 1)
# What a digit is searched with: the defaults of configs/baselines.py.
CONFIG = {
    "method": "anogan",
    "precision": "float32",
    "anogan": {
        "latent_size": 64,
        "widths": (64, 32),
        "kernel": 4,
        "batch_size": 64,
        "steps": 1,
        "least_spread": 0.05,
        "spread_after": 1,
    },
    "anogan_search": {"steps": 300, "learning_rate": 0.02, "feature_weight": 0.1},
}
_ONE_BY_ONE = 4  # images a turn of the sides that take them so


class Side(NamedTuple):
    """One way to search.

    Attributes:
      name: as the table shows it.
      score: images `[N, H, W, C]` to their losses, `[N]`.
      images: how many of a turn's it searches; all of them if None.

    """

    name: str
    score: Callable[[np.ndarray], np.ndarray]
    images: int | None


def measure(
    repeats: int, images: int = IMAGES, batch: int = BATCH, steps: int | None = None
) -> list[dict]:
    """A row for each side.

    Args:
      repeats: turns; in each a side searches its part of the images.
      images: that the batched side searches in all turns together.
      batch: of that side.
      steps: of a search; those of `CONFIG` if None.

    """
    config = ConfigDict(CONFIG)
    config.anogan_search.steps = steps or config.anogan_search.steps
    sides = create_sides(config, batch)
    parts = np.array_split(np.concatenate(random_images(1, (images, *SHAPE))), repeats)
    for side in sides:
        side.score(parts[0][: side.images and 1])  # to compile
    turns = [[_measure(side, part[: side.images]) for side in sides] for part in parts]
    batched = [turn[0] for turn in turns]
    rows = []
    for side, results in zip(sides, zip(*turns, strict=True), strict=True):
        rates = Repeats(tuple(rate for rate, _ in results))
        # The sides' losses of an image differ by rounding, which a search amplifies.
        difference = max(
            float(np.max(np.abs(losses / all_losses[: len(losses)] - 1)))
            for (_, losses), (_, all_losses) in zip(results, batched, strict=True)
        )
        rows.append(
            {
                "case": side.name,
                "steps": config.anogan_search.steps,
                "searched": sum(len(losses) for _, losses in results),
                "images_per_second": rates.median,
                "spread": rates.spread,
                "times": Repeats(tuple(rate for rate, _ in batched)).over(rates).median,
                "difference": difference,
            }
        )
    return rows


def create_sides(config, batch: int) -> tuple[Side, ...]:
    """The sides, batched first, for a config of AnoGAN."""
    method = create_method(config)
    (stage,) = method.stages
    start = jax.jit(stage.init)(jax.random.key(0), jnp.zeros((1, *SHAPE)))
    variables, key = start.variables, jax.random.key(1)

    @jax.jit
    def score(image):
        return method.score({stage.name: variables}, image, key).image_score["loss"]

    def batched(image):
        parts = [image[start : start + batch] for start in range(0, len(image), batch)]
        short = batch - len(parts[-1])
        parts[-1] = np.pad(parts[-1], ((0, short), (0, 0), (0, 0), (0, 0)))
        return np.concatenate([score(part) for part in parts])[: len(image)]

    def one_by_one(image):
        return np.concatenate([score(image[i : i + 1]) for i in range(len(image))])

    return (
        Side(f"compiled, {batch} images at once", batched, None),
        Side("compiled, an image at a time", one_by_one, _ONE_BY_ONE),
        Side("a call for each step of an image", _by_steps(config, variables, key), _ONE_BY_ONE),
    )


def _by_steps(config, variables, key):
    """The search by a loop on the host, over images and over steps: a call for each."""
    search, latent_size = config.anogan_search, config.anogan.latent_size
    optimizer, loss_of_images = optax.adam(search.learning_rate), latent_loss(config)

    @jax.jit
    def loss_and_step(image, z, opt_state):
        scores = loss_of_images(variables, image)
        loss, gradient = jax.value_and_grad(lambda z: scores(z)[0]["loss"].sum())(z)
        with jax.numpy_dtype_promotion("standard"):  # Optax raises floats to integer powers
            update, opt_state = optimizer.update(gradient, opt_state)
        return loss, z + update, opt_state

    def score(images):
        losses = []
        for image in images:
            z = draw_latents(key, (1, latent_size))
            opt_state = optimizer.init(z)
            for _ in range(search.steps + 1):  # the last for its loss
                loss, z, opt_state = loss_and_step(image[None], z, opt_state)
            losses.append(loss)
        return np.array(losses)

    return score


def _measure(side: Side, image: np.ndarray) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    losses = side.score(image)
    return len(image) / (time.perf_counter() - start), losses
