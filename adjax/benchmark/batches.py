"""Batches in the memory of the host, where a step takes them from: noise, drawn once."""

import numpy as np

from adjax.benchmark.cases import Case

HOST_BATCHES = 4


def host_batches(case: Case, members: int = 1) -> list[dict[str, np.ndarray]]:
    """Training batches: `image`, for a student `auxiliary` too, `[P, B, H, W, C]`."""
    shape = (members, case.batch_size, *case.image_shape)
    names = ("image", "auxiliary") if case.is_student else ("image",)
    arrays = {name: random_images(HOST_BATCHES, shape, seed) for seed, name in enumerate(names)}
    return [{name: arrays[name][i] for name in names} for i in range(HOST_BATCHES)]


def score_batches(case: Case) -> list[np.ndarray]:
    """Images to score, `[B, H, W, C]`."""
    return random_images(HOST_BATCHES, (case.score_batch_size, *case.image_shape))


def random_images(count: int, shape: tuple[int, ...], seed: int = 0) -> list[np.ndarray]:
    """float32 in [0, 1), the same in every process."""
    rng = np.random.default_rng(seed)
    return [rng.random(shape, np.float32) for _ in range(count)]
