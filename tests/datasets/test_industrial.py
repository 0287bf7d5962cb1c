"""Tables of industrial images: the same in memory and from files, whoever reads them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from industrial_helpers import mask, picture, read_image, write, write_mvtec, write_rsdds
from scipy import ndimage

from adjax.datasets.industrial import FileTable, load_images, resize_mask
from adjax.datasets.layouts import read_index
from adjax.errors import UserError


@pytest.fixture
def index(tmp_path):
    write_mvtec(tmp_path / "part")
    return read_index("mvtec_ad", str(tmp_path), "part")


def test_table_of_a_split(index):
    table = load_images(index, "test", size=16, channels=3)
    assert (table.image.shape, table.image.dtype) == ((5, 16, 16, 3), np.uint8)
    assert (table.mask.shape, table.mask.dtype) == ((5, 16, 16), bool)
    assert table.defect == ("cut", "cut", "good", "hole", "hole")
    assert table.path[2] == "test/good/000.png"
    assert table.mask.any((1, 2)).tolist() == [True, True, False, True, True]
    assert not table.image.flags.writeable
    assert not table.mask.flags.writeable


def test_images_of_that_size_are_not_changed(tmp_path):
    paths = [write(tmp_path / f"{n}.png", picture(n, (8, 8))) for n in range(2)]
    table = load_images(read_index("folder", str(tmp_path)), "train", size=8, channels=1)
    np.testing.assert_array_equal(table.image, [read_image(path) for path in paths])
    assert not table.mask.any()


def test_resizing_is_antialiased(tmp_path):
    steps = np.kron([[0, 60], [120, 240]], np.ones((16, 16))).astype(np.uint8)
    noise = np.tile([[0, 100], [100, 0]], (16, 16)).astype(np.uint8)
    write(tmp_path / "0.png", steps)
    write(tmp_path / "1.png", noise)
    table = load_images(read_index("folder", str(tmp_path)), "train", size=4, channels=1)
    np.testing.assert_array_equal(table.image[0, ::3, ::3, 0], [[0, 60], [120, 240]])
    assert np.abs(table.image[1].astype(int) - 50).max() <= 2


def cover(mask, size):
    """The defective part of every pixel, counted on a grid that both sizes divide."""
    fine = np.kron(mask, np.ones((size, size)))
    height, width = mask.shape
    return fine.reshape(size, height, size, width).mean((1, 3))


def regions(mask):
    return ndimage.label(mask, np.ones((3, 3)))[1]


@pytest.mark.parametrize("size", [3, 4, 8, 12, 24])
def test_what_is_half_defective_is_marked(size):
    mask = np.zeros((12, 8), bool)
    mask[2:9, 1:6] = True
    desired = cover(mask, size) >= 0.5 - 1e-9
    np.testing.assert_array_equal(resize_mask(mask, size), desired)


def test_a_mask_of_its_size_is_kept():
    mask = np.random.default_rng(0).random((16, 16)) > 0.7
    np.testing.assert_array_equal(resize_mask(mask, 16), mask)


@pytest.mark.parametrize("size", [7, 16, 20, 33])
def test_no_region_is_lost_or_falls_apart(size):
    y, x = np.mgrid[:100, :60]
    lines = (abs(y - 1.3 * x - 5) < 0.7, abs(y + 0.4 * x - 90) < 0.7, (y == 3) & (x == 55))
    for line in lines:
        made = resize_mask(line, size)
        assert regions(made) == 1
        assert not (made & (cover(line, size) == 0)).any()
    assert 1 <= regions(resize_mask(lines[0] | lines[1] | lines[2], size)) <= 3


def test_no_mask_stays_none():
    assert not resize_mask(np.zeros((9, 5), bool), 4).any()
    assert resize_mask(np.ones((9, 5), bool), 4).all()


def test_images_without_ground_truth_are_told(index):
    index.items[0].mask.unlink()
    write(index.items[1].mask, np.zeros((12, 10), bool))
    again = read_index("mvtec_ad", str(index.directory.parent), "part")
    table = load_images(again, "test", size=4, channels=1)
    assert table.masked.tolist() == [False, False, *[True] * (len(table.masked) - 2)]
    assert not table.mask[:2].any()
    for item in again.items:
        if item.mask:
            item.mask.unlink()
    again = read_index("mvtec_ad", str(index.directory.parent), "part")
    assert load_images(again, "test", size=4, channels=1).mask is None


def test_files_are_the_table(index):
    whole = load_images(index, "test", size=9, channels=1)
    table = FileTable(index, "test", size=9, channels=1)
    assert (table.shape, table.dtype, len(table)) == ((5, 9, 9, 1), np.uint8, 5)
    assert (table.defect, table.path) == (whole.defect, whole.path)
    for rows in ([], [3], [4, 0, 0, 2], np.arange(5)):
        rows = np.asarray(rows, np.int64)
        np.testing.assert_array_equal(table.read(rows), whole.image[rows])
        np.testing.assert_array_equal(table.read_masks(rows), whole.mask[rows])


def test_many_threads_read_one_table(index):
    whole = load_images(index, "test", size=9, channels=1)
    table = FileTable(index, "test", size=9, channels=1)
    rows = [np.random.default_rng(seed).integers(0, 5, 7) for seed in range(40)]
    with ThreadPoolExecutor(8) as threads:
        for wanted, images in zip(rows, threads.map(table.read, rows), strict=True):
            np.testing.assert_array_equal(images, whole.image[wanted])


def test_crops(tmp_path):
    write_rsdds(tmp_path / "type_i", count=2)
    index = read_index("rsdds", str(tmp_path), "type_i")
    table = load_images(index, "test", size=10, channels=1)
    assert table.path[0] == "Rail surface images/rail_1.jpg@10,0"
    whole = read_image(tmp_path / "type_i/Rail surface images/rail_1.jpg")
    np.testing.assert_array_equal(table.image[0], whole[10:20])
    np.testing.assert_array_equal(table.mask[0], mask((10, 10), slice(2, 6)))


def test_damaged_files_are_named(index):
    path = index.of("train")[1].path
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match=r"train/good/001.png: damaged"):
        load_images(index, "train", size=4, channels=1)
    table = FileTable(index, "train", size=4, channels=1)
    assert len(table.read([0, 2])) == 2
    with pytest.raises(UserError, match=r"train/good/001.png: damaged"):
        table.read([0, 1])


def test_a_mask_must_fit_its_image(index):
    write(index.items[1].mask, mask((10, 12)))
    message = "001_mask.png: is 10 high and 12 wide but its image 001.png is 12 high and 10 wide"
    with pytest.raises(UserError, match=message):
        load_images(index, "test", size=4, channels=1)


def test_wrong_arguments(index):
    with pytest.raises(UserError, match="no validation images: it has test, train"):
        load_images(index, "validation", size=4, channels=1)
    with pytest.raises(UserError, match="1 or 3 channels"):
        load_images(index, "train", size=4, channels=2)
