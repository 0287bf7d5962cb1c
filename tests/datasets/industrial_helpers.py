"""Small generated files in the official layouts of the industrial sets."""

import numpy as np
from PIL import Image

from adjax.datasets.images import decode


def write(path, array, **options):
    """Write an array, bool as 0 and 255, in the format of the extension; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.asarray(array)
    array = array.astype(np.uint8) * 255 if array.dtype == bool else array
    Image.fromarray(array).save(path, **options)
    return path


def read_image(path):
    """Decode a file: uint8 `[H, W, C]`."""
    array = np.asarray(decode(path))
    return array.reshape(*array.shape[:2], -1)


def picture(seed, shape=(12, 10)):
    """Noise."""
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def mask(shape=(12, 10), rows=slice(2, 5)):
    """A defect in some rows."""
    marked = np.zeros(shape, bool)
    marked[rows, 3:6] = True
    return marked


def write_mvtec(root, extension="png", masks=True, splits=("train", "test")):
    """Three good training images; one good and two defective of each of two kinds to test."""
    for number in range(3):
        write(root / f"train/good/{number:03d}.{extension}", picture(number))
    if "validation" in splits:
        write(root / f"validation/good/000.{extension}", picture(5))
    write(root / f"test/good/000.{extension}", picture(10))
    for kind, defect in enumerate(("cut", "hole")):
        for number in range(2):
            seed = 20 + 10 * kind + number
            write(root / f"test/{defect}/{number:03d}.{extension}", picture(seed))
            if masks:
                write(root / f"ground_truth/{defect}/{number:03d}_mask.png", mask())
    return root


def write_mvtec_3d(root):
    """The official form: images, depth and masks of each defect in folders of their own."""
    for split, defect in (("train", "good"), ("validation", "good"), ("test", "good")):
        write(root / split / defect / "rgb/000.png", picture(len(split), (12, 10, 3)))
    write(root / "test/good/gt/000.png", mask() & False)
    write(root / "test/hole/rgb/000.png", picture(9, (12, 10, 3)))
    write(root / "test/hole/gt/000.png", mask())
    write(root / "test/hole/xyz/000.tiff", np.zeros((12, 10), np.float32))
    return root


def write_dagm(root, extension="PNG"):
    """Two good and one defective image in each part."""
    for start, part in ((1, "Test"), (4, "Train")):
        lines = ["1"]
        for number in range(start, start + 3):
            defective = number == start + 1
            write(root / part / f"{number:04d}.{extension}", picture(number))
            label = f"{number:04d}_label.PNG" if defective else "0"
            lines.append(f"{number}\t{int(defective)}\t{number:04d}.PNG\t0\t{label}")
            if defective:
                write(root / part / "Label" / f"{number:04d}_label.{extension}", mask())
        (root / part / "Label").mkdir(exist_ok=True)
        (root / part / "Label" / "Labels.txt").write_text("\n".join(lines) + "\n")
    return root


def write_rsdds(root, count=6, height=35, width=10):
    """Upright images with a defect in their second crop."""
    for number in range(1, count + 1):
        name = f"rail_{number}.jpg"
        write(root / "Rail surface images" / name, picture(number, (height, width)), quality=95)
        marked = mask((height, width), slice(width + 2, width + 6))
        write(root / "GroundTruth" / name, marked, quality=95)
    return root


def write_nanotwice(root):
    """Two normal and two anomalous images."""
    for number in range(2):
        write(root / f"Normal/ER{number}.tif", picture(number))
        write(root / f"Anomalous/images/ER1{number}.tif", picture(10 + number))
        write(root / f"Anomalous/gt/ER1{number}_gt.png", mask())
    return root


def write_kolektor(root, count=6):
    """Folders of two parts, of which the second part has a defect in the first folder only."""
    for number in range(1, count + 1):
        for part in range(2):
            stem = root / f"kos{number:02d}" / f"Part{part}"
            write(stem.with_suffix(".jpg"), picture(10 * number + part), quality=95)
            defective = number == 1 and part == 1
            write(stem.with_name(f"Part{part}_label.bmp"), mask() & defective)
    return root
