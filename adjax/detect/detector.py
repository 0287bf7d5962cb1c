"""A trained detector: images in, anomaly map, image score and decisions out.

It is restored from the folder of a finished run alone, without its training data.
"""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adjax import reports, workdir
from adjax.config import identity
from adjax.config.layout import Settings
from adjax.datasets.brightness import to_median
from adjax.datasets.industrial import resize_image
from adjax.detect.given import Images, each, in_batches
from adjax.errors import UserError
from adjax.evaluation.oracle import ORACLE
from adjax.methods.stage import Method, Scores
from adjax.ops import compiler_options, convolution_backend, products_in
from adjax.reports.prediction_table import BY_HAND
from adjax.run import check_run
from adjax.training.restored import restored_variables


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Detector:
    """A member of a finished run, with the thresholds chosen for it on normal images.

    Attributes:
      folder: the run's folder.
      settings: the run's settings.
      method: the run's method.
      variables: variables by stage name, leaves without the axis of members.
      seed: the member's seed; random scores (Monte-Carlo dropout) draw from it.
      normal_class: the member's, by number or name.
      image_score: which of the method's image scores it gives.
      image_size: S, height and width of the images.
      channels: C, 1 (grey) or 3.
      pixel_threshold: pixels of the anomaly map that reach it are defective; None: it does not
        decide, as on image classes, where a run chooses no thresholds.
      image_threshold: images whose score reaches it are anomalous; None likewise.
      pixel_threshold_rule: that chose it on held-out normal images; `BY_HAND` if none did.
      image_threshold_rule: likewise.
      reference_median: the median brightness that images are brought to, of [0, 255]; None: they
        are scored as they are.

    """

    folder: Path
    settings: Settings
    method: Method
    variables: dict[str, Any]
    seed: int
    normal_class: int | str
    image_score: str
    image_size: int
    channels: int
    pixel_threshold: float | None = None
    image_threshold: float | None = None
    reference_median: float | None = None
    pixel_threshold_rule: str = BY_HAND
    image_threshold_rule: str = BY_HAND

    def __repr__(self) -> str:
        data = self.settings.data
        size = f"{self.image_size} x {self.image_size} x {self.channels}"
        normal = f"{data.noun} {self.normal_class}" if self.normal_class != "" else "own images"
        threshold = "no threshold"
        if self.image_threshold is not None:
            threshold = f"image threshold {self.image_threshold:.4g}"
        return f"<Detector {self.settings.info.title}, {data.name} {normal}, {size}, {threshold}>"

    @property
    def decides(self) -> bool:
        """Whether it has thresholds."""
        return self.pixel_threshold is not None and self.image_threshold is not None

    @property
    def bits(self) -> int:
        """Bits of a grey level that count in files that have more than 8; 0: all of them."""
        return self.settings.data.bits if self.settings.data.decides else 0

    def require_thresholds(self) -> None:
        """Raise `UserError` unless it has thresholds."""
        if not self.decides:
            raise UserError(
                f"{self.folder}: the results of this {self.settings.data.name} run hold no "
                "thresholds to decide by; runs on industrial images (configs/folder.py ...) choose "
                "them, or give both: --threshold=... --pixel_threshold=..."
            )

    def score(self, images: Images, batch_size: int = 0) -> dict[str, np.ndarray]:
        """Score images and decide; the result for an image does not depend on the others.

        Args:
          images: an array, a PIL image, the path of a file or a folder, or several of these, see
            `adjax.detect.given`; of any size, squeezed to the detector's as in training.
          batch_size: how many are scored at a time; 0: as in the run's evaluation.

        Returns:
          `anomaly_map` float32 `[B, S, S]` and `image_score` float32 `[B]`, and where there are
          thresholds `mask` bool `[B, S, S]` and `is_anomalous` bool `[B]`.

        Raises:
          UserError: for what is no image, or if there is none.

        """
        parts = list(self.stream(images, batch_size))
        if not parts:
            raise UserError("there are no images to score")
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def stream(self, images: Images, batch_size: int = 0) -> Iterator[dict[str, np.ndarray]]:
        """Do the same as `score`, yielding what it returns a batch at a time."""
        at_once = batch_size or self.settings.evaluation.batch_size
        size, channels = self.image_size, self.channels
        sized = (resize_image(one, size, channels) for one in each(images, self.bits))
        for image, count in in_batches(sized, at_once):
            yield {name: value[:count] for name, value in self.score_batch(image).items()}

    def score_batch(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Score a batch of images that have the detector's size; each size has its own program.

        Args:
          image: uint8 `[B, S, S, C]`.

        Returns:
          As `score`.

        Raises:
          UserError: for images of another shape or type.

        """
        size, channels = self.image_size, self.channels
        if image.dtype != np.uint8 or image.shape[1:] != (size, size, channels):
            raise UserError(
                f"this detector takes uint8 images [B, {size}, {size}, {channels}], "
                f"not {image.dtype} {list(image.shape)}"
            )
        return jax.device_get(self._program(self.variables, image))

    def detect(self, image: jax.Array, **thresholds: jax.Array) -> dict[str, jax.Array]:
        """Do what `score_batch` does, as a pure function to export: convolutions are plain XLA.

        Args:
          image: as `score_batch` takes it.
          thresholds: `pixel_threshold`, `image_threshold`, float32 `[]`, instead of its own.

        """
        with convolution_backend("xla"), products_in("float32"):
            return self._detect(self.variables, image, **thresholds)

    @property
    def thresholds(self) -> dict[str, np.ndarray]:
        """Return its thresholds by name, float32 `[]`, as maps and scores are compared with."""
        own = {"image_threshold": self.image_threshold, "pixel_threshold": self.pixel_threshold}
        return {name: np.float32(value) for name, value in own.items() if value is not None}

    @functools.cached_property
    def _program(self):
        def detect(variables, image):
            with convolution_backend(self.settings.ops.convolution), products_in("float32"):
                return self._detect(variables, image)

        options = compiler_options(deterministic=self.settings.deterministic)
        return jax.jit(detect, compiler_options=options)

    def _detect(self, variables, image, **thresholds):
        thresholds = self.thresholds | thresholds
        if self.reference_median is not None:
            image = to_median(image, self.reference_median, jnp)
        scores = self._scores(variables, image.astype(jnp.float32) / jnp.float32(255))
        image_score = scores.image_score[self.image_score]
        found = {"anomaly_map": scores.anomaly_map, "image_score": image_score}
        if not self.decides:
            return found
        return found | {
            "mask": scores.anomaly_map >= thresholds["pixel_threshold"],
            "is_anomalous": image_score >= thresholds["image_threshold"],
        }

    def _scores(self, variables, image) -> Scores:
        """Return the method's scores, drawn with the same random key as the run's own scores."""
        key = jax.random.fold_in(jax.random.key(self.seed), len(self.method.stages))
        return self.method.score(variables, image, jax.random.fold_in(key, 0))


def load_detector(
    directory: str | Path,
    member: int = 0,
    threshold: float | None = None,
    pixel_threshold: float | None = None,
) -> Detector:
    """Load the detector of a finished run.

    Args:
      directory: the run's folder.
      member: index into `config.members`.
      threshold: of the image score, in place of the one that the run chose.
      pixel_threshold: of the anomaly map, likewise.

    Raises:
      UserError: if the run is not finished, the member diverged, or a threshold is no number.

    """
    directory = Path(directory)
    by_hand = {"image": _checked("--threshold", threshold)}
    by_hand["pixel"] = _checked("--pixel_threshold", pixel_threshold)
    settings, method = check_run(workdir.read_config(directory), directory)
    members = identity.members_of(settings, method.dynamic)
    entry = _results_of(directory, member, len(members))
    chosen = _thresholds(settings, entry)
    chosen |= {name: (value, BY_HAND) for name, value in by_hand.items() if value is not None}
    pixel, image = (chosen.get(kind, (None, BY_HAND)) for kind in ("pixel", "image"))
    if (pixel[0] is None) != (image[0] is None):
        raise UserError(
            f"{directory} chose no thresholds: give --threshold and --pixel_threshold, or neither"
        )
    size, channels = _shape(settings, directory)
    data = settings.data
    trained = (data.patch if data.crops else 0) or size
    shape = trained, trained, channels
    variables = restored_variables(method, directory, shape, len(members), settings.select)
    return Detector(
        folder=directory,
        settings=settings,
        method=method,
        variables=jax.tree.map(lambda leaf: leaf[member], variables),
        seed=members[member]["seed"],
        normal_class=members[member]["data.normal_class"],
        image_score=_image_score(settings, entry),
        image_size=size,
        channels=channels,
        pixel_threshold=pixel[0],
        image_threshold=image[0],
        reference_median=_reference_median(settings, directory),
        pixel_threshold_rule=pixel[1],
        image_threshold_rule=image[1],
    )


def _checked(flag: str, threshold: float | None) -> float | None:
    """Return a threshold given by hand, as a detector compares with it, in float32."""
    if threshold is None:
        return None
    with np.errstate(over="ignore"):
        value = float(np.float32(threshold))
    if not np.isfinite(value):
        raise UserError(f"{flag}={threshold:g}: give a finite number, of the size of scores")
    return value


def _shape(settings: Settings, directory: Path) -> tuple[int, int]:
    """Return height and channels of the images of a run, which are square.

    Image classes have the size of their set, which is not in the config; the examples have it.
    """
    if settings.data.decides:
        return settings.data.size, settings.data.channels
    *_, height, width, channels = reports.open_run(directory).examples["image"].shape
    if height != width:
        raise UserError(f"{directory}: its images are {height} x {width}; a detector takes squares")
    return height, channels


def _image_score(settings: Settings, entry: dict[str, Any]) -> str:
    """Return which image score a member reports; of an oracle, the one that it chose."""
    if settings.image_score == ORACLE:
        return entry[ORACLE]["chosen"]
    return settings.image_score


def _results_of(directory: Path, member: int, members: int) -> dict[str, Any]:
    """Return a member's entry in `results.json`, which omits members that diverged."""
    if not (directory / "results.json").exists():
        raise UserError(f"{directory} has no results.json: finish the run with --mode=train")
    if not 0 <= member < members:
        raise UserError(f"{directory}: members are numbered from 0 to {members - 1}, not {member}")
    failed = {failure.get("member") for failure in workdir.read_failures(directory)}
    if member in failed:
        raise UserError(f"{directory}: member {member} diverged, see failed.json")
    row = sum(other not in failed for other in range(member))
    return workdir.read_results(directory)["members"][row]


def _reference_median(settings: Settings, directory: Path) -> float | None:
    if not settings.data.decides or settings.data.normalise == "none":
        return None
    reference = workdir.read_results(directory).get("reference_median")
    if reference is None:
        raise UserError(
            f"{directory}/results.json lacks 'reference_median', to which images are brought: "
            "repeat the command of the run with --mode=evaluate"
        )
    return reference


def _thresholds(settings: Settings, entry: dict[str, Any]) -> dict[str, tuple[float, str]]:
    """Return the thresholds of pixels and of the image score with their rules, if there are any."""
    rule = settings.threshold.rule if settings.data.decides else None
    chosen = [row["threshold"] for row in entry.get("thresholds", ()) if row["rule"] == rule]
    if not chosen or "image_threshold" not in entry:
        return {}
    image = entry["image_threshold"]
    return {"pixel": (chosen[0], rule), "image": (image["threshold"], image["rule"])}
