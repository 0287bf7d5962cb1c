"""A trained detector: uint8 images in, anomaly map, image score and decisions out.

It is restored from the folder of a finished run alone, without its training data.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adjax import workdir
from adjax.config import identity
from adjax.config.layout import Settings
from adjax.datasets.brightness import to_median
from adjax.errors import UserError
from adjax.methods.stage import Method, Scores
from adjax.ops import compiler_options, convolution_backend, products_in
from adjax.reports.prediction_table import BY_HAND
from adjax.run import check_run
from adjax.training.restored import restored_variables


@dataclasses.dataclass(frozen=True, eq=False)
class Detector:
    """A member of a finished run, with the thresholds chosen for it on normal images.

    Attributes:
      settings: the run's settings.
      method: the run's method.
      variables: variables by stage name, leaves without the axis of members.
      seed: the member's seed; random scores (Monte-Carlo dropout) draw from it.
      pixel_threshold: pixels of the anomaly map that reach it are defective.
      image_threshold: images whose score reaches it are anomalous.
      pixel_threshold_rule: that chose it on held-out normal images; `BY_HAND` if none did.
      image_threshold_rule: likewise.
      image_size: S, height and width of the images.
      channels: C, 1 (grey) or 3.
      reference_median: the median brightness that images are brought to, of [0, 255]; None: they
        are scored as they are.

    """

    settings: Settings
    method: Method
    variables: dict[str, Any]
    seed: int
    pixel_threshold: float
    image_threshold: float
    image_size: int
    channels: int
    reference_median: float | None = None
    pixel_threshold_rule: str = BY_HAND
    image_threshold_rule: str = BY_HAND

    def score(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Score images and decide; the result for an image does not depend on the others.

        Args:
          image: uint8 `[B, S, S, C]`.

        Returns:
          `anomaly_map` float32 `[B, S, S]`, `image_score` float32 `[B]`, `mask` bool `[B, S, S]`
          and `is_anomalous` bool `[B]`.

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
        """Do the same as `score`, as a pure function to export: convolutions are plain XLA.

        Args:
          image: as `score` takes it.
          thresholds: `pixel_threshold`, `image_threshold`, float32 `[]`, instead of its own.

        """
        with convolution_backend("xla"), products_in("float32"):
            return self._detect(self.variables, image, **thresholds)

    @property
    def thresholds(self) -> dict[str, np.ndarray]:
        """Return both thresholds by name, float32 `[]`, as maps and scores are compared with."""
        names = "image_threshold", "pixel_threshold"
        return {name: np.float32(getattr(self, name)) for name in names}

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
        image_score = scores.image_score[self.settings.image_score]
        return {
            "anomaly_map": scores.anomaly_map,
            "image_score": image_score,
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
      UserError: if the run is not finished, has no thresholds, the member diverged, or a threshold
        is no finite number.

    """
    directory = Path(directory)
    by_hand = {"image": _checked("--threshold", threshold)}
    by_hand["pixel"] = _checked("--pixel_threshold", pixel_threshold)
    settings, method = check_run(workdir.read_config(directory), directory)
    members = identity.members_of(settings, method.dynamic)
    entry = _results_of(directory, member, len(members))
    chosen = _thresholds(settings, directory, entry)
    chosen |= {name: (value, BY_HAND) for name, value in by_hand.items() if value is not None}
    data = settings.data
    trained = (data.patch if data.crops else 0) or data.size
    shape = trained, trained, data.channels
    variables = restored_variables(method, directory, shape, len(members), settings.select)
    return Detector(
        settings=settings,
        method=method,
        variables=jax.tree.map(lambda leaf: leaf[member], variables),
        seed=members[member]["seed"],
        pixel_threshold=chosen["pixel"][0],
        image_threshold=chosen["image"][0],
        image_size=data.size,
        channels=data.channels,
        reference_median=_reference_median(settings, directory),
        pixel_threshold_rule=chosen["pixel"][1],
        image_threshold_rule=chosen["image"][1],
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
    if settings.data.normalise == "none":
        return None
    reference = workdir.read_results(directory).get("reference_median")
    if reference is None:
        raise UserError(
            f"{directory}/results.json lacks 'reference_median', to which images are brought: "
            "repeat the command of the run with --mode=evaluate"
        )
    return reference


def _thresholds(
    settings: Settings, directory: Path, entry: dict[str, Any]
) -> dict[str, tuple[float, str]]:
    """Return the thresholds of pixels and of the image score, with the rules that chose them."""
    rule = settings.threshold.rule if settings.data.decides else None
    chosen = [row["threshold"] for row in entry.get("thresholds", ()) if row["rule"] == rule]
    if not chosen or "image_threshold" not in entry:
        raise UserError(
            f"{directory}: the results of this {settings.data.name} run hold no thresholds to "
            "decide by; runs on industrial images (configs/folder.py ...) choose them"
        )
    image = entry["image_threshold"]
    return {"pixel": (chosen[0], rule), "image": (image["threshold"], image["rule"])}
