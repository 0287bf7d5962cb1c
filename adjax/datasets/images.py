"""Strict reading of image files: a file is read as it was written, or refused by name.

Read: 1-bit, 8-bit and palette images; grey images of up to 16 bits, whose full range becomes
0..255, or that of their lowest bits if so told; 16-bit colour in PNG by its upper 8 bits; CMYK and
YCbCr (plain formulas: colour profiles are not applied); an alpha channel that is opaque; EXIF
orientation, which turns the image as viewers show it; the first picture of a multi-picture JPEG,
which is the photograph.

Refused: empty and truncated files, other formats whatever their extension, more than one frame or
page, transparent pixels (their colour is not defined), other depths and colour spaces, and images
of more than `MAX_PIXELS`.

Damage within a file is known where the format has checksums: a changed bit in the pixels of a PNG
or of a TIFF compressed by deflate is refused. JPEG, WebP, BMP and TIFF of any other compression
have none. What their decoder cannot make sense of is refused, but a changed bit may decode to other
pixels, and nothing in the file tells.
"""

import contextlib
import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from adjax.errors import UserError, first_line

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
MAX_PIXELS = 89_478_485  # where Pillow starts to warn of decompression bombs: 256 MiB in colour
MAX_BYTES = 8 * MAX_PIXELS  # of a file: four channels of 16 bits, not compressed

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
_DEEP_GREY = ("I;16", "I;16B", "I;16L")
_READABLE = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", *_DEEP_GREY)
_ORIENTATION, _BITS, _PHOTOMETRIC, _COMPRESSION = 274, 258, 262, 259  # tags of EXIF and TIFF
_STRIPS, _TILES = (273, 279), (324, 325)  # tags: where they are, and how long
_DEFLATE = (8, 32946)  # values of the tag of compression
_INFLATED_AT_ONCE = 1 << 20  # bytes

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # MAX_PIXELS refuses


class ImageFacts(NamedTuple):
    """Content of a file, and what had to be done to read it."""

    height: int
    width: int
    channels: int  # 1 grey, 3 colour
    remarks: tuple[str, ...]
    depth: int = 8  # bits of a grey level, of which the full range became 0..255
    used: int = 8  # how many of them, the lowest ones, hold all levels that there are


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
            value = np.asarray(_plain(os.fspath(path), image, [])[0])
    marked = value > (127 if lossy else 0)
    return marked if marked.ndim == 2 else marked.any(-1)


def inspect_image(path: str | os.PathLike[str], bits: int = 0) -> ImageFacts:
    """Read an image file and say what it holds.

    Args:
      path: file to read.
      bits: as in `decode`.

    Raises:
      UserError: naming the file and why it is refused.

    """
    return decode_with_facts(path, bits)[1]


def decode(path: str | os.PathLike[str], bits: int = 0) -> Image.Image:
    """Decode a file strictly to an image of mode "L" or "RGB".

    Args:
      path: file to read.
      bits: of a grey level, where a file has more than 8: the range of the lowest ones becomes
        0..255, and a file with a level beyond it is refused; 0: all that the file has.

    Raises:
      UserError: naming the file and why it is refused.

    """
    return decode_with_facts(path, bits)[0]


def decode_with_facts(
    path: str | os.PathLike[str], bits: int = 0
) -> tuple[Image.Image, ImageFacts]:
    """Decode a file as `decode` does; return the facts of `inspect_image` with the image."""
    remarks: list[str] = []
    with _opened(path) as opened:
        image, depth, used = _plain(os.fspath(path), opened, remarks, bits)
    channels = 1 if image.mode == "L" else 3
    facts = ImageFacts(image.height, image.width, channels, tuple(remarks), depth, used)
    return image, facts


def darkness(images: Mapping[tuple[int, int], int]) -> str | None:
    """Return a sentence on deep images that leave their upper bits empty together, else None.

    They come from cameras of fewer bits: scaled by the full range they are nearly black.

    Args:
      images: how many there are, by their depth and how many bits of it they use.

    """
    depth = max((depth for depth, _ in images), default=8)
    deep = {used: count for (of, used), count in images.items() if of == depth}
    used = max(deep, default=0)
    if depth == 8 or not 0 < used <= depth - 2:  # one bit may be a dark scene
        return None
    levels = round((2**used - 1) * 255 / (2**depth - 1)) + 1
    of_camera = max(8, used + used % 2)
    count = sum(deep.values())
    who = "the image" if count == 1 else f"all {count:,} images"
    return (
        f"{who} of {depth} bits use only the lowest {used}: at most {levels} of 256 grey levels "
        f"are left, nearly black; --config.data.bits={of_camera} scales by those"
    )


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """Open a file whose header is sound, its pixels still to be decoded."""
    path = os.fspath(path)
    _check_file(path)
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    with _refusals(path), Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        _check_header(path, image)
        if image.format == "PNG":
            Image.open(io.BytesIO(content), formats=_FORMATS).verify()  # checksums
        if image.format == "TIFF" and image.tag_v2.get(_COMPRESSION) in _DEFLATE:
            _verify_strips(image.tag_v2, content)
        yield image


@contextlib.contextmanager
def _header(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """Open a file of which the header is read, its pixels neither checked nor decoded."""
    path = os.fspath(path)
    _check_file(path)
    with _refusals(path), Image.open(path, formats=_FORMATS) as image:
        yield image


def _verify_strips(tags: Mapping, content: bytes) -> None:
    """Inflate all strips or tiles of a TIFF: its decoder stops short of their checksums."""
    kinds = _STRIPS if _STRIPS[0] in tags else _TILES
    for offset, count in zip(*(tags[kind] for kind in kinds), strict=True):
        stream, part = zlib.decompressobj(), content[offset : offset + count]
        while part and not stream.eof:
            stream.decompress(part, _INFLATED_AT_ONCE)
            part = stream.unconsumed_tail
        if not stream.eof:
            raise zlib.error("incomplete")


def read_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return height and width of an image file, from its header.

    Raises:
      UserError: naming the file, if it has no such header.

    """
    with _header(path) as image:
        if image.format == "TIFF":  # where Pillow turns the size already
            return image.size[::-1]
        known = image.format != "PNG" or _has_text(path)  # else Pillow decodes a PNG to know
        turned = known and image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        return image.size if turned else image.size[::-1]


def count_pixels(path: str | os.PathLike[str]) -> int:
    """Return height x width of an image file, from its header.

    Raises:
      UserError: naming the file, if it has no such header.

    """
    with _header(path) as image:
        return image.width * image.height


def _has_text(path: str) -> bool:
    """Return whether a PNG has a chunk, maybe behind its pixels, that may say how it is turned."""
    with open(path, "rb") as file:
        file.seek(8)  # its signature
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind in (b"eXIf", b"iTXt", b"tEXt", b"zTXt"):
                return True
            file.seek(length + 4, os.SEEK_CUR)  # and its checksum
    return False


def _check_file(path: str) -> None:
    """Refuse what cannot be opened as a file; a pipe would be waited for without end."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"cannot read {path}: it is no file")
    if not found.st_size:
        raise UserError(f"{path}: the file is empty (0 bytes)")
    if found.st_size > MAX_BYTES:
        raise _too_large(path, f"{found.st_size / 1e6:.0f} MB, ")


def is_deep(path: str | os.PathLike[str]) -> bool:
    """Return whether an image file has more than 8 bits a grey level, from its header.

    Raises:
      UserError: naming the file, if it has no such header.

    """
    with _header(path) as image:
        return image.mode in _DEEP_GREY or _is_deep_colour(image)


def _is_deep_colour(image: Image.Image) -> bool:
    """Return whether an image that is opened, and not yet decoded, is reduced from 16 bits."""
    return image.mode not in _DEEP_GREY and any(";16" in str(tile[3]) for tile in image.tile)


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
    except MemoryError as error:
        raise UserError(f"{path}: there is not enough memory to read it") from error
    except Exception as error:  # of damaged files: Pillow has no common base
        raise UserError(f"{path}: damaged image ({first_line(error)})") from error


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


def _plain(
    path: str, image: Image.Image, remarks: list[str], bits: int = 0
) -> tuple[Image.Image, int, int]:
    """Decode the pixels and bring them to mode "L" or "RGB"; return their depth and use too."""
    mode = image.mode
    deep_colour = _is_deep_colour(image)
    turned = image.getexif().get(_ORIENTATION) in range(2, 9)  # may decode, so after the tiles
    own = getattr(image, "tag_v2", {}).get(_BITS, (16,))[0]
    image.load()
    if turned:
        image = ImageOps.exif_transpose(image)
        remarks.append("turned as its EXIF orientation says")
    if image.has_transparency_data:
        _refuse_transparent(path, image)
        image.info.pop("transparency", None)
        remarks.append("alpha channel left out (opaque everywhere)")
    if mode in _DEEP_GREY:
        depth = min(bits or own, own)
        by = "full range" if depth == own else f"lowest {depth}"
        remarks.append(f"{own}-bit grey scaled to 8 bits by its {by}")
        return _scale_grey(path, image, depth)
    if mode in ("P", "PA"):
        remarks.append("palette replaced by its colours")
    if mode == "CMYK":
        remarks.append("CMYK converted to RGB by the plain formula")
    plain = "L" if mode in ("1", "L", "LA") else "RGB"
    image = image if image.mode == plain else image.convert(plain)  # a copy is as large
    if not deep_colour:
        return image, 8, 8
    if bits not in (0, 16):
        raise UserError(
            f"{path}: 16-bit colour is read by its upper 8 bits, and config.data.bits={bits} is of "
            "grey images: convert it to 8-bit colour"
        )
    remarks.append("16 bits reduced to their upper 8")
    return image, 16, 8 + max(high for _, high in image.getextrema()).bit_length()


def _refuse_transparent(path: str, image: Image.Image) -> None:
    if image.mode in _DEEP_GREY or image.convert("RGBA").getextrema()[3][0] < 255:
        raise UserError(f"{path}: has transparent pixels, flatten it on a background first")


def _scale_grey(path: str, image: Image.Image, depth: int) -> tuple[Image.Image, int, int]:
    """Round v / (2^depth - 1) x 255; return the depth and how many bits the levels use too."""
    value, top = np.asarray(image), 2**depth - 1
    most = int(value.max())
    if most > top:
        raise UserError(
            f"{path}: has a grey level of {most}, beyond the {top} of config.data.bits={depth}"
        )
    scaled = (np.arange(top + 1, dtype=np.uint32) * 255 + top // 2) // top
    return Image.fromarray(scaled.astype(np.uint8)[value]), depth, most.bit_length()
