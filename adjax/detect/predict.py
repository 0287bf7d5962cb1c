"""Prediction for a folder of photographs: heat maps, masks, a table, a contact sheet.

Files are streamed: memory holds at most two batches at the detector's size and one photograph per
thread at its own. The table is written as results come in, so they survive an interruption.
"""

import collections
import csv
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from adjax.datasets.images import EXTENSIONS, decode
from adjax.datasets.industrial import resize_image
from adjax.detect import overlays
from adjax.detect.detector import Detector, load_detector
from adjax.errors import UserError
from adjax.evaluation.pixel_metrics import EIGHT_CONNECTED
from adjax.reports.contact_sheet import write_contact_sheet
from adjax.training import Progress

COLUMNS = (
    "path",  # relative to the folder
    "image_score",
    "threshold",  # of the image score
    "decision",  # "anomalous" or "normal"
    "defect_pixels",  # of the photograph
    "defect_area_percent",
    "number_of_regions",  # 8-connected
    "largest_region_pixels",
    "heatmap",  # relative to the output, as is the mask
    "mask",
    "error",  # why there is no result
)


class Prediction(NamedTuple):
    """Summary of a prediction.

    Attributes:
      output: the folder that was written.
      images: number of image files.
      anomalous: number of images decided to be anomalous.
      failed: number of images that could not be read.
      left_out: number of files that are no images by their extension.
      images_per_second: rate from file to file, without loading and compiling.
      model_images_per_second: rate of the detector alone, in batches of the same size.

    """

    output: Path
    images: int
    anomalous: int
    failed: int
    left_out: int
    images_per_second: float
    model_images_per_second: float


class _Photograph(NamedTuple):
    path: Path
    shown: str  # its path relative to the folder
    name: str  # path of the files written for it, without extension


def predict(
    directory: str | Path,
    images: str | Path,
    output: str | Path,
    batch_size: int = 0,
    member: int = 0,
) -> Prediction:
    """Score every image of a folder and its subfolders.

    Writes `OUTPUT/heatmaps/NAME.png`, `OUTPUT/masks/NAME.png` and `OUTPUT/thumbnails/NAME.jpg` for
    every image, `OUTPUT/predictions.csv` with a row each (`COLUMNS`) and `OUTPUT/index.html`, the
    most anomalous first.

    Args:
      directory: the folder of a finished run.
      images: a folder, or one file.
      output: the folder to write, created if need be; files of these names are replaced.
      batch_size: images at a time; 0: as in the run's evaluation.
      member: index into `config.members`.

    Raises:
      UserError: if there is no detector or there are no images.

    """
    images, output = Path(images), Path(output)
    photographs, left_out = _list_photographs(images, output)
    detector = load_detector(directory, member)
    size = min(batch_size or detector.settings.evaluation.batch_size, len(photographs))
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to --output={output}: {error.strerror}") from error
    model_rate = _model_rate(detector, size)
    start = time.perf_counter()
    counts = collections.Counter()
    text = {"encoding": "utf-8", "errors": "surrogateescape"}  # names of files may be any bytes
    with (output / "predictions.csv").open("w", newline="", **text) as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        progress = Progress("predict", len(photographs), unit="image")
        for rows in _rows(detector, photographs, size, output):
            table.writerows(rows)
            file.flush()
            counts.update("failed" if row.get("error") else row["decision"] for row in rows)
            done = counts.total()
            rate = done / (time.perf_counter() - start)
            progress.show(done, {"anomalous": counts["anomalous"], "images/s": rate})
        progress.close()
    rate = len(photographs) / (time.perf_counter() - start)
    write_contact_sheet(output, _facts(detector, directory, images, member))
    numbers = counts["anomalous"], counts["failed"], left_out
    return Prediction(output, len(photographs), *numbers, rate, model_rate)


def _list_photographs(images: Path, output: Path) -> tuple[list[_Photograph], int]:
    """Return the image files in and below a folder, by path, and the number of other files.

    Hidden files and the output folder are skipped.
    """
    if images.is_file():
        return [_Photograph(images, images.name, images.stem)], 0
    if not images.is_dir():
        raise UserError(f"--images={images} does not exist")
    if images.resolve() == output.resolve():
        raise UserError(f"--output={output} is the folder of the images: choose another")
    files = (path for path in sorted(images.rglob("*")) if path.is_file())
    files = [
        path
        for path in files
        if not any(part.startswith(".") for part in path.relative_to(images).parts)
        and output.resolve() not in path.resolve().parents
    ]
    paths = [path for path in files if path.suffix.lower() in EXTENSIONS]
    if not paths:
        raise UserError(f"--images={images} holds no images ({', '.join(EXTENSIONS)})")
    shown = [path.relative_to(images) for path in paths]
    # Files that differ only in their extension keep it.
    alike = collections.Counter(path.with_suffix("") for path in shown)
    names = [path if alike[path.with_suffix("")] > 1 else path.with_suffix("") for path in shown]
    photographs = [
        _Photograph(path, relative.as_posix(), name.as_posix())
        for path, relative, name in zip(paths, shown, names, strict=True)
    ]
    return photographs, len(files) - len(paths)


def _model_rate(detector: Detector, size: int, repeats: int = 3) -> float:
    """Measure the images per second of the detector alone, in batches of `size`; compiles it."""
    shape = detector.image_size, detector.image_size, detector.channels
    image = np.zeros((size, *shape), np.uint8)
    detector.score(image)
    start = time.perf_counter()
    for _ in range(repeats):
        detector.score(image)
    return repeats * size / (time.perf_counter() - start)


def _rows(
    detector: Detector, photographs: list[_Photograph], size: int, output: Path
) -> Iterator[list[dict]]:
    """Yield rows of the table in the order of the photographs, a batch at a time."""
    written: list[Future] = []  # pictures of the previous batch
    with ThreadPoolExecutor(os.cpu_count(), "photographs") as threads:
        try:
            for part, batch in _batches(detector, photographs, size, threads):
                scores = detector.score(_stacked(detector, batch, size))
                if written:
                    yield [future.result() for future in written]
                written = [
                    threads.submit(_write, detector, one, image, _row_of(scores, k), output)
                    for k, (one, image) in enumerate(zip(part, batch, strict=True))
                ]
            yield [future.result() for future in written]
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def _batches(
    detector: Detector, photographs: list[_Photograph], size: int, threads: ThreadPoolExecutor
) -> Iterator[tuple[list[_Photograph], list[np.ndarray | UserError]]]:
    """Yield batches of photographs with their images at the detector's size, or their errors.

    The next batch is read in the meantime.
    """
    parts = [photographs[first : first + size] for first in range(0, len(photographs), size)]

    def read(part: Iterable[_Photograph]) -> list[Future]:
        return [threads.submit(_read, detector, one.path) for one in part]

    ahead = read(parts[0])
    for number, part in enumerate(parts, 1):
        ready, ahead = ahead, read(parts[number]) if number < len(parts) else []
        yield part, [future.result() for future in ready]


def _read(detector: Detector, path: Path) -> np.ndarray | UserError:
    try:
        return resize_image(decode(path), detector.image_size, detector.channels)
    except UserError as error:
        return error


def _stacked(detector: Detector, batch: list[np.ndarray | UserError], size: int) -> np.ndarray:
    """Stack to uint8 `[size, S, S, C]`, black where an image is missing: one shape, one program."""
    shape = detector.image_size, detector.image_size, detector.channels
    image = np.zeros((size, *shape), np.uint8)
    for place, one in zip(image, batch, strict=False):
        if not isinstance(one, UserError):
            place[:] = one
    return image


def _row_of(scores: dict[str, np.ndarray], row: int) -> dict[str, np.ndarray]:
    return {name: value[row] for name, value in scores.items()}


def _write(
    detector: Detector,
    photograph: _Photograph,
    image: np.ndarray | UserError,
    scores: dict[str, np.ndarray],
    output: Path,
) -> dict:
    """Draw one photograph's pictures; return its row of the table.

    The file is decoded again, which is far cheaper than holding whole photographs in a queue.
    """
    row = {"path": photograph.shown}
    try:
        if isinstance(image, UserError):
            raise image
        photo = decode(photograph.path)
    except UserError as error:
        return row | {"error": str(error)}
    threshold = detector.pixel_threshold
    heat = overlays.heat_map(photo, scores["anomaly_map"], scores["mask"], threshold)
    _save(heat, output / "heatmaps" / f"{photograph.name}.png")
    mask = Image.fromarray(overlays.stretched(scores["mask"], photo.size))
    _save(mask, output / "masks" / f"{photograph.name}.png")
    thumbnail = overlays.side_by_side(photo, heat)
    _save(thumbnail, output / "thumbnails" / f"{photograph.name}.jpg")
    return row | {
        "image_score": f"{scores['image_score']:.6g}",
        "threshold": f"{detector.image_threshold:.6g}",
        "decision": "anomalous" if scores["is_anomalous"] else "normal",
        **_areas(scores["mask"], photo.size),
        "heatmap": f"heatmaps/{photograph.name}.png",
        "mask": f"masks/{photograph.name}.png",
    }


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"compress_level": 1} if path.suffix == ".png" else {"quality": 85}
    picture.save(path, **options)


def _areas(mask: np.ndarray, size: tuple[int, int]) -> dict[str, str | int]:
    """Return areas of a mask `[S, S]` in pixels of the photograph, exactly as in the mask file."""
    columns, rows = (
        np.bincount(overlays.nearest(side, of), minlength=of)
        for side, of in zip(size, mask.shape[::-1], strict=True)
    )
    weight = rows[:, None] * columns  # photograph pixels under each mask pixel
    label, count = ndimage.label(mask, EIGHT_CONNECTED)
    regions = np.bincount(label.ravel(), weight.ravel(), count + 1)[1:].astype(int)
    return {
        "defect_pixels": regions.sum(),
        "defect_area_percent": f"{100 * regions.sum() / (size[0] * size[1]):.4g}",
        "number_of_regions": np.count_nonzero(regions),
        "largest_region_pixels": regions.max(initial=0),
    }


def _facts(detector: Detector, directory: str | Path, images: Path, member: int) -> dict[str, str]:
    """Return the facts that head the contact sheet."""
    settings = detector.settings
    which = [settings.method, settings.data.normal_class or settings.data.name]
    if settings.members:
        which.append(f"member {member}")
    return {
        "Photographs": str(images),
        "Detector": f"{directory} ({', '.join(which)})",
        "Image threshold": f"{detector.image_threshold:.4g}",
        "Pixel threshold": f"{detector.pixel_threshold:.4g} ({settings.threshold.rule})",
    }
