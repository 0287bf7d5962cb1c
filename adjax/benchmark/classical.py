"""Detectors that PyOD has too, beside its own: image AUROC, training and scoring time.

One run compares, on one normal class with one seed: adjax trains its method as the product does,
PyOD's detector with the same hyper-parameters is given the features that our method sees. Each has
a process of its own, and they take turns. Times are from images to a trained detector or to scores,
so that both hold the same features; what a process compiles is compiled in the first turn, which
does not count.
"""

import dataclasses
import functools
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from adjax import settings
from adjax.benchmark import page
from adjax.benchmark.measure import PAUSE_SECONDS, Repeats, compare
from adjax.benchmark.zoo import is_installed
from adjax.errors import UserError
from adjax.evaluation import auroc, collect_scores
from adjax.experiment import create_trainer, load_test, train_stages
from adjax.methods import create_method
from adjax.methods.components import features, learn_features
from adjax.methods.stage import Images
from adjax.training import score_program
from adjax.training.fitting import member_images

Features = Callable[[np.ndarray], np.ndarray]  # float32 [n, H, W, C] in [0, 1] -> [n, K]


@dataclasses.dataclass(frozen=True)
class Rival:
    """What a method of ours is compared with.

    Attributes:
      learn: `(config, images) -> (features of the training images, features of any)`: what our
        method sees; `images` as a `Fit` is given them.
      create: `(config, training features) -> detector` of PyOD, not yet fitted.
      needs: modules besides `pyod`.

    """

    learn: Callable[[Any, Images], tuple[np.ndarray, Features]]
    create: Callable[[Any, np.ndarray], Any]
    needs: tuple[str, ...] = ()


def run(configs: Sequence, repeats: int, output: str | None, command: str) -> None:
    """Measure, print the table and put it into a page.

    Args:
      configs: of runs of methods in `RIVALS`, with one member each.
      repeats: turns that count.
      output: the page, see `adjax.benchmark.page`, or None.
      command: how to do the same again.

    Raises:
      UserError: before any measurement, for what cannot be measured or written.

    """
    for config in configs:
        check(config)
    page.measure(
        *("pyod", lambda: [measure(config, repeats) for config in configs], ["pyod"]),
        *(output, command),
    )


def check(config) -> None:
    """Raise `UserError` for a run that cannot be compared here."""
    choose([config.method])
    settings.check_config(config)
    if config.members:
        raise UserError("--against=pyod compares one member: leave config.members empty")


def choose(names: Sequence[str]) -> list[str]:
    """These methods, for an empty list all whose rival is installed."""
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


def measure(config, repeats: int) -> dict:
    """The row of one run."""
    context = multiprocessing.get_context("spawn")
    pools = [ProcessPoolExecutor(1, context) for _ in range(2)]
    try:
        for pool, side in zip(pools, ("adjax", "pyod"), strict=True):
            pool.submit(_open, side, config.to_dict()).result()
        turns = [[pool.submit(_turn).result() for pool in pools] for _ in range(repeats + 1)]
    finally:
        for pool in pools:
            pool.shutdown()
    (ours, theirs) = ([turn[side] for turn in turns[1:]] for side in range(2))
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


def _times(turns: list[dict], name: str) -> Repeats:
    return Repeats(tuple(turn[name] for turn in turns))


def _learn_components(config, images):
    """The features of OC-SVM and forest; what is padded with zeros is left out."""
    settings = config[config.method]
    params, train = learn_features(config.method, settings, images, config.data.normal_class)
    project = jax.jit(features)
    return train, lambda image: np.asarray(project(params, image))[:, : train.shape[1]]


def _learn_contrast(config, images):
    """Contrast-normalised pixels."""
    seen = {"contrast": True, "pca": False}
    params, train = learn_features("", ConfigDict(seen), images, config.data.normal_class)
    return train, lambda image: np.asarray(features(params, image))


def _ocsvm(config, train):
    from pyod.models.ocsvm import OCSVM

    return OCSVM(kernel="rbf", gamma="scale", nu=config.ocsvm.nu)


def _isolation_forest(config, train):
    from pyod.models.iforest import IForest

    own = config.isolation_forest
    subsample = min(own.subsample, len(train))
    return IForest(n_estimators=own.trees, max_samples=subsample, random_state=config.seed)


def _deep_svdd(config, train):
    """Dense layers, PyOD has no others, and no pre-training: as many epochs of the last stage."""
    from pyod.models.deep_svdd import DeepSVDD

    own = config.svdd
    np.random.seed(config.seed)  # noqa: NPY002 - PyOD shuffles by NumPy's own state
    return DeepSVDD(
        n_features=train.shape[1],
        hidden_neurons=[64, config.svdd_autoencoder.code_size],
        epochs=max(1, round(own.steps * own.batch_size / len(train))),
        batch_size=own.batch_size,
        learning_rate=own.learning_rate,
        l2_regularizer=own.weight_decay,
        preprocessing=False,
        verbose=0,
        random_state=config.seed,
    )


RIVALS = {
    "ocsvm": Rival(_learn_components, _ocsvm),
    "isolation_forest": Rival(_learn_components, _isolation_forest),
    "deep_svdd": Rival(_learn_contrast, _deep_svdd, ("torch",)),
}


# What runs in the process of a side.

_side: "_Ours | _Theirs"


def _open(name: str, config: dict) -> None:
    global _side
    _side = {"adjax": _Ours, "pyod": _Theirs}[name](ConfigDict(config))


def _turn() -> dict:
    time.sleep(PAUSE_SECONDS)
    return _side.turn()


class _Ours:
    def __init__(self, config):
        self.batch_size = config.evaluation.batch_size
        trainer = create_trainer(config, create_method(config), Path())
        self.trainer = dataclasses.replace(trainer, cache=None)  # nothing is to be found
        self.reported = config.image_score
        self.test, self.anomalous, _ = load_test(config, self.trainer.settings)
        self.program = score_program(trainer.method, trainer.execution)

    def turn(self) -> dict:
        with tempfile.TemporaryDirectory() as folder:
            trainer = dataclasses.replace(self.trainer, workdir=Path(folder))
            variables, records = train_stages(trainer)
        start = time.perf_counter()
        scores = collect_scores(
            lambda image: jax.device_get(self.program(variables, image, trainer.members)),
            self.test.image,
            self.batch_size,
        )
        return {
            "train": sum(record["train_seconds"] for record in records),
            "score": time.perf_counter() - start,
            "auroc": float(auroc(scores[self.reported], self.anomalous)[0]),
            "trained_on": len(trainer.streams[0].rows),
            "scored": len(self.test.image),
        }


class _Theirs:
    def __init__(self, config):
        self.config, self.rival = config, RIVALS[config.method]
        self.trainer = create_trainer(config, create_method(config), Path())
        self.test, self.anomalous, _ = load_test(config, self.trainer.settings)

    def turn(self) -> dict:
        start = time.perf_counter()
        images = functools.partial(member_images, self.trainer, 0)
        train, features_of = self.rival.learn(self.config, images)
        learned = time.perf_counter()
        detector = self.rival.create(self.config, train).fit(train)
        trained = time.perf_counter()
        score = detector.decision_function(features_of(self.test.image / np.float32(255)))
        return {
            "features": learned - start,
            "train": trained - start,
            "score": time.perf_counter() - trained,
            "auroc": float(auroc(np.asarray(score)[None], self.anomalous)[0]),
        }
