"""Prediction for a folder of photographs: heat maps, masks, a table, a contact sheet.

Files are streamed: memory holds at most two batches at the detector's size, and of photographs at
their own size what `adjax.datasets.memory` allows. The table is written as results come in, so they
survive an interruption. Whatever is wrong with one photograph is told in its row.
"""

import collections
import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adjax.datasets import memory
from adjax.datasets.images import ImageFacts, darkness, decode_with_facts
from adjax.datasets.industrial import resize_image
from adjax.detect.detector import Detector, load_detector
from adjax.detect.photographs import Photograph, find_photographs
from adjax.detect.pictures import check_output, score_columns, write_pictures
from adjax.errors import UserError, disk_full, first_line
from adjax.reports.contact_sheet import write_contact_sheet
from adjax.reports.prediction_table import NAME, TableWriter
from adjax.reports.small_maps import SmallMap, SmallMaps, shrunk, side_of
from adjax.training import Progress


class Prediction(NamedTuple):
    """Summary of a prediction.

    Attributes:
      output: the folder that was written.
      images: number of image files, and of folders that could not be listed.
      anomalous: number of images decided to be anomalous.
      failed: number of images that could not be read or whose pictures could not be written.
      left_out: number of files that are no images by their extension.
      images_per_second: rate from file to file, without loading and compiling.
      model_images_per_second: rate of the detector alone, in batches of the same size.
      scored: number of images that have a score, drawn or not.
      notes: sentences on other files that were left out, and on images that are too dark.

    """

    output: Path
    images: int
    anomalous: int
    failed: int
    left_out: int
    images_per_second: float
    model_images_per_second: float
    scored: int
    notes: tuple[str, ...]


class _Image(NamedTuple):
    """A photograph at the detector's size, uint8 `[S, S, C]`, and what its file holds."""

    pixels: np.ndarray
    facts: ImageFacts


class _Done(NamedTuple):
    """A photograph's row of the table, and its anomaly map for the contact sheet, if it has one."""

    row: dict[str, Any]
    map: SmallMap | None


def predict(
    directory: str | Path,
    images: str | Path,
    output: str | Path,
    batch_size: int = 0,
    member: int = 0,
    threshold: float | None = None,
    pixel_threshold: float | None = None,
    command: str = "",
) -> Prediction:
    """Score every image of a folder and its subfolders.

    Writes `OUTPUT/heatmaps/NAME.png`, `OUTPUT/masks/NAME.png` and `OUTPUT/thumbnails/NAME.jpg` for
    every image, `OUTPUT/predictions.csv` with a row each (`reports.prediction_table`) and
    `OUTPUT/index.html`, the most anomalous first. An image is anomalous if its score reaches the
    threshold; in the mask of an anomalous image lies what reaches the pixel threshold, that of a
    normal one is empty.

    Args:
      directory: the folder of a finished run.
      images: a folder, or one file.
      output: the folder to write, created if need be; files of these names are replaced.
      batch_size: images at a time; 0: as in the run's evaluation.
      member: index into `config.members`.
      threshold: of the image score, in place of the one that the run chose.
      pixel_threshold: of the anomaly map, likewise.
      command: that the contact sheet gives with other thresholds.

    Raises:
      UserError: if there is no detector, a threshold is no finite number, there are no images, or
        the folder cannot be written.

    """
    images, output = Path(images), Path(output)
    photographs, left_out, notes = find_photographs(images, output)
    check_output(output)
    detector = load_detector(directory, member, threshold, pixel_threshold)
    detector.require_thresholds()
    size = min(batch_size or detector.settings.evaluation.batch_size, len(photographs))
    with _told(output):
        output.mkdir(parents=True, exist_ok=True)
    model_rate = _model_rate(detector, size)
    start = time.perf_counter()
    counts: collections.Counter[str] = collections.Counter()
    depths: collections.Counter[tuple[int, int]] = collections.Counter()
    with _told(output), SmallMaps(output, side_of(detector.image_size)) as maps:
        with TableWriter(output / NAME) as table:
            progress = Progress("predict", len(photographs), unit="image")
            for done in _done(detector, photographs, size, output, depths):
                rows = [one.row for one in done]
                table.write(rows)
                for one in done:
                    maps.append(one.map)
                counts.update(images=len(rows), failed=sum(bool(row.get("error")) for row in rows))
                counts.update(row["decision"] for row in rows if "decision" in row)
                rate = counts["images"] / (time.perf_counter() - start)
                told = {"anomalous": counts["anomalous"], "images/s": rate}
                progress.show(counts["images"], told)
            progress.close()
        rate = len(photographs) / (time.perf_counter() - start)
        notes = (*notes, *filter(None, [darkness(depths)]))
        facts = _facts(detector, directory, images, member, notes)
        write_contact_sheet(output, facts, maps, command)
    numbers = counts["anomalous"], counts["failed"], left_out
    scored = counts["anomalous"] + counts["normal"]
    return Prediction(output, len(photographs), *numbers, rate, model_rate, scored, notes)


@contextlib.contextmanager
def _told(output: Path) -> Iterator[None]:
    """Turn errors of writing the table or a page into a `UserError`; a full disk has its own."""
    try:
        yield
    except OSError as error:
        if disk_full(error):
            raise
        raise UserError(f"cannot write to --output={output}: {error}") from error


def _model_rate(detector: Detector, size: int, repeats: int = 3) -> float:
    """Measure the images per second of the detector alone, in batches of `size`; compiles it."""
    shape = detector.image_size, detector.image_size, detector.channels
    image = np.zeros((size, *shape), np.uint8)
    detector.score_batch(image)
    start = time.perf_counter()
    for _ in range(repeats):
        detector.score_batch(image)
    return repeats * size / (time.perf_counter() - start)


def _done(
    detector: Detector,
    photographs: list[Photograph],
    size: int,
    output: Path,
    depths: collections.Counter,
) -> Iterator[list[_Done]]:
    """Yield what is written of photographs in their order, a batch at a time.

    Counts in `depths` the images by depth and bits used.
    """
    written: list[Future] = []  # pictures of the previous batch
    with ThreadPoolExecutor(os.cpu_count(), "photographs") as threads:
        try:
            for part, batch in _batches(detector, photographs, size, threads):
                depths.update(one.facts[-2:] for one in batch if isinstance(one, _Image))
                try:
                    scores = detector.score_batch(_stacked(detector, batch, size))
                finally:  # what is done stays, whatever becomes of this batch
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
    detector: Detector, photographs: list[Photograph], size: int, threads: ThreadPoolExecutor
) -> Iterator[tuple[list[Photograph], list[_Image | UserError]]]:
    """Yield batches of photographs with their images at the detector's size, or their errors.

    The next batch is read in the meantime.
    """
    parts = [photographs[first : first + size] for first in range(0, len(photographs), size)]

    def read(part: Iterable[Photograph]) -> list[Future]:
        return [threads.submit(_read, detector, one) for one in part]

    ahead = read(parts[0])
    for number, part in enumerate(parts, 1):
        ready, ahead = ahead, read(parts[number]) if number < len(parts) else []
        yield part, [future.result() for future in ready]


def _read(detector: Detector, photograph: Photograph) -> _Image | UserError:
    path = photograph.path
    try:
        if photograph.error:
            raise UserError(photograph.error)
        with memory.room_for(path):
            return _decoded(detector, path)
    except UserError as error:
        return error
    except Exception as error:  # no file ends the folder
        return UserError(f"cannot read {path}: {first_line(error)}")


def _decoded(detector: Detector, path: Path) -> _Image:
    image, facts = decode_with_facts(path, detector.bits)
    return _Image(resize_image(image, detector.image_size, detector.channels), facts)


def _stacked(detector: Detector, batch: list[_Image | UserError], size: int) -> np.ndarray:
    """Stack to uint8 `[size, S, S, C]`, black where an image is missing: one shape, one program."""
    shape = detector.image_size, detector.image_size, detector.channels
    image = np.zeros((size, *shape), np.uint8)
    for place, one in zip(image, batch, strict=False):
        if isinstance(one, _Image):
            place[:] = one.pixels
    return image


def _row_of(scores: dict[str, np.ndarray], row: int) -> dict[str, np.ndarray]:
    return {name: value[row] for name, value in scores.items()}


def _write(
    detector: Detector,
    photograph: Photograph,
    image: _Image | UserError,
    scores: dict[str, np.ndarray],
    output: Path,
) -> _Done:
    """Write one photograph's pictures; return its row of the table, with all that is known."""
    row: dict[str, Any] = {"path": photograph.shown}
    small = None
    try:
        if isinstance(image, UserError):
            raise image
        row |= score_columns(detector, photograph, scores)
        small = shrunk(scores["anomaly_map"])
        row |= write_pictures(detector, photograph, scores, output)
    except UserError as error:
        row["error"] = str(error)
    except Exception as error:  # no file ends the folder
        row["error"] = f"cannot write the pictures of {photograph.path}: {first_line(error)}"
    return _Done(row, small)


def _facts(
    detector: Detector, directory: str | Path, images: Path, member: int, notes: tuple[str, ...]
) -> dict[str, str]:
    """Return the facts that head the contact sheet."""
    settings = detector.settings
    which = [settings.method, settings.data.normal_class or settings.data.name]
    if settings.members:
        which.append(f"member {member}")
    return {
        "Photographs": str(images),
        "Detector": f"{directory} ({', '.join(which)})",
        "Image threshold": f"{detector.image_threshold:.4g} ({detector.image_threshold_rule})",
        "Pixel threshold": f"{detector.pixel_threshold:.4g} ({detector.pixel_threshold_rule})",
        **({"Notes": "; ".join(notes)} if notes else {}),
    }
