"""The latent search of AnoGAN, measured in turns: all images of a batch at once, and one by one.

The ways share one process, networks for a digit with random weights (which cost the same) and the
images, which are noise: the batched way searches each of them once, the others only the first few
of every turn.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from adjax import methods
from adjax.config.layout import check, new_config
from adjax.methods import Sections
from adjax.methods.anogan.method import draw_latents, latent_loss
from benchmarks.cases import random_images
from benchmarks.measuring import Repeats

IMAGES, BATCH, SHAPE = 1000, 200, (28, 28, 1)
_ONE_BY_ONE = 4  # images per turn of the ways that search one at a time


class Way(NamedTuple):
    """One way to search.

    Attributes:
      name: name in the table.
      score: images `[N, H, W, C]` to their losses, `[N]`.
      images: number of a turn's images that it searches; None: all.

    """

    name: str
    score: Callable[[np.ndarray], np.ndarray]
    images: int | None


def measure(
    repeats: int, images: int = IMAGES, batch: int = BATCH, steps: int | None = None
) -> list[dict]:
    """Measure a row for each way.

    Args:
      repeats: turns; in each a way searches its part of the images.
      images: images that the batched way searches, in all turns together.
      batch: images that it searches at once.
      steps: updates of a latent; None: as many as in the product.

    """
    sections = sections_of(steps)
    ways = create_ways(sections, batch)
    parts = np.array_split(np.concatenate(random_images(1, (images, *SHAPE))), repeats)
    for way in ways:
        way.score(parts[0][: way.images and 1])  # to compile
    turns = [[_measure(way, part[: way.images]) for way in ways] for part in parts]
    batched = [turn[0] for turn in turns]
    rows = []
    for way, results in zip(ways, zip(*turns, strict=True), strict=True):
        rates = Repeats(tuple(rate for rate, _ in results))
        # The losses of an image differ by rounding, which a search amplifies.
        difference = max(
            float(np.max(np.abs(losses / all_losses[: len(losses)] - 1)))
            for (_, losses), (_, all_losses) in zip(results, batched, strict=True)
        )
        rows.append(
            {
                "case": way.name,
                "steps": sections.anogan_search.steps,
                "searched": sum(len(losses) for _, losses in results),
                "images_per_second": rates.median,
                "spread": rates.spread,
                "times": Repeats(tuple(rate for rate, _ in batched)).over(rates).median,
                "difference": difference,
            }
        )
    return rows


def sections_of(steps: int | None = None) -> Sections:
    """Return the product's settings of AnoGAN for a digit, with as many steps of a search."""
    changes = {"anogan_search.steps": steps} if steps else {}
    return check(new_config("mnist", "anogan", changes=changes)).sections


def create_ways(sections: Sections, batch: int) -> tuple[Way, ...]:
    """Make the ways, batched first."""
    method = methods.build("anogan", sections)
    (stage,) = method.stages
    start = jax.jit(stage.init)(jax.random.key(0), jnp.zeros((1, *SHAPE)))
    variables, key = start.variables, jax.random.key(1)

    @jax.jit
    def score(image):
        return method.score({stage.name: variables}, image, key).image_score["loss"]

    def in_parts(size):
        def search(image):
            parts = [image[start : start + size] for start in range(0, len(image), size)]
            short = size - len(parts[-1])
            parts[-1] = np.pad(parts[-1], ((0, short), (0, 0), (0, 0), (0, 0)))
            return np.concatenate([score(part) for part in parts])[: len(image)]

        return search

    return (
        Way(f"compiled, {batch} images at once", in_parts(batch), None),
        Way("compiled, an image at a time", in_parts(1), _ONE_BY_ONE),
        Way("a call for each step of an image", _by_steps(sections, variables, key), _ONE_BY_ONE),
    )


def _by_steps(sections: Sections, variables, key):
    """Search by a loop on the host over images and steps, with a call for each step."""
    search = sections.anogan_search
    optimizer, loss_of_images = optax.adam(search.learning_rate), latent_loss(sections)

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
            z = draw_latents(key, (1, sections.anogan.latent_size))
            opt_state = optimizer.init(z)
            for _ in range(search.steps + 1):  # the last one only for its loss
                loss, z, opt_state = loss_and_step(image[None], z, opt_state)
            losses.append(loss)
        return np.array(losses)

    return score


def _measure(way: Way, image: np.ndarray) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    losses = way.score(image)
    return len(image) / (time.perf_counter() - start), losses
