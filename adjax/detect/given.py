"""Images as a caller has them, one after the other.

An array is uint8, or floating-point in [0, 1], which is rounded to 256 levels as every image that
is trained on has them: `[B, H, W, C]`; `[H, W]`, a grey image; of three axes one image `[H, W, C]`
where the last is 1 or 3, else grey ones `[B, H, W]`. A path is that of a file, or of a folder with
all images in and below it. Anything else that can be walked over is several of these.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from adjax.datasets.images import decode
from adjax.detect.photographs import list_photographs
from adjax.errors import UserError

Images = np.ndarray | Image.Image | str | os.PathLike[str] | Iterable
_PLAIN = ("1", "L", "P", "RGB")
_ALPHA = ("LA", "PA", "RGBA")


def each(images: Images, bits: int = 0) -> Iterator[Image.Image]:
    """Yield images at their own size, each of mode "L" or "RGB".

    Args:
      images: as said above.
      bits: of a grey level of deep files, see `datasets.images.decode`.

    Raises:
      UserError: for what is no image.

    """
    if isinstance(images, str | os.PathLike):
        path = Path(images)
        for photograph in list_photographs(path, str(path)).photographs:
            if photograph.error:
                raise UserError(photograph.error)
            yield decode(photograph.path, bits)
    elif isinstance(images, Image.Image):
        yield _plain(images)
    elif hasattr(images, "__array__"):
        for image in _of_array(np.asarray(images)):
            yield Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    elif isinstance(images, Iterable) and not isinstance(images, bytes | dict):
        for one in images:
            yield from each(one, bits)
    else:
        raise UserError(f"{type(images).__name__} is no image: give arrays, PIL images or paths")


def in_batches(images: Iterator[np.ndarray], size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield batches `[B, S, S, C]` of images and how many are in each.

    All batches have one size, so that one program scores them: the last one is filled up with
    black, unless it is the only one.
    """
    is_first = True
    while batch := [image for _, image in zip(range(size), images, strict=False)]:
        missing = 0 if is_first else size - len(batch)
        yield np.stack([*batch, *missing * [np.zeros_like(batch[0])]]), len(batch)
        is_first = False


def _plain(image: Image.Image) -> Image.Image:
    """Return a PIL image without its alpha channel; refuse what is not defined without it."""
    if image.mode in _ALPHA or (image.mode in _PLAIN and image.has_transparency_data):
        if np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
            raise UserError("an image has transparent pixels: flatten it on a background first")
    elif image.mode not in _PLAIN:
        raise UserError(f"an image has the mode {image.mode}: convert it to 8-bit grey or RGB")
    mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _of_array(array: np.ndarray) -> np.ndarray:
    """Return an array of images as uint8 `[B, H, W, C]`."""
    shape = list(array.shape)
    if array.ndim == 2:
        array = array[None, ..., None]
    elif array.ndim == 3:
        array = array[None] if array.shape[-1] in (1, 3) else array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or 0 in array.shape[1:]:
        raise UserError(f"an array {shape} holds no images: give [B, H, W, C], C 1 or 3")
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"images of {array.dtype}: give uint8, or floats in [0, 1]")
    low, high = (float(f(array, initial=0.0)) for f in (np.min, np.max))
    if not (low >= 0 and high <= 1):  # also where one is not finite
        raise UserError(
            f"images of values from {low:g} to {high:g}: give uint8, or floats in [0, 1]"
        )
    return np.rint(array * 255).astype(np.uint8)
