"""A folder of photographs through a trained detector: heat maps, masks, a table, a contact sheet.

Files are streamed: no more images are held than two batches at the detector's size and one file a
thread at its own. The table is written as it comes, so what was computed survives an interruption.
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

from adjax import overlays, reports
from adjax.datasets.images import EXTENSIONS, decode
from adjax.datasets.industrial import resize_image
from adjax.detector import Detector, load_detector
from adjax.errors import UserError
from adjax.evaluation.pixel_metrics import EIGHT_CONNECTED
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
    """What became of a folder.

    Attributes:
      output: the folder that was written.
      images: files that were asked for.
      anomalous: those decided to be.
      failed: those that could not be read.
      left_out: files that are no images by their extension.
      images_per_second: from file to file, but for loading and compiling.
      model_images_per_second: of the detector alone, in batches of the same size.

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
    name: str  # of what is written about it, without extension


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
      directory: of a finished run.
      images: a folder, or one file.
      output: made if need be; what is there under these names is replaced.
      batch_size: images at a time; 0: as the run was evaluated.
      member: which one of `config.members`.

    Raises:
      UserError: if there is no detector or there are no images.

    """
    images, output = Path(images), Path(output)
    photographs, left_out = _find(images, output)
    detector = load_detector(directory, member)
    size = min(batch_size or detector.config.evaluation.batch_size, len(photographs))
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
    reports.write_contact_sheet(output, _facts(detector, directory, images, member))
    numbers = counts["anomalous"], counts["failed"], left_out
    return Prediction(output, len(photographs), *numbers, rate, model_rate)


def _find(images: Path, output: Path) -> tuple[list[_Photograph], int]:
    """The image files in and below a folder, by path, and how many other files there are.

    Hidden files and what lies in the output folder are not looked at.
    """
    if images.is_file():
        return [_Photograph(images, images.name, images.stem)], 0
    if not images.is_dir():
        raise UserError(f"--images={images} does not exist")
    if images.resolve() == output.resolve():
        raise UserError(f"--output={output} is the folder of the images: choose another")
    found = (path for path in sorted(images.rglob("*")) if path.is_file())
    found = [
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(images).parts)
        and output.resolve() not in path.resolve().parents
    ]
    paths = [path for path in found if path.suffix.lower() in EXTENSIONS]
    if not paths:
        raise UserError(f"--images={images} holds no images ({', '.join(EXTENSIONS)})")
    shown = [path.relative_to(images) for path in paths]
    # Files that differ in their extension only keep it.
    alike = collections.Counter(path.with_suffix("") for path in shown)
    names = [path if alike[path.with_suffix("")] > 1 else path.with_suffix("") for path in shown]
    photographs = [
        _Photograph(path, relative.as_posix(), name.as_posix())
        for path, relative, name in zip(paths, shown, names, strict=True)
    ]
    return photographs, len(found) - len(paths)


def _model_rate(detector: Detector, size: int, repeats: int = 3) -> float:
    """Images a second of the detector alone, in batches of `size`; compiles it."""
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
    """Rows of the table in the order of the photographs, some at a time."""
    written: list[Future] = []  # pictures of the batch before
    with ThreadPoolExecutor(os.cpu_count(), "photographs") as threads:
        try:
            for part, batch in _batches(detector, photographs, size, threads):
                found = detector.score(_stacked(detector, batch, size))
                if written:
                    yield [future.result() for future in written]
                written = [
                    threads.submit(_write, detector, one, image, _row_of(found, k), output)
                    for k, (one, image) in enumerate(zip(part, batch, strict=True))
                ]
            yield [future.result() for future in written]
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def _batches(
    detector: Detector, photographs: list[_Photograph], size: int, threads: ThreadPoolExecutor
) -> Iterator[tuple[list[_Photograph], list[np.ndarray | UserError]]]:
    """Photographs with their images at the detector's size, or why they have none.

    The next batch is read meanwhile.
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
    """uint8 `[size, S, S, C]`; black where there is no image, so that one program does."""
    shape = detector.image_size, detector.image_size, detector.channels
    image = np.zeros((size, *shape), np.uint8)
    for place, one in zip(image, batch, strict=False):
        if not isinstance(one, UserError):
            place[:] = one
    return image


def _row_of(found: dict[str, np.ndarray], row: int) -> dict[str, np.ndarray]:
    return {name: value[row] for name, value in found.items()}


def _write(
    detector: Detector,
    photograph: _Photograph,
    image: np.ndarray | UserError,
    found: dict[str, np.ndarray],
    output: Path,
) -> dict:
    """Draw one photograph's pictures; returns its row of the table.

    The file is decoded again: that is far cheaper than to hold whole photographs in a queue.
    """
    row = {"path": photograph.shown}
    try:
        if isinstance(image, UserError):
            raise image
        photo = decode(photograph.path)
    except UserError as error:
        return row | {"error": str(error)}
    threshold = detector.pixel_threshold
    heat = overlays.heat_map(photo, found["anomaly_map"], found["mask"], threshold)
    _save(heat, output / "heatmaps" / f"{photograph.name}.png")
    mask = Image.fromarray(overlays.stretched(found["mask"], photo.size))
    _save(mask, output / "masks" / f"{photograph.name}.png")
    thumbnail = overlays.side_by_side(photo, heat)
    _save(thumbnail, output / "thumbnails" / f"{photograph.name}.jpg")
    return row | {
        "image_score": f"{found['image_score']:.6g}",
        "threshold": f"{detector.image_threshold:.6g}",
        "decision": "anomalous" if found["is_anomalous"] else "normal",
        **_areas(found["mask"], photo.size),
        "heatmap": f"heatmaps/{photograph.name}.png",
        "mask": f"masks/{photograph.name}.png",
    }


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"compress_level": 1} if path.suffix == ".png" else {"quality": 85}
    picture.save(path, **options)


def _areas(mask: np.ndarray, size: tuple[int, int]) -> dict[str, str | int]:
    """Areas of a mask `[S, S]` in pixels of the photograph, exactly those of the mask written."""
    columns, rows = (
        np.bincount(overlays.nearest(side, of), minlength=of)
        for side, of in zip(size, mask.shape[::-1], strict=True)
    )
    weight = rows[:, None] * columns  # pixels of the photograph that take a pixel of the mask
    label, count = ndimage.label(mask, EIGHT_CONNECTED)
    regions = np.bincount(label.ravel(), weight.ravel(), count + 1)[1:].astype(int)
    return {
        "defect_pixels": regions.sum(),
        "defect_area_percent": f"{100 * regions.sum() / (size[0] * size[1]):.4g}",
        "number_of_regions": np.count_nonzero(regions),
        "largest_region_pixels": regions.max(initial=0),
    }


def _facts(detector: Detector, directory: str | Path, images: Path, member: int) -> dict[str, str]:
    """What the contact sheet says of its making."""
    config = detector.config
    which = [config.method, config.data.normal_class or config.data.name]
    if config.members:
        which.append(f"member {member}")
    return {
        "Photographs": str(images),
        "Detector": f"{directory} ({', '.join(which)})",
        "Image threshold": f"{detector.image_threshold:.4g}",
        "Pixel threshold": f"{detector.pixel_threshold:.4g} ({config.threshold.rule})",
    }
