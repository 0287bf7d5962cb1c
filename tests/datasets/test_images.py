"""Every image file is read right or refused by name."""

import contextlib
import os
import struct
import zlib

import numpy as np
import pytest
from industrial_helpers import mask, picture, read_image, write
from PIL import Image

from adjax.datasets import images
from adjax.datasets.images import EXTENSIONS, inspect_image, read_mask, read_size
from adjax.datasets.industrial import resize_image
from adjax.errors import UserError

GREY, COLOUR = picture(0, (6, 4)), picture(1, (6, 4, 3))
LOSSLESS = ("png", "bmp", "tif", "tiff", "webp")


def refusal(path, read=read_image):
    """The one line that refuses a file, without its path."""
    with pytest.raises(UserError) as caught:
        read(path)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text.replace(str(path), "")


@pytest.mark.parametrize("extension", LOSSLESS)
def test_lossless_formats_are_exact(tmp_path, extension):
    path = write(
        tmp_path / f"a.{extension}", COLOUR, **{"lossless": True} if extension == "webp" else {}
    )
    np.testing.assert_array_equal(read_image(path), COLOUR)
    assert inspect_image(path) == (6, 4, 3, (), 8, 8)
    if extension != "webp":  # has no grey
        np.testing.assert_array_equal(read_image(write(path, GREY)), GREY[..., None])


@pytest.mark.parametrize("extension", ["JPG", "jpeg"])
def test_jpeg_is_close(tmp_path, extension):
    smooth = np.linspace(0, 255, 64, dtype=np.uint8).reshape(8, 8)
    path = write(tmp_path / f"a.{extension}", smooth, format="JPEG", quality=95)
    assert path.suffix.lower() in EXTENSIONS
    assert np.abs(read_image(path)[..., 0].astype(int) - smooth).max() <= 4


def test_channels(tmp_path):
    grey, colour = write(tmp_path / "g.png", GREY[:4]), write(tmp_path / "c.png", COLOUR[:4])
    image = resize_image(images.decode(grey), 4, 3)
    np.testing.assert_array_equal(image, np.repeat(GREY[:4, :, None], 3, -1))
    luma = (COLOUR[:4] @ [0.299, 0.587, 0.114])[..., None]
    assert np.abs(resize_image(images.decode(colour), 4, 1) - luma).max() <= 1


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 16])
@pytest.mark.parametrize("extension", ["png", "tif"])
def test_deep_grey_is_scaled_by_the_bits_that_are_told(tmp_path, extension, bits):
    top = 2**bits - 1
    deep = np.append(picture(0, (5, 19)).astype(np.uint16) * (top // 255), np.uint16(top))
    path = write(tmp_path / f"a.{extension}", deep.reshape(8, 12))
    image = np.asarray(images.decode(path, bits)).ravel()
    np.testing.assert_array_equal(image, np.floor(deep * (255 / top) + 0.5))
    facts = inspect_image(path, bits)
    assert (facts.depth, facts.used) == (bits, bits)
    assert ("full range" in facts.remarks[0]) == (bits == 16)
    assert inspect_image(path)[-2:] == (16, bits)
    if bits < 16:
        write(path, np.append(deep, np.uint16(top + 1)).reshape(1, -1))
        line = f": has a grey level of {top + 1}, beyond the {top} of config.data.bits={bits}"
        assert refusal(path, lambda path: images.decode(path, bits)) == line


def test_bits_are_of_deep_grey_alone(tmp_path):
    import tensorflow as tf

    path = write(tmp_path / "a.png", COLOUR)
    np.testing.assert_array_equal(images.decode(path, 12), COLOUR)
    deep = COLOUR.astype(np.uint16) * 256 + 77
    path.write_bytes(tf.io.encode_png(deep).numpy())
    assert inspect_image(path)[-2:] == inspect_image(path, 16)[-2:] == (16, 16)
    assert "convert it to 8-bit colour" in refusal(path, lambda path: images.decode(path, 12))
    path.write_bytes(tf.io.encode_png(deep // 16).numpy())
    assert inspect_image(path).used == 12
    assert images.is_deep(path)
    assert not images.is_deep(write(tmp_path / "b.png", GREY))


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({}, None),
        ({(8, 8): 5}, None),
        ({(16, 0): 5}, None),  # all black: nothing is known
        ({(16, 15): 5}, None),
        ({(16, 12): 5, (16, 16): 1}, None),
        ({(8, 8): 3, (16, 12): 5, (16, 7): 6}, "all 11 images of 16 bits use only the lowest 12: "),
        ({(16, 11): 5}, "--config.data.bits=12 scales"),
        ({(16, 3): 1}, "the image of 16 bits use only the lowest 3: at most 1 of"),
        ({(12, 8): 2}, "--config.data.bits=8 scales"),
        ({(16, 12): 2}, "at most 17 of 256 grey levels"),
    ],
)
def test_what_leaves_its_upper_bits_empty_is_told(counts, said):
    sentence = images.darkness(counts)
    assert sentence is None if said is None else said in sentence


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_16_bit_grey_is_scaled_by_its_full_range(tmp_path, extension):
    deep = np.array([[0, 128, 129, 257, 32768, 65406, 65407, 65535]], np.uint16)
    path = write(tmp_path / f"a.{extension}", deep)
    np.testing.assert_array_equal(read_image(path)[0, :, 0], [0, 0, 1, 1, 128, 254, 255, 255])
    assert inspect_image(path).remarks == ("16-bit grey scaled to 8 bits by its full range",)


def test_16_bit_colour_keeps_its_upper_bits(tmp_path):
    import tensorflow as tf

    deep = COLOUR.astype(np.uint16) * 256 + 77
    (tmp_path / "a.png").write_bytes(tf.io.encode_png(deep).numpy())
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOUR)
    assert "upper 8" in inspect_image(tmp_path / "a.png").remarks[0]


def test_palette_has_its_colours(tmp_path):
    image = Image.fromarray(COLOUR).quantize(16)
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.asarray(image.convert("RGB")))
    assert inspect_image(tmp_path / "a.png").remarks == ("palette replaced by its colours",)


def test_one_bit(tmp_path):
    Image.fromarray(GREY > 127).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[..., 0], (GREY > 127) * 255)


@pytest.mark.parametrize("extension", ["jpg", "tif"])
def test_cmyk_has_its_colours(tmp_path, extension):
    flat = np.broadcast_to(np.array([200, 120, 40], np.uint8), (16, 16, 3))
    Image.fromarray(flat).convert("CMYK").save(tmp_path / f"a.{extension}")
    image = read_image(tmp_path / f"a.{extension}").astype(int)
    assert np.abs(image - flat).max() <= 3
    assert "CMYK" in inspect_image(tmp_path / f"a.{extension}").remarks[0]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("extension", ["png", "tif"])
def test_alpha_must_be_opaque(tmp_path, mode, extension):
    path = tmp_path / f"a.{extension}"
    image = Image.fromarray(GREY).convert(mode)
    image.save(path)
    np.testing.assert_array_equal(read_image(path)[..., 0], GREY)
    assert "alpha" in inspect_image(path).remarks[0]
    image.putpixel((2, 1), (*[0] * (len(mode) - 1), 254))
    image.save(path)
    assert "transparent pixels" in refusal(path)


def test_transparent_colour_of_a_palette_is_refused(tmp_path):
    image = Image.fromarray(np.arange(4, dtype=np.uint8).reshape(2, 2)).convert("P")
    image.save(tmp_path / "a.png", transparency=0)
    assert "transparent pixels" in refusal(tmp_path / "a.png")


@pytest.mark.parametrize("extension", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns(tmp_path, extension, orientation):
    upright = np.kron(picture(3, (3, 2)), np.ones((16, 16), np.uint8))
    upright = np.repeat(upright[..., None], 3, -1)
    flips = {1: 0, 2: 1, 3: 0, 4: 1, 5: 1, 6: 0, 7: 1, 8: 0}
    turns = {1: 0, 2: 0, 3: 2, 4: 2, 5: 3, 6: 1, 7: 1, 8: 3}
    stored = np.rot90(upright, turns[orientation])
    stored = stored[:, ::-1] if flips[orientation] else stored
    exif = Image.Exif()
    exif[274] = orientation
    path = write(tmp_path / f"a.{extension}", np.ascontiguousarray(stored), exif=exif)
    image = read_image(path)
    assert image.shape == upright.shape
    assert read_size(path) == upright.shape[:2]
    assert np.abs(image.astype(int) - upright).mean() < 8
    assert bool(inspect_image(path).remarks) == (orientation != 1)


@pytest.mark.parametrize("kind", ["eXIf", "iTXt"])
def test_a_png_may_say_behind_its_pixels_how_it_is_turned(tmp_path, kind):
    exif = Image.Exif()
    exif[274] = 6
    packet = b'<x tiff:Orientation="6"/>'
    data = {"eXIf": exif.tobytes()[6:], "iTXt": b"XML:com.adobe.xmp\0\0\0\0\0" + packet}[kind]
    path = write(tmp_path / "a.png", GREY)
    content = path.read_bytes()
    chunk = kind.encode() + data
    late = struct.pack(">I", len(data)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(content[:-12] + late + content[-12:])
    np.testing.assert_array_equal(read_image(path)[..., 0], np.rot90(GREY, 3))
    assert read_size(path) == (4, 6)
    assert images.count_pixels(path) == GREY.size


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "jpg", "webp"])
def test_damaged_files_are_refused(tmp_path, extension):
    path = write(tmp_path / f"a.{extension}", picture(2, (40, 30, 3)))
    content = path.read_bytes()
    for keep in (0, 1, 30, len(content) // 2, len(content) - 40):
        path.write_bytes(content[:keep])
        text = refusal(path)
        assert ("empty (0 bytes)" in text) == (keep == 0)
        refusal(path, read_mask)
        refusal(path, inspect_image)


SMOOTH = np.clip(np.cumsum(picture(0, (60, 80, 3)) / 64.0 - 2, 1) + 120, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("extension", "options", "header"),
    [
        ("png", {}, 8),
        ("tif", {"compression": "tiff_adobe_deflate"}, 8),
        ("tif", {"compression": "tiff_deflate"}, 8),
        ("tif", {"compression": "tiff_adobe_deflate", "tiffinfo": {278: 7}}, 8),  # rows of a strip
    ],
)
def test_a_changed_bit_is_noticed_where_there_are_checksums(tmp_path, extension, options, header):
    path = write(tmp_path / f"a.{extension}", SMOOTH, **options)
    content = path.read_bytes()
    end = len(content)
    if extension == "tif":  # behind the pixels lie tags, which nothing protects
        end = int.from_bytes(content[4:8], "little")
    random = np.random.default_rng(0)
    for position in random.integers(header, end, 150):
        changed = bytearray(content)
        changed[position] ^= 1 << random.integers(8)
        path.write_bytes(changed)
        refusal(path)
        refusal(path, read_mask)


@pytest.mark.parametrize(
    ("extension", "options"),
    [
        ("jpg", {}),
        ("webp", {}),
        ("webp", {"lossless": True}),
        ("bmp", {}),
        ("tif", {}),
        ("tif", {"compression": "tiff_lzw"}),
    ],
)
def test_where_there_are_none_damage_is_refused_or_an_image(tmp_path, extension, options):
    path = write(tmp_path / f"a.{extension}", SMOOTH, **options)
    content, random = path.read_bytes(), np.random.default_rng(1)
    for _ in range(60):
        changed = bytearray(content)
        for position in random.integers(0, len(content), random.integers(1, 20)):
            changed[position] = random.integers(256)
        path.write_bytes(changed[: random.integers(1, len(changed) + 1)])
        with contextlib.suppress(UserError):
            assert images.decode(path).mode in ("L", "RGB")


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.png", b"not an image"), ("a.jpg", b"\xff\xd8\xff"), ("a.tif", b"II*\x00\x08\x00\x00\x00")],
)
def test_other_content_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert "damaged" in refusal(tmp_path / name)


def test_other_formats_are_refused_whatever_their_extension(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png", format="GIF")
    assert "not a PNG" in refusal(tmp_path / "a.png")


@pytest.mark.parametrize("extension", ["png", "tif", "webp"])
def test_several_frames_are_refused(tmp_path, extension):
    frames = [Image.fromarray(picture(seed, (6, 4, 3))) for seed in range(2)]
    frames[0].save(tmp_path / f"a.{extension}", save_all=True, append_images=frames[1:])
    assert "2 frames or pages" in refusal(tmp_path / f"a.{extension}")


@pytest.mark.parametrize("array", [GREY.astype(np.float32), GREY.astype(np.int32)])
def test_other_depths_are_refused(tmp_path, array):
    assert "mode" in refusal(write(tmp_path / "a.tif", array))


def test_huge_images_are_refused_from_their_header(tmp_path, monkeypatch):
    path = write(tmp_path / "a.png", GREY)
    monkeypatch.setattr(images, "MAX_PIXELS", GREY.size - 1)
    assert "too large (4 x 6" in refusal(path)
    monkeypatch.setattr(images, "MAX_PIXELS", GREY.size)
    assert read_image(path).shape == (6, 4, 1)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    assert "too large" in refusal(path)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    for path in (tmp_path / "a.png", tmp_path):
        for read in (read_image, read_mask, read_size, images.is_deep):
            assert refusal(path, read) == "cannot read : it is no file"


def test_huge_files_are_refused_unread(tmp_path, monkeypatch):
    path = write(tmp_path / "a.png", GREY)
    monkeypatch.setattr(images, "MAX_BYTES", path.stat().st_size - 1)
    assert "too large (0 MB" in refusal(path)


def test_missing_file(tmp_path):
    assert "No such file" in refusal(tmp_path / "absent.png")


def test_masks_are_what_is_above_zero(tmp_path):
    marked = mask()
    for value in (1, 255):
        array = marked.astype(np.uint8) * value
        np.testing.assert_array_equal(read_mask(write(tmp_path / "m.png", array)), marked)
    colour = np.stack([marked * 0, marked * 0, marked * 9], -1).astype(np.uint8)
    np.testing.assert_array_equal(read_mask(write(tmp_path / "c.bmp", colour)), marked)
    for value in (1, 65535):
        deep = marked.astype(np.uint16) * np.uint16(value)
        np.testing.assert_array_equal(read_mask(write(tmp_path / "d.png", deep)), marked)


@pytest.mark.parametrize("extension", ["jpg", "webp"])
def test_masks_of_lossy_formats_have_no_noise(tmp_path, extension):
    marked = np.kron(mask(), np.ones((5, 5), bool))
    path = write(tmp_path / f"m.{extension}", marked, quality=60)
    assert (np.asarray(Image.open(path).convert("L")) > 0).sum() > marked.sum()
    np.testing.assert_array_equal(read_mask(path), marked)


def test_masks_in_lossless_webp(tmp_path):
    colour = np.repeat(mask()[..., None], 3, -1).astype(np.uint8)
    path = write(tmp_path / "m.webp", colour, lossless=True)
    np.testing.assert_array_equal(read_mask(path), mask())


def test_a_picture_with_a_second_one_behind_it(tmp_path):
    flat = [Image.new("RGB", (16, 8), (value,) * 3) for value in (50, 200)]
    flat[0].save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=flat[1:])
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - 50).max() <= 1


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiff(tmp_path, compression):
    exif = Image.Exif()
    exif[274] = 6
    path = write(tmp_path / "a.tif", COLOUR, compression=compression, exif=exif)
    np.testing.assert_array_equal(read_image(path), np.rot90(COLOUR, 3))
    assert read_size(path) == (4, 6)
    path.write_bytes(path.read_bytes()[:-60])
    refusal(path)
