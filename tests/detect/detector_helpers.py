"""Small finished runs, each made once a session."""

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adjax import experiment, reports, workdir
from adjax.config.layout import new_config
from adjax.methods.stage import Fit
from adjax.run import prepare
from adjax.training.checkpoints import Checkpoints
from adjax.training.population import initial_tree
from configs import folder as own_folder


@functools.cache
def trained() -> Path:
    """A trained run on grey images, with test images; it is told its thresholds afterwards."""
    folder = _new_folder()
    write_photographs(folder / "photographs" / "train" / "good", 12)
    write_photographs(folder / "photographs" / "test" / "good", 5)
    config = own_folder.get_config("aesc_residual,smoke")
    config.data.update(dir=str(folder / "photographs"), size=32, channels=1)
    config.autoencoder.update(depth=2, kernel=3)
    config.mesh.update(member=1, data=1)
    (folder / "run").mkdir()
    _run(config, folder / "run")
    results = workdir.read_results(folder / "run")
    results["members"][0] |= _with_thresholds(0.3, 0.2)
    workdir.write_results(folder / "run", results)
    return folder / "run"


@functools.cache
def uncertain() -> Path:
    """Two members whose scores are random, in colour, of patches that windows cut out.

    They are as training begins with them, and are told their thresholds.
    """
    config = new_config("folder", "aesc_uncertainty", texture=16)
    config.members = ({"seed": 0}, {"seed": 4})
    config.autoencoder.update(steps=2, batch_size=4, depth=2, width=4, corruption="none")
    config.uncertainty.update(passes=4, aesc=(0.2, 0.4))
    config.windows.update(stride=6, at_once=3)
    config.mesh.update(member=1, data=1)
    config.log_every, config.checkpoint_every = 1, 2
    folder = _new_folder()
    photographs = folder / "photographs"
    write_photographs(photographs, 12)
    config.data.update(dir=str(photographs), normal_class="")
    config.data.update(size=32, channels=3, samples=20)
    _start(config, folder / "run")
    shutil.rmtree(photographs)
    return folder / "run"


@functools.cache
def forest() -> Path:
    """An isolation forest on photographs, with the thresholds that it chose: nothing descends."""
    folder = _new_folder()
    photographs = folder / "photographs"
    write_photographs(photographs, 12)
    config = own_folder.get_config("isolation_forest,smoke")
    config.data.update(dir=str(photographs), size=32)
    (folder / "run").mkdir()
    _run(config, folder / "run")
    shutil.rmtree(photographs)
    return folder / "run"


def of_method(name: str, channels: int) -> Path:
    """A smoke run of a method on small photographs, from which windows are cut if it takes crops.

    Its networks are as they begin; what is computed from all images at once is computed.
    """
    folder = _new_folder()
    write_photographs(folder / "photographs", 12)
    config = own_folder.get_config(f"{name},smoke")
    size = config.data.patch + 32 if config.data.crops else 32
    config.data.update(dir=str(folder / "photographs"), size=size, channels=channels)
    config.mesh.update(member=1, data=1)
    stages = prepare(config, folder / "run").population.method.stages
    if any(isinstance(stage, Fit) for stage in stages):
        _run(config, folder / "run")
    else:
        _start(config, folder / "run")
    return folder / "run"


def _run(config, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reports, "write_report", lambda _: None)  # nobody reads it
        experiment.train_and_evaluate(config, folder)


def _start(config, folder: Path) -> None:
    """Write what a run leaves for its detector, its networks as they begin."""
    population = prepare(config, folder).population
    for index, stage in enumerate(population.method.stages):
        checkpoints = Checkpoints(folder / "checkpoints" / stage.name)
        checkpoints.save(stage.steps, initial_tree(population, index), {})
        checkpoints.close()
    members = [_with_thresholds(1e-4 * number, 1e-4) for number in (1, 2)][
        : len(population.members)
    ]
    (folder / "results.json").write_text(json.dumps({"members": members}))


def _with_thresholds(pixel: float, image: float) -> dict:
    rules = {"k_sigma": 9.0, "quantile": pixel}
    return {
        "thresholds": [{"rule": rule, "threshold": value} for rule, value in rules.items()],
        "image_threshold": {"rule": "quantile 0.95", "threshold": image},
    }


def _new_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="adjax-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def write_photographs(folder: Path, count: int, size=(60, 50)) -> list[Path]:
    """Stripes with noise, in colour."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    stripes = 120 + 60 * np.sin(np.arange(size[0]) / 3)
    paths = [folder / f"{number:03}.png" for number in range(count)]
    for path in paths:
        image = stripes[None, :, None] + random.normal(0, 8, (size[1], size[0], 3))
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path)
    return paths


def random_images(detector, count: int) -> np.ndarray:
    """uint8 `[count, S, S, C]`."""
    shape = count, detector.image_size, detector.image_size, detector.channels
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)
