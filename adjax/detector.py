"""A trained detector: uint8 images in, anomaly map, image score and decisions out.

It is restored from the folder of a finished run alone; the data it was trained on need not be
there.
"""

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from adjax import datasets, settings, workdir
from adjax.errors import UserError
from adjax.methods import Method, Scores
from adjax.ops import compiler_options, convolution_backend
from adjax.preparation import check
from adjax.training import restored_variables


@dataclasses.dataclass(frozen=True, eq=False)
class Detector:
    """A member of a finished run, with the thresholds that it chose on normal images.

    Attributes:
      config: of the run.
      method: of the run.
      variables: by stage name, leaves without the axis of members.
      seed: of the member; random scores (Monte-Carlo dropout) draw from it.
      pixel_threshold: pixels of the anomaly map that reach it are defective.
      image_threshold: images whose score reaches it are anomalous.
      image_size: S, height and width of the images.
      channels: C, 1 (grey) or 3.

    """

    config: ConfigDict
    method: Method
    variables: dict[str, Any]
    seed: int
    pixel_threshold: float
    image_threshold: float
    image_size: int
    channels: int

    def score(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Score images and decide; the result of an image does not depend on the others.

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

    def detect(self, image: jax.Array) -> dict[str, jax.Array]:
        """`score` as a pure function that can be exported: it convolves by plain XLA."""
        with convolution_backend("xla"):
            return self._detect(self.variables, image)

    @functools.cached_property
    def _program(self):
        def detect(variables, image):
            with convolution_backend(self.config.ops.convolution):
                return self._detect(variables, image)

        return jax.jit(detect, compiler_options=compiler_options())

    def _detect(self, variables, image):
        scores = self._scores(variables, image.astype(jnp.float32) / jnp.float32(255))
        image_score = scores.image_score[self.config.image_score]
        return {
            "anomaly_map": scores.anomaly_map,
            "image_score": image_score,
            "mask": scores.anomaly_map >= np.float32(self.pixel_threshold),
            "is_anomalous": image_score >= np.float32(self.image_threshold),
        }

    def _scores(self, variables, image) -> Scores:
        """The method's scores, with the key that the run's own scores were drawn with."""
        key = jax.random.fold_in(jax.random.key(self.seed), len(self.method.stages))
        return self.method.score(variables, image, jax.random.fold_in(key, 0))


def load_detector(directory: str | Path, member: int = 0) -> Detector:
    """The detector that a finished run has trained.

    Args:
      directory: of the run.
      member: which one of `config.members`.

    Raises:
      UserError: if the run is not finished, has chosen no thresholds, or the member diverged.

    """
    directory = Path(directory)
    config = workdir.read_config(directory)
    method = check(config, directory)
    members = settings.members_of(config, method.dynamic)
    entry = _results_of(directory, member, len(members))
    pixel, image = _thresholds(config, directory, entry)
    size, channels = _image_shape(config, directory)
    patch = config.data.get("patch", 0) if config.data.get("crops", "") else 0
    trained = (patch or size, patch or size, channels)
    variables = restored_variables(method, directory, trained, len(members), config.select)
    return Detector(
        config=config,
        method=method,
        variables=jax.tree.map(lambda leaf: leaf[member], variables),
        seed=members[member]["seed"],
        pixel_threshold=pixel,
        image_threshold=image,
        image_size=size,
        channels=channels,
    )


def _results_of(directory: Path, member: int, members: int) -> dict[str, Any]:
    """What `results.json` says of a member; it lists those that have not diverged."""
    path = directory / "results.json"
    if not path.exists():
        raise UserError(f"{directory} has no results.json: finish the run with --mode=train")
    if not 0 <= member < members:
        raise UserError(f"{directory}: members are numbered from 0 to {members - 1}, not {member}")
    failed = {failure["member"] for failure in workdir.read_failures(directory)}
    if member in failed:
        raise UserError(f"{directory}: member {member} diverged, see failed.json")
    row = sum(other not in failed for other in range(member))
    return json.loads(path.read_text())["members"][row]


def _thresholds(config, directory: Path, entry: dict[str, Any]) -> tuple[float, float]:
    """The thresholds of pixels and of images that decisions are made by."""
    rule = config.threshold.rule if "threshold" in config else None
    chosen = [row["threshold"] for row in entry.get("thresholds", ()) if row["rule"] == rule]
    if not chosen or "image_threshold" not in entry:
        raise UserError(
            f"{directory}: the results of this {config.data.name} run hold no thresholds to decide "
            "by; runs on industrial images (configs/folder.py ...) choose them"
        )
    return chosen[0], entry["image_threshold"]["threshold"]


def _image_shape(config, directory: Path) -> tuple[int, int]:
    """Size and channels of a run's images, without its data."""
    if datasets.is_industrial(config.data.name):
        return config.data.size, config.data.channels
    with np.load(directory / "examples.npz") as examples:
        return examples["image"].shape[-3], examples["image"].shape[-1]
