"""Auxiliary sets and corruptions as pictures: what networks are shown of normal images."""

from functools import partial
from pathlib import Path

import jax
import numpy as np

from adjax import reports
from adjax.corruptions import CORRUPTIONS
from adjax.inputs import train_batches
from adjax.losses import Distance
from adjax.methods.autoencoder import TEACHER, teacher_stage
from adjax.methods.auxiliary import MADE_IN_STEP, auxiliary_images
from adjax.preparation import check, create_trainer
from adjax.training import MetricsLog, Trainer, train_stage

IMAGES = 8


def write_gallery(config, directory: str | Path, output: str | Path) -> Path:
    """Draw every auxiliary set of the config, or its corruptions if the method has no teacher.

    Args:
      config: of the run in `directory`.
      directory: of a run; it must be finished if it has a teacher, which two of the sets take.
      output: the PNG to write.

    Raises:
      UserError: if a run with a teacher is not finished.

    """
    directory = Path(directory)
    method = check(config, directory)
    trainer = create_trainer(config, method, directory)
    if method.stages[0].name == TEACHER:
        trainer.check_finished()
        sets = auxiliary_sets(config, trainer)
    else:
        sets = corruption_gallery(first_images(trainer), config.corruption.to_dict())
    return reports.write_gallery(sets, Path(output))


def first_images(trainer: Trainer) -> np.ndarray:
    """Uint8 `[K, H, W, C]`: what the first member's first batch of K would be, crops or images."""
    streams = trainer.streams[:1]
    batch = next(train_batches(trainer.image, streams, IMAGES, range(1), crops=trainer.crops))
    return np.rint(batch["image"][0] * 255).astype(np.uint8)


def auxiliary_sets(config, trainer: Trainer) -> dict[str, np.ndarray]:
    """The first normal images of the first member and what each set makes of them.

    Returns:
      `{"normal": [K, H, W, C], set: [K, H, W, C], ...}`, each as the first step of training by
      batches of K images would see it.

    """
    with MetricsLog(trainer.workdir, trainer.labels) as log:
        variables, _ = train_stage(trainer, 0, {}, log)  # finished: only read
    variables = jax.tree.map(lambda leaf: leaf[0], variables)
    model, _ = teacher_stage(config)
    distance = Distance(**config.distance)

    def reconstruct(image):
        return model.apply(variables, image)[0]

    sets = {}
    for name in config.auxiliary:
        exposure = name, config.auxiliary[name].to_dict()
        piped = None if name in MADE_IN_STEP else exposure
        streams, crops = trainer.streams[:1], trainer.crops
        batches = train_batches(trainer.image, streams, IMAGES, range(1), piped, crops=crops)
        batch = next(batches)
        batch = {key: images[0] for key, images in batch.items()}
        make = partial(auxiliary_images, exposure, reconstruct=reconstruct, distance=distance)
        sets |= {"normal": batch["image"], name: np.asarray(jax.jit(make)(batch))}
    return sets


def corruption_gallery(image: np.ndarray, corruption) -> dict[str, np.ndarray]:
    """What each corruption makes of some images.

    Args:
      image: uint8 `[K, H, W, C]`.
      corruption: the section `config.corruption`, parameters by name of the corruption.

    Returns:
      `{"normal": [K, H, W, C], corruption: [K, H, W, C], ...}`, float32 in [0, 1].

    """
    image = image.astype(np.float32) / 255
    seed = np.stack([np.zeros(len(image)), np.arange(len(image)), np.ones(len(image))], -1)
    sets = {"normal": image}
    for name in corruption:
        if name != "none":
            made = CORRUPTIONS[name](image, seed.astype(np.int32), **corruption[name])
            sets[name] = np.asarray(made)
    return sets
