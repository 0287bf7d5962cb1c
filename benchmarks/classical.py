"""Classical detectors beside PyOD's: image AUROC, training and scoring time.

A row compares both on one normal class with one seed: adjax trains its method as the product does,
and PyOD's detector with the same hyper-parameters gets the features that our method sees. Each has
its own process, and they take turns. Times are from images to a trained detector or to scores, so
that both include the same features; programs are compiled in the first turn, which does not count.
"""

import dataclasses
import functools
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from adjax.config.layout import Settings, check
from adjax.errors import UserError
from adjax.evaluation.metrics import auroc
from adjax.evaluation.scores import collect_scores
from adjax.experiment import train_stages
from adjax.methods.components import features, learn_features
from adjax.methods.components_settings import Components
from adjax.methods.stage import Images
from adjax.run import Run, prepare
from adjax.training import score_program
from adjax.training.fitting import member_images
from benchmarks.measuring import Repeats, Worker, compare
from benchmarks.networks import is_installed

Features = Callable[[np.ndarray], np.ndarray]  # float32 [n, H, W, C] in [0, 1] -> [n, K]


@dataclasses.dataclass(frozen=True)
class Rival:
    """PyOD's counterpart of a method.

    Attributes:
      learn: `(settings, images) -> (training features, function of images to features)`, the
        features that our method sees; `images` as a `Fit` receives them.
      create: `(settings, training features) -> detector` of PyOD, not yet fitted.
      needs: modules that it needs besides `pyod`.

    """

    learn: Callable[[Settings, Images], tuple[np.ndarray, Features]]
    create: Callable[[Settings, np.ndarray], Any]
    needs: tuple[str, ...] = ()


def choose(names: Sequence[str]) -> list[str]:
    """Return these methods, or if there are none all whose rival is installed."""
    if not is_installed("pyod"):
        raise UserError("--against=pyod: PyOD is missing; run `pip install -e '.[pyod]'`")
    for name in names:
        if name not in RIVALS:
            raise UserError(f"--against=pyod: {name} is none of {', '.join(RIVALS)}")
        for module in RIVALS[name].needs:
            if not is_installed(module):
                raise UserError(f"--against=pyod: {name} needs {module}, which is missing")
    able = [name for name, rival in RIVALS.items() if all(map(is_installed, rival.needs))]
    return list(names) or able


def check_config(config) -> None:
    """Raise `UserError` for a run that cannot be compared here."""
    choose([config.method])
    if check(config).members:
        raise UserError("--against=pyod compares one member: leave config.members empty")


def measure(config, repeats: int) -> dict:
    """Return the row of a run, whose method is in `RIVALS`, from as many turns as `repeats`."""
    values = config.to_dict()
    with (
        Worker("benchmarks.classical:Ours", values) as our_side,
        Worker("benchmarks.classical:Theirs", values) as their_side,
    ):
        turns = [(our_side.call("turn"), their_side.call("turn")) for _ in range(repeats + 1)]
    ours, theirs = zip(*turns[1:], strict=True)
    return {
        "case": f"{config.method}, {config.data.name} {config.data.normal_class}",
        "seed": config.seed,
        "auroc": {"adjax": ours[0]["auroc"], "pyod": theirs[0]["auroc"]},
        "feature_seconds": _times(theirs, "features").median,
        "trained_on": ours[0]["trained_on"],
        "scored": ours[0]["scored"],
        **{
            name: compare("pyod", _times(ours, name), _times(theirs, name))
            for name in ("train", "score")
        },
    }


def _times(turns: Sequence[dict], name: str) -> Repeats:
    return Repeats(tuple(turn[name] for turn in turns))


def _learn_components(settings: Settings, images: Images):
    """Learn the features of OC-SVM and forest, without the padding with zeros."""
    own = settings.sections[settings.method]
    params, train = learn_features(settings.method, own, images, settings.data.normal_class)
    project = jax.jit(features)
    return train, lambda image: np.asarray(project(params, image))[:, : train.shape[1]]


def _learn_contrast(settings: Settings, images: Images):
    """Learn contrast-normalised pixels."""
    own = Components(contrast=True, pca=False)
    params, train = learn_features("", own, images, settings.data.normal_class)
    return train, lambda image: np.asarray(features(params, image))


def _ocsvm(settings: Settings, train: np.ndarray):
    from pyod.models.ocsvm import OCSVM

    return OCSVM(kernel="rbf", gamma="scale", nu=settings.ocsvm.nu)


def _isolation_forest(settings: Settings, train: np.ndarray):
    from pyod.models.iforest import IForest

    own = settings.isolation_forest
    subsample = min(own.subsample, len(train))
    return IForest(n_estimators=own.trees, max_samples=subsample, random_state=settings.seed)


def _deep_svdd(settings: Settings, train: np.ndarray):
    """Make PyOD's dense network, without pre-training, with the epochs of our last stage."""
    from pyod.models.deep_svdd import DeepSVDD

    own = settings.svdd
    np.random.seed(settings.seed)  # noqa: NPY002 - PyOD shuffles by NumPy's own state
    return DeepSVDD(
        n_features=train.shape[1],
        hidden_neurons=[64, settings.svdd_autoencoder.code_size],
        epochs=max(1, round(own.steps * own.batch_size / len(train))),
        batch_size=own.batch_size,
        learning_rate=own.learning_rate,
        l2_regularizer=own.weight_decay,
        preprocessing=False,
        verbose=0,
        random_state=settings.seed,
    )


RIVALS = {
    "ocsvm": Rival(_learn_components, _ocsvm),
    "isolation_forest": Rival(_learn_components, _isolation_forest),
    "deep_svdd": Rival(_learn_contrast, _deep_svdd, ("torch",)),
}


class _Side:
    """The run of a config, in the process of a side."""

    def __init__(self, config: dict):
        """Read the data; without the stage cache, so that training is not skipped."""
        with tempfile.TemporaryDirectory() as folder:
            self.run = prepare(ConfigDict(config | {"stage_cache": ""}), folder)
        self.test = self.run.tested.table.image

    def auroc(self, score) -> float:
        """Return the AUROC of test images by their scores `[N]`."""
        return float(auroc(np.asarray(score)[None], self.run.tested.anomalous)[0])


class Ours(_Side):
    """adjax, as the product trains and scores."""

    def turn(self) -> dict:
        """Train and score; return times and the AUROC."""
        run = self.run
        program = score_program(run.method, run.execution)
        with tempfile.TemporaryDirectory() as folder:
            variables, records = train_stages(_moved(run, Path(folder)))
        start = time.perf_counter()
        scores = collect_scores(
            lambda image: jax.device_get(program(variables, image, run.members.arrays)),
            self.test,
            run.settings.evaluation.batch_size,
        )
        return {
            "train": sum(record["train_seconds"] for record in records),
            "score": time.perf_counter() - start,
            "auroc": self.auroc(scores[run.settings.image_score][0]),
            "trained_on": len(run.population.images.streams[0].rows),
            "scored": len(self.test),
        }


def _moved(run: Run, folder: Path) -> Run:
    """Return the run in another folder; it shares its compiled programs."""
    return dataclasses.replace(run, population=dataclasses.replace(run.population, folder=folder))


class Theirs(_Side):
    """PyOD."""

    def turn(self) -> dict:
        """Learn features, train and score; return times and the AUROC."""
        settings, rival = self.run.settings, RIVALS[self.run.settings.method]
        start = time.perf_counter()
        images = functools.partial(member_images, self.run.population.images, 0)
        train, features_of = rival.learn(settings, images)
        learned = time.perf_counter()
        detector = rival.create(settings, train).fit(train)
        trained = time.perf_counter()
        score = detector.decision_function(features_of(self.test / np.float32(255)))
        return {
            "features": learned - start,
            "train": trained - start,
            "score": time.perf_counter() - trained,
            "auroc": self.auroc(score),
        }
