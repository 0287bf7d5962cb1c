"""The published numbers, transcribed entry for entry: what our own columns stand beside.

Every table keeps its printed means, so that a slip of the transcription shows in a test. Columns
are adjax method names where adjax has the method, and short names of the literature elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_OE_SDN = (
    'Chung et al., "Unsupervised Anomaly Detection Using Style Distillation", IEEE Access 2020'
)
_AESC = (
    'Collin and De Vleeschouwer, "Improved anomaly detection by training an autoencoder with skip '
    'connections on images corrupted with Stain-shaped noise", ICPR 2020, results table of the '
    "poster (image and pixel AUROC)"
)


class PrintedMean(NamedTuple):
    """A mean as it was printed: over these classes, one value a column."""

    classes: tuple[str, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class PublishedTable:
    """One printed table: `rows[name]` holds one value for each of `columns`."""

    source: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[float, ...]]
    means: dict[str, PrintedMean]


_TABLE_1_COLUMNS = ("ocsvm", "isolation_forest", "anogan", "deep_svdd", "ae", "sdn", "oe_sdn")
_DIGITS = tuple("0123456789")
_CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_TEXTURES = ("carpet", "grid", "leather", "tile", "wood")
_OBJECTS = (
    *("bottle", "cable", "capsule", "hazelnut", "metal_nut"),
    *("pill", "screw", "toothbrush", "transistor", "zipper"),
)

TABLE_1_MNIST = PublishedTable(
    source=f"{_OE_SDN}, Table 1 (image AUROC)",
    columns=_TABLE_1_COLUMNS,
    rows={
        "0": (0.986, 0.980, 0.966, 0.980, 0.991, 0.989, 0.984),
        "1": (0.995, 0.973, 0.992, 0.997, 0.998, 0.998, 0.998),
        "2": (0.825, 0.886, 0.850, 0.917, 0.965, 0.952, 0.983),
        "3": (0.881, 0.899, 0.887, 0.919, 0.950, 0.933, 0.974),
        "4": (0.949, 0.927, 0.894, 0.949, 0.923, 0.933, 0.977),
        "5": (0.771, 0.855, 0.883, 0.885, 0.958, 0.953, 0.973),
        "6": (0.965, 0.956, 0.947, 0.983, 0.992, 0.991, 0.995),
        "7": (0.937, 0.920, 0.935, 0.946, 0.946, 0.948, 0.971),
        "8": (0.889, 0.899, 0.849, 0.939, 0.912, 0.920, 0.921),
        "9": (0.931, 0.935, 0.924, 0.965, 0.970, 0.968, 0.972),
    },
    means={"average": PrintedMean(_DIGITS, (0.913, 0.923, 0.913, 0.948, 0.961, 0.958, 0.975))},
)

TABLE_1_CIFAR10 = PublishedTable(
    source=f"{_OE_SDN}, Table 1 (image AUROC)",
    columns=_TABLE_1_COLUMNS,
    rows={
        "airplane": (0.616, 0.601, 0.671, 0.617, 0.790, 0.677, 0.774),
        "automobile": (0.638, 0.508, 0.547, 0.659, 0.661, 0.671, 0.821),
        "bird": (0.500, 0.492, 0.529, 0.508, 0.647, 0.598, 0.638),
        "cat": (0.559, 0.551, 0.545, 0.591, 0.515, 0.520, 0.569),
        "deer": (0.660, 0.498, 0.651, 0.609, 0.587, 0.582, 0.594),
        "dog": (0.624, 0.585, 0.603, 0.657, 0.571, 0.535, 0.659),
        "frog": (0.747, 0.429, 0.585, 0.677, 0.596, 0.648, 0.629),
        "horse": (0.626, 0.551, 0.625, 0.673, 0.630, 0.611, 0.755),
        "ship": (0.749, 0.742, 0.758, 0.759, 0.783, 0.707, 0.844),
        "truck": (0.759, 0.589, 0.665, 0.731, 0.623, 0.608, 0.784),
    },
    means={
        "average": PrintedMean(_CIFAR10_CLASSES, (0.648, 0.555, 0.618, 0.648, 0.640, 0.616, 0.707))
    },
)

# "ssim_ae" is the column "AE [4]", "cnn_dictionary" the column "CNN Feature Similarity [28]",
# "ae" the column "AE (ours)".
TABLE_2 = PublishedTable(
    source=f"{_OE_SDN}, Table 2 (pixel AUROC)",
    columns=("anogan", "cnn_dictionary", "ssim_ae", "ae", "sdn", "oe_sdn"),
    rows={
        "carpet": (0.54, 0.72, 0.87, 0.95, 0.96, 0.96),
        "grid": (0.58, 0.59, 0.94, 0.97, 0.97, 0.97),
        "leather": (0.64, 0.87, 0.78, 0.85, 0.83, 0.85),
        "tile": (0.50, 0.93, 0.59, 0.81, 0.88, 0.85),
        "wood": (0.62, 0.91, 0.73, 0.79, 0.82, 0.82),
        "bottle": (0.86, 0.78, 0.93, 0.94, 0.96, 0.95),
        "cable": (0.78, 0.79, 0.82, 0.84, 0.84, 0.84),
        "capsule": (0.84, 0.84, 0.94, 0.92, 0.97, 0.97),
        "hazelnut": (0.87, 0.72, 0.97, 0.97, 0.98, 0.98),
        "metal_nut": (0.76, 0.82, 0.89, 0.89, 0.95, 0.93),
        "pill": (0.87, 0.68, 0.91, 0.94, 0.92, 0.93),
        "screw": (0.80, 0.87, 0.96, 0.97, 0.98, 0.97),
        "toothbrush": (0.90, 0.77, 0.92, 0.98, 0.98, 0.98),
        "transistor": (0.80, 0.66, 0.90, 0.88, 0.89, 0.89),
        "zipper": (0.78, 0.76, 0.88, 0.87, 0.89, 0.91),
    },
    means={
        "textures": PrintedMean(_TEXTURES, (0.58, 0.80, 0.78, 0.87, 0.89, 0.89)),
        "objects": PrintedMean(_OBJECTS, (0.83, 0.77, 0.91, 0.92, 0.93, 0.93)),
    },
)

# Averages over the ten classes of OE-SDN trained with each auxiliary set; the rows are these sets.
# With rotation it is OE-SDN of the other tables, with none it is SDN.
ROTATION, NONE = "rotation", "none"
TABLE_3 = PublishedTable(
    source=f"{_OE_SDN}, Table 3 (average image AUROC of OE-SDN by auxiliary set)",
    columns=("mnist", "cifar10"),
    rows={
        "adversarial_noise": (0.960, 0.631),
        "gaussian_blurring": (0.954, 0.645),
        "gaussian_noise": (0.956, 0.638),
        "horizontal_flip": (0.968, 0.638),
        "reconstruction": (0.959, 0.623),
        "rotation": (0.975, 0.707),
        "shearing": (0.958, 0.619),
        "svd_blurring": (0.952, 0.640),
        "vertical_flip": (0.968, 0.694),
        "none": (0.958, 0.616),
    },
    means={},
)

# "itae" and, of the pixels, "ae_l2" are others' networks as others measured them; "ae_l2" equals a
# column of the MVTec AD paper.
AESC_IMAGE = PublishedTable(
    source=_AESC,
    columns=("aesc_uncertainty", "aesc_residual", "itae"),
    rows={
        "carpet": (0.80, 0.89, 0.71),
        "grid": (0.97, 0.97, 0.88),
        "leather": (0.72, 0.89, 0.87),
        "tile": (0.95, 0.99, 0.74),
        "wood": (0.78, 0.95, 0.92),
        "bottle": (0.82, 0.98, 0.94),
        "cable": (0.87, 0.89, 0.83),
        "capsule": (0.71, 0.74, 0.68),
        "hazelnut": (0.90, 0.94, 0.86),
        "metal_nut": (0.62, 0.73, 0.67),
        "pill": (0.62, 0.84, 0.79),
        "screw": (0.80, 0.74, 1.00),
        "toothbrush": (0.99, 1.00, 1.00),
        "transistor": (0.90, 0.91, 0.84),
        "zipper": (0.93, 0.94, 0.80),
    },
    means={
        "textures": PrintedMean(_TEXTURES, (0.84, 0.94, 0.82)),
        "objects": PrintedMean(_OBJECTS, (0.82, 0.87, 0.84)),
        "all": PrintedMean(_TEXTURES + _OBJECTS, (0.83, 0.89, 0.84)),
    },
)

AESC_PIXEL = PublishedTable(
    source=_AESC,
    columns=("aesc_uncertainty", "aesc_residual", "ae_l2"),
    rows={
        "carpet": (0.91, 0.79, 0.59),
        "grid": (0.95, 0.89, 0.90),
        "leather": (0.87, 0.95, 0.75),
        "tile": (0.79, 0.74, 0.51),
        "wood": (0.84, 0.84, 0.73),
        "bottle": (0.88, 0.84, 0.86),
        "cable": (0.84, 0.85, 0.86),
        "capsule": (0.93, 0.83, 0.88),
        "hazelnut": (0.89, 0.88, 0.95),
        "metal_nut": (0.62, 0.57, 0.86),
        "pill": (0.85, 0.74, 0.85),
        "screw": (0.95, 0.86, 0.96),
        "toothbrush": (0.93, 0.93, 0.93),
        "transistor": (0.78, 0.80, 0.86),
        "zipper": (0.90, 0.78, 0.77),
    },
    means={
        "textures": PrintedMean(_TEXTURES, (0.87, 0.84, 0.70)),
        "objects": PrintedMean(_OBJECTS, (0.86, 0.81, 0.88)),
        "all": PrintedMean(_TEXTURES + _OBJECTS, (0.86, 0.82, 0.82)),
    },
)

_MINHAS = (
    'Minhas and Zelek, "Semi-supervised Anomaly Detection using AutoEncoders", 2020 (pixel F1; its '
    "threshold, and whether it is of all pixels or a mean over images, are not stated)"
)
F1_DAGM = PublishedTable(source=_MINHAS, columns=("unet_ae",), rows={"class8": (0.96,)}, means={})
F1_RSDDS = PublishedTable(source=_MINHAS, columns=("unet_ae",), rows={"type_i": (0.81,)}, means={})

# Groups of categories over which tables print means.
GROUPS = {"mvtec_ad": {"textures": _TEXTURES, "objects": _OBJECTS}}

# All categories of industrial sets, whether a table covers them or not.
CATEGORIES = {
    "dagm2007": tuple(f"Class{number}" for number in range(1, 11)),
    "mvtec_ad": _TEXTURES + _OBJECTS,
    "mvtec_3d_rgb": (
        *("bagel", "cable_gland", "carrot", "cookie", "dowel"),
        *("foam", "peach", "potato", "rope", "tire"),
    ),
    "rsdds": ("type_i", "type_ii"),
}

_TABLES = {
    ("dagm2007", "f1"): (F1_DAGM,),
    ("rsdds", "f1"): (F1_RSDDS,),
    ("mnist", "image_auroc"): (TABLE_1_MNIST,),
    ("cifar10", "image_auroc"): (TABLE_1_CIFAR10,),
    ("mvtec_ad", "image_auroc"): (AESC_IMAGE,),
    ("mvtec_ad", "pixel_auroc"): (TABLE_2, AESC_PIXEL),
}


# Ours on the left may stand beside the column on the right.
_SAME = {"ocsvm_oracle": "ocsvm"}


def find_table(
    dataset: str, method: str, metric: str = "image_auroc", auxiliary: str = ROTATION
) -> PublishedTable | None:
    """The published table that has `method`, with this auxiliary set if it is OE-SDN, if any."""
    if method == "oe_sdn" and auxiliary != ROTATION:
        return TABLE_3 if auxiliary_average(dataset, auxiliary, metric) is not None else None
    tables = _TABLES.get((dataset, metric), ())
    return next((table for table in tables if _SAME.get(method, method) in table.columns), None)


def published(
    dataset: str,
    method: str,
    normal_class: int | str,
    metric: str = "image_auroc",
    auxiliary: str = ROTATION,
) -> float | None:
    """The published value of one method on one normal class, if any.

    `normal_class` is the name of a class or, for MNIST and CIFAR-10, its label. OE-SDN with another
    auxiliary set than rotation is published as an average only, see `auxiliary_average`.
    """
    table = find_table(dataset, method, metric, auxiliary)
    if table is None or table is TABLE_3:
        return None
    if dataset == "cifar10" and normal_class in range(10):
        normal_class = _CIFAR10_CLASSES[normal_class]
    row = table.rows.get(str(normal_class).lower().replace(" ", "_"))
    return None if row is None else row[_place(table, method)]


def published_mean(
    dataset: str,
    method: str,
    classes: Sequence[str],
    metric: str = "image_auroc",
    auxiliary: str = ROTATION,
) -> float | None:
    """The mean over these classes, as printed or of the values; None if one is missing."""
    table = find_table(dataset, method, metric, auxiliary)
    wanted = {str(name).lower().replace(" ", "_") for name in classes}
    for printed in table.means.values() if table else ():
        if set(printed.classes) == wanted:
            return printed.values[_place(table, method)]
    values = [published(dataset, method, name, metric, auxiliary) for name in classes]
    if values and None not in values:
        return sum(values) / len(values)
    if table is TABLE_3 and len(classes) == number_of_classes(dataset):
        return auxiliary_average(dataset, auxiliary, metric)
    return None


def _place(table: PublishedTable, method: str) -> int:
    return table.columns.index(_SAME.get(method, method))


def auxiliary_average(dataset: str, auxiliary: str, metric: str = "image_auroc") -> float | None:
    """What Table 3 says of an auxiliary set (`none` is SDN): the average over all ten classes."""
    row = TABLE_3.rows.get(auxiliary)
    if row is None or dataset not in TABLE_3.columns or metric != "image_auroc":
        return None
    return row[TABLE_3.columns.index(dataset)]


def number_of_classes(dataset: str) -> int | None:
    """How many classes a data set has, where that is fixed or published tables cover them."""
    if dataset in CATEGORIES:
        return len(CATEGORIES[dataset])
    return next((len(t[0].rows) for (name, _), t in _TABLES.items() if name == dataset), None)
