"""Pictures of auxiliary sets and corruptions, as networks see them in training."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import jax
import numpy as np

from adjax import provenance, workdir
from adjax.config import identity
from adjax.config.layout import Settings, check, new_config
from adjax.corruptions import TAKES_SOURCE, image_function
from adjax.errors import UserError
from adjax.inputs import train_batches
from adjax.methods.style_distillation.autoencoder import TEACHER, distance_of, teacher_stage
from adjax.methods.style_distillation.auxiliary import MADE_IN_STEP, auxiliary_images
from adjax.run import check_run, make_population
from adjax.settings import as_dict
from adjax.training import MetricsLog, Population, train_stage

IMAGES = 8


def write_gallery(directory: str | Path, output: str | Path) -> Path:
    """Draw the auxiliary sets of a run's method, or the corruptions that it can be trained on.

    Args:
      directory: the run's folder; a run with a teacher, which two of the sets need, must be
        finished.
      output: the PNG to write.

    Raises:
      UserError: if a run with a teacher is not finished, or the method has neither.

    """
    directory = Path(directory)
    settings, method = check_run(workdir.read_config(directory), directory)
    members = identity.members_of(settings, method.dynamic)
    # A picture of today's images is no result: nothing is asked of them.
    images = provenance.load(settings, method, members, directory, train=False, accept=True)
    population = make_population(settings, method, directory, images)
    if method.stages[0].name == TEACHER:
        population.check_finished()
        sets = auxiliary_gallery(settings, population)
    elif "corruption" in settings.own:
        sets = corruption_gallery(first_images(population), as_dict(settings.corruption))
    else:
        raise UserError(
            f"--workdir={directory}: {settings.method} has no auxiliary sets and no corruptions"
        )
    from adjax.reports.figures import write_gallery  # here: matplotlib

    return write_gallery(sets, Path(output))


def first_images(population: Population) -> np.ndarray:
    """Return the first K training images (or crops) of the first member: uint8 `[K, H, W, C]`."""
    image = _first_batch(population)["image"]
    return np.rint(image * 255).astype(np.uint8)


def _first_batch(population: Population, auxiliary=None) -> dict[str, np.ndarray]:
    """Return the first member's first training batch of K images."""
    images = population.images
    streams, crops = images.streams[:1], images.crops
    batches = train_batches(images.table, streams, IMAGES, range(1), auxiliary, crops=crops)
    return {key: image[0] for key, image in next(batches).items()}


def auxiliary_gallery(settings: Settings, population: Population) -> dict[str, np.ndarray]:
    """Return the first normal images of the first member, and each auxiliary set made from them.

    Returns:
      `{"normal": [K, H, W, C], set: [K, H, W, C], ...}`, each as the first step of a training with
      batches of K images would see it.

    """
    with MetricsLog(population.folder, population.members.labels) as log:
        variables, _ = train_stage(population, 0, {}, log)  # finished: only read
    variables = jax.tree.map(lambda leaf: leaf[0], variables)
    model, _ = teacher_stage(settings.sections)
    distance = distance_of(settings.sections)

    def reconstruct(image):
        return model.apply(variables, image)[0]

    sets = {}
    if "auxiliary" not in settings.own:  # AE and SDN: the sets of their data set
        settings = check(new_config(settings.data.name, "oe_sdn"))
    for name, parameters in sorted(as_dict(settings.auxiliary).items()):
        exposure = name, parameters
        batch = _first_batch(population, None if name in MADE_IN_STEP else exposure)
        make = partial(auxiliary_images, exposure, reconstruct=reconstruct, distance=distance)
        with jax.default_matmul_precision("highest"):  # float32 is float32
            made = np.asarray(jax.jit(make)(batch))
        sets |= {"normal": batch["image"], name: made}
    return sets


def corruption_gallery(image: np.ndarray, corruptions: Mapping[str, dict]) -> dict[str, np.ndarray]:
    """Return images, and each corruption of them.

    Args:
      image: uint8 `[K, H, W, C]`.
      corruptions: parameters of each corruption, by its name.

    Returns:
      `{"normal": [K, H, W, C], corruption: [K, H, W, C], ...}`, float32 in [0, 1].

    """
    image = image.astype(np.float32) / 255
    seed = np.stack([np.zeros(len(image)), np.arange(len(image)), np.ones(len(image))], -1)
    sets = {"normal": image}
    for name, parameters in corruptions.items():
        corrupt = image_function("corruption", name)
        others = {"source": np.roll(image, 1, 0)} if name in TAKES_SOURCE else {}
        sets[name] = np.asarray(corrupt(image, seed.astype(np.int32), **parameters, **others))
    return sets
