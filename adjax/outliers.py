"""A detector by scikit-learn's convention of outlier detection: +1 is normal, -1 is not.

It is `adjax.train` on a folder of images that `fit` writes, so that all methods, their thresholds
on held-out images and all that a run promises are the same.
"""

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from adjax.detect.given import Images, each
from adjax.errors import UserError
from adjax.library import train

_IMAGES, _RUN = "images", "run"  # folders of a workdir


class AnomalyDetector(OutlierMixin, BaseEstimator):
    """Outlier detection on images.

    X is whatever `TrainedRun.score` takes: an array `[N, H, W]` or `[N, H, W, C]` of uint8 or of
    floats in [0, 1], of normal images to fit; a list of arrays, PIL images or paths; a folder.

    Args:
      config: `FILE.py:ARGUMENT` for a folder of images, see `adjax.train`.
      workdir: folder for the images and the run, which `fit` continues if it was interrupted; None:
        one that goes when this process does.
      overrides: values of the config by dotted keys, `{"data.size": 64}`.

    Attributes:
      run_: the `TrainedRun`.
      offset_: `decision_function` is `score_samples` less this.

    """

    def __init__(
        self,
        config: str = "folder.py:aesc_residual",
        workdir: str | Path | None = None,
        overrides: Mapping[str, Any] | None = None,
    ):
        """Keep the parameters."""
        self.config = config
        self.workdir = workdir
        self.overrides = overrides

    def fit(self, X: Images, y: object = None) -> "AnomalyDetector":
        """Train on normal images, a part of which is held out to choose the thresholds by.

        Args:
          X: the images.
          y: is not looked at.

        Raises:
          UserError: for what is no image, a config that is not for folders of images, or a workdir
            that holds other images.
          DivergedError: if training met a value that is not finite.

        """
        if self.workdir is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="adjax-")
        folder = Path(self._temporary.name if self.workdir is None else self.workdir)
        channels = _write_images(X, folder / _IMAGES, may_add=not (folder / _RUN).exists())
        values = {"data.channels": channels} | dict(self.overrides or {})
        values["data.dir"] = str(folder / _IMAGES)
        self.run_ = train(self.config, folder / _RUN, **values)
        detector = self.run_.detector()
        detector.require_thresholds()
        # A score that reaches the threshold is anomalous; scikit-learn's outliers are below 0.
        self.offset_ = float(
            np.nextafter(-np.float64(np.float32(detector.image_threshold)), np.inf)
        )
        return self

    def score_samples(self, X: Images) -> np.ndarray:
        """Return minus the image scores, float64 `[N]`: the lower, the more anomalous."""
        check_is_fitted(self)
        return -self.run_.score(X)["image_score"].astype(np.float64)

    def decision_function(self, X: Images) -> np.ndarray:
        """Return how far images are from the threshold, `[N]`: anomalous ones are below 0."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Images) -> np.ndarray:
        """Return +1 for a normal image and -1 for an anomalous one, int `[N]`."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


def _write_images(images: Images, folder: Path, may_add: bool) -> int:
    """Write images as PNG files; return 1 if all are grey, else 3.

    Raises:
      UserError: if the folder holds others already, or lacks some that may not be added.

    """
    folder.mkdir(parents=True, exist_ok=True)
    known, modes = {path.name for path in folder.iterdir()}, set()
    for number, image in enumerate(each(images)):
        content, path = io.BytesIO(), folder / f"{number:06}.png"
        image.save(content, "PNG")
        if path.name in known and path.read_bytes() != content.getvalue():
            raise _other_images(folder)
        if path.name not in known and not may_add:
            raise _other_images(folder)
        path.write_bytes(content.getvalue())
        known.discard(path.name)
        modes.add(image.mode)
    if known:
        raise _other_images(folder)
    return 1 if modes == {"L"} else 3


def _other_images(folder: Path) -> UserError:
    return UserError(f"{folder} holds other images: choose another workdir")
