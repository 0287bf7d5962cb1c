"""What is written for a photograph: heat map, mask, thumbnail and its row of the table.

Whatever goes wrong with one photograph is told in its row, and keeps what is known of it.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from adjax.datasets import memory
from adjax.datasets.images import decode
from adjax.detect import overlays
from adjax.detect.detector import Detector
from adjax.detect.photographs import PICTURES, Photograph
from adjax.errors import UserError
from adjax.evaluation.pixel_metrics import EIGHT_CONNECTED
from adjax.reports import prediction_table

DRAWING = 12  # bytes a pixel at the peak: the photograph, its heat, what is drawn, its mask


def check_output(output: Path) -> None:
    """Raise `UserError` if a prediction could not write its folder, before anything is scored."""
    folders = [output, *(output / name for name in PICTURES)]
    for folder in folders:
        if os.path.lexists(folder) and not os.path.isdir(folder):
            raise UserError(f"cannot write to --output={output}: {folder} is no folder")
    for name in (prediction_table.NAME, "index.html"):
        if os.path.isdir(output / name):
            raise UserError(f"cannot write to --output={output}: {output / name} is a folder")
    present = next(path for path in output.absolute().parents if os.path.lexists(path))
    if not os.path.isdir(present):
        raise UserError(f"cannot write to --output={output}: {present} is no folder")
    for folder in (present, *folders) if not output.exists() else folders:
        if os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK):
            raise UserError(f"cannot write to --output={output}: {folder} may not be written")


def score_columns(
    detector: Detector, photograph: Photograph, scores: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Return the cells of a photograph's row that need no pictures.

    Args:
      detector: whose scores they are.
      photograph: for the error.
      scores: of one image, see `Detector.score`.

    Raises:
      UserError: if a score is not finite, which would pass for normal.

    """
    if not np.isfinite(scores["image_score"]) or not np.isfinite(scores["anomaly_map"]).all():
        raise UserError(f"{photograph.path}: its scores are not finite, so nothing is decided")
    return {
        "image_score": _float32(scores["image_score"]),
        "threshold": _float32(detector.image_threshold),
        "threshold_rule": detector.image_threshold_rule,
        "pixel_threshold": _float32(detector.pixel_threshold),
        "pixel_threshold_rule": detector.pixel_threshold_rule,
        "decision": "anomalous" if scores["is_anomalous"] else "normal",
    }


def write_pictures(
    detector: Detector, photograph: Photograph, scores: dict[str, np.ndarray], output: Path
) -> dict[str, Any]:
    """Draw a photograph's pictures; return the cells of its row that tell of them.

    In a normal photograph no pixel is marked, so that a row has one decision. The file is decoded
    again, which is far cheaper than holding whole photographs in a queue.
    """
    mask, name = scores["mask"] & scores["is_anomalous"], photograph.name
    with memory.room_for(photograph.path, DRAWING):
        photo = decode(photograph.path, detector.bits)
        size = photo.size
        heat = overlays.heat_map(photo, scores["anomaly_map"], mask, detector.pixel_threshold)
        _save(heat, output / "heatmaps" / f"{name}.png")
        _save(overlays.thumbnail(photo), output / "thumbnails" / f"{name}.jpg")
        del photo, heat
        _save(Image.fromarray(overlays.stretched(mask, size)), output / "masks" / f"{name}.png")
    pictures = {"heatmap": f"heatmaps/{name}.png", "mask": f"masks/{name}.png"}
    return areas(mask, size) | pictures


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"compress_level": 1} if path.suffix == ".png" else {"quality": 85}
    picture.save(path, **options)


def areas(mask: np.ndarray, size: tuple[int, int]) -> dict[str, int | float]:
    """Return areas of a mask `[S, S]` in pixels of the photograph, exactly as in the mask file."""
    columns, rows = (
        np.bincount(overlays.nearest(side, of), minlength=of)
        for side, of in zip(size, mask.shape[::-1], strict=True)
    )
    weight = rows[:, None] * columns  # photograph pixels under each mask pixel
    label, count = ndimage.label(mask, EIGHT_CONNECTED)
    regions = np.bincount(label.ravel(), weight.ravel(), count + 1)[1:].astype(int)
    return {
        "defect_pixels": int(regions.sum()),
        "defect_area_percent": _digits(100 * regions.sum() / (size[0] * size[1]), 4),
        "number_of_regions": int(np.count_nonzero(regions)),
        "largest_region_pixels": int(regions.max(initial=0)),
    }


def _float32(value: float) -> float:
    """Return a number as a detector compares it: what a row holds gives its decision again."""
    return float(str(np.float32(value)))


def _digits(value: float, digits: int) -> float:
    """Round to significant digits."""
    return float(f"{value:.{digits}g}")
