"""Strict reading of image files: every file is read right or refused by name.

Read right: 1-bit, 8-bit and palette images; grey images of up to 16 bits and 16-bit colour in PNG,
whose full range becomes 0..255; CMYK and YCbCr (plain formulas: colour profiles are not applied);
an alpha channel that is opaque; EXIF orientation, which turns the image as viewers show it; the
first picture of a multi-picture JPEG, which is the photograph.

Refused: empty, truncated and damaged files, other formats whatever their extension, more than one
frame or page, transparent pixels (their colour is not defined), other depths and colour spaces, and
images of more than `MAX_PIXELS`.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from adjax.errors import UserError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
MAX_PIXELS = 89_478_485  # where Pillow starts to warn of decompression bombs: 256 MiB in colour

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
_DEEP_GREY = ("I;16", "I;16B", "I;16L")
_READABLE = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", *_DEEP_GREY)
_ORIENTATION, _BITS, _PHOTOMETRIC = 274, 258, 262  # tags of EXIF and TIFF

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # MAX_PIXELS refuses


class ImageFacts(NamedTuple):
    """Content of a file, and what had to be done to read it."""

    height: int
    width: int
    channels: int  # 1 grey, 3 colour
    remarks: tuple[str, ...]


def read_mask(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a ground-truth file as bool `[H, W]`: True where any channel is above 0.

    In JPEG and lossy WebP, which leave faint noise around what is drawn, above 127.

    Raises:
      UserError: naming the file and why it is refused.

    """
    with _opened(path) as image:
        lossy = image.format in ("JPEG", "MPO") or image.info.get("compression") == "jpeg"
        lossy |= image.format == "WEBP" and not _is_lossless_webp(path)
        if image.mode in _DEEP_GREY:  # not scaled: 1 marks a defect too
            value = np.asarray(ImageOps.exif_transpose(image))
        else:
            value = np.asarray(_plain(path, image, []))
    marked = value > (127 if lossy else 0)
    return marked if marked.ndim == 2 else marked.any(-1)


def inspect_image(path: str | os.PathLike[str]) -> ImageFacts:
    """Read an image file and say what it holds.

    Raises:
      UserError: naming the file and why it is refused.

    """
    remarks: list[str] = []
    image = decode(path, remarks)
    channels = 1 if image.mode == "L" else 3
    return ImageFacts(image.height, image.width, channels, tuple(remarks))


def decode(path: str | os.PathLike[str], remarks: list[str] | None = None) -> Image.Image:
    """Decode a file strictly to an image of mode "L" or "RGB".

    Args:
      path: file to read.
      remarks: a list to which is added what had to be done beyond plain decoding.

    Raises:
      UserError: naming the file and why it is refused.

    """
    with _opened(path) as image:
        return _plain(os.fspath(path), image, [] if remarks is None else remarks)


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """Open a file whose header is sound, its pixels still to be decoded."""
    path = os.fspath(path)
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    if not content:
        raise UserError(f"{path}: the file is empty (0 bytes)")
    with _refusals(path), Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        _check_header(path, image)
        if image.format == "PNG":
            Image.open(io.BytesIO(content), formats=_FORMATS).verify()  # checksums
        yield image


def read_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return height and width of an image file, from its header.

    Raises:
      UserError: naming the file, if it has no such header.

    """
    path = os.fspath(path)
    with _refusals(path), Image.open(path, formats=_FORMATS) as image:
        on_its_side = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        turned = on_its_side and image.format != "TIFF"  # where Pillow turns the size already
        return image.size if turned else image.size[::-1]


@contextlib.contextmanager
def _refusals(path: str) -> Iterator[None]:
    """Turn whatever Pillow raises into a UserError that names the file."""
    try:
        yield
    except UserError:
        raise
    except UnidentifiedImageError as error:
        raise UserError(
            f"{path}: damaged, or not a PNG, JPEG, BMP, TIFF or WebP image that can be read"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path) from error
    except Exception as error:  # of damaged files: Pillow has no common base
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(f"{path}: damaged image ({reason})") from error


def _is_lossless_webp(path: str | os.PathLike[str]) -> bool:
    """Return whether a WebP file has a chunk of its lossless codec."""
    with open(path, "rb") as file:
        return b"VP8L" in file.read()


def _check_header(path: str, image: Image.Image) -> None:
    """Refuse a file for what can be seen before its pixels are decoded."""
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(path, f"{image.width} x {image.height}, ")
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise UserError(f"{path}: has {image.n_frames} frames or pages, save one image a file")
    if image.mode not in _READABLE:
        raise UserError(
            f"{path}: pixels of mode {image.mode} are not supported, convert to 8-bit grey or RGB"
        )
    tags = getattr(image, "tag_v2", {})
    if image.mode in _DEEP_GREY and tags.get(_PHOTOMETRIC) == 0:
        raise UserError(f"{path}: 16-bit TIFF with inverted grey values, convert it to 8-bit grey")


def _too_large(path: str, size: str = "") -> UserError:
    return UserError(
        f"{path}: too large ({size}at most {MAX_PIXELS / 1e6:.0f} megapixels), "
        "cut it into smaller images"
    )


def _plain(path: str, image: Image.Image, remarks: list[str]) -> Image.Image:
    """Decode the pixels and bring them to mode "L" or "RGB"."""
    mode = image.mode
    deep_colour = mode not in _DEEP_GREY and any(";16" in str(tile[3]) for tile in image.tile)
    turned = image.getexif().get(_ORIENTATION) in range(2, 9)  # may decode, so after the tiles
    bits = getattr(image, "tag_v2", {}).get(_BITS, (16,))[0]
    image.load()
    if turned:
        image = ImageOps.exif_transpose(image)
        remarks.append("turned as its EXIF orientation says")
    if image.has_transparency_data:
        _refuse_transparent(path, image)
        image.info.pop("transparency", None)
        remarks.append("alpha channel left out (opaque everywhere)")
    if mode in _DEEP_GREY:
        remarks.append(f"{bits}-bit grey scaled to 8 bits by its full range")
        return _scale_grey(image, bits)
    if deep_colour:
        remarks.append("16 bits reduced to their upper 8")
    if mode in ("P", "PA"):
        remarks.append("palette replaced by its colours")
    if mode == "CMYK":
        remarks.append("CMYK converted to RGB by the plain formula")
    return image.convert("L" if mode in ("1", "L", "LA") else "RGB")


def _refuse_transparent(path: str, image: Image.Image) -> None:
    if image.mode in _DEEP_GREY or image.convert("RGBA").getextrema()[3][0] < 255:
        raise UserError(f"{path}: has transparent pixels, flatten it on a background first")


def _scale_grey(image: Image.Image, bits: int) -> Image.Image:
    """Round v / (2^bits - 1) x 255."""
    value, top = np.asarray(image).astype(np.uint32), 2**bits - 1
    return Image.fromarray(((value * 255 + top // 2) // top).astype(np.uint8))
