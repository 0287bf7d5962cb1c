"""Small finished runs, each trained once a session, whose data are gone."""

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from adjax import experiment, preparation, reports, workdir
from adjax.training.checkpoints import Checkpoints
from adjax.training.trainer import initial_tree
from configs import industrial, mnist


@functools.cache
def digits() -> Path:
    """A one-class run of images that come from no folder; it is told its thresholds afterwards."""
    config = mnist.get_config("ae,smoke")
    config.threshold = ConfigDict({"rule": "quantile"})
    folder = _new_folder()
    _run(config, folder)
    results = json.loads((folder / "results.json").read_text())
    results["members"][0]["thresholds"] = [
        {"rule": "k_sigma", "threshold": 9.0},
        {"rule": "quantile", "threshold": 0.3},
    ]
    results["members"][0]["image_threshold"] = {"rule": "quantile 0.95", "threshold": 0.2}
    (folder / "results.json").write_text(json.dumps(results))
    return folder


@functools.cache
def uncertain() -> Path:
    """Two members on a folder of normal photographs; their scores are random."""
    config = industrial.defaults()
    config.update_from_flattened_dict(industrial.of_method("aesc_uncertainty"))
    config.members = ({"seed": 0}, {"seed": 4})
    config.data.size = 32
    config.autoencoder.update(depth=2, width=4, corruption="none")
    rates = (0.2, 0.4)
    config.uncertainty = ConfigDict({"passes": 4, "aesc": rates, "ae_d6": rates})
    return _made_from(config, _run)


@functools.cache
def windowed() -> Path:
    """A run in colour of patches, scored by windows; untrained, for all but a network's start."""
    config = industrial.defaults()
    config.update_from_flattened_dict(industrial.of_method("unet_ae") | industrial.patches(16))
    config.data.update(size=32, channels=3, samples=20)
    config.autoencoder.width = 4
    config.windows.update(stride=6, at_once=3)
    return _made_from(config, _start)


def _run(config, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reports, "write_report", lambda _: None)  # nobody reads it
        experiment.train_and_evaluate(config, folder)


def _start(config, folder: Path) -> None:
    """Write what a run leaves for its detector, its networks as they begin."""
    workdir.claim(folder, config)
    trainer = preparation.create_trainer(config, preparation.create_method(config), folder)
    for index, stage in enumerate(trainer.method.stages):
        checkpoints = Checkpoints(folder / "checkpoints" / stage.name)
        checkpoints.save(stage.steps, initial_tree(trainer, index), {})
        checkpoints.close()
    entry = {
        "thresholds": [{"rule": "quantile", "threshold": 0.2}],
        "image_threshold": {"rule": "quantile 0.95", "threshold": 0.3},
    }
    (folder / "results.json").write_text(json.dumps({"members": [entry]}))


def _new_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="adjax-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _made_from(config, make) -> Path:
    """A run on a folder of photographs, which is gone afterwards."""
    folder = _new_folder()
    photographs = folder / "photographs"
    write_photographs(photographs, 12)
    config.data.update(name="folder", dir=str(photographs), normal_class="")
    config.autoencoder.update(steps=2, batch_size=4)
    config.mesh.data = 1
    config.log_every, config.checkpoint_every = 1, 2
    make(config, folder / "run")
    shutil.rmtree(photographs)
    return folder / "run"


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
