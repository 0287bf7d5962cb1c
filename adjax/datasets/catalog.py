"""Names of data sets: titles, official categories and their groups."""

TITLES = {
    "cifar10": "CIFAR-10",
    "dagm2007": "DAGM 2007",
    "fashion_mnist": "Fashion-MNIST",
    "folder": "own images",
    "kolektor_sdd": "KolektorSDD",
    "mnist": "MNIST",
    "mvtec_3d_rgb": "MVTec 3D-AD (RGB)",
    "mvtec_ad": "MVTec AD",
    "nanotwice": "NanoTWICE",
    "rsdds": "RSDDs",
}

TEXTURES = ("carpet", "grid", "leather", "tile", "wood")  # of MVTec AD
OBJECTS = (
    *("bottle", "cable", "capsule", "hazelnut", "metal_nut"),
    *("pill", "screw", "toothbrush", "transistor", "zipper"),
)

# Official categories in their official order; a set with one has it under the set's own name.
CATEGORIES = {
    "mvtec_ad": TEXTURES + OBJECTS,
    "mvtec_3d_rgb": (
        *("bagel", "cable_gland", "carrot", "cookie", "dowel"),
        *("foam", "peach", "potato", "rope", "tire"),
    ),
    "dagm2007": tuple(f"Class{number}" for number in range(1, 11)),
    "rsdds": ("type_i", "type_ii"),
    "nanotwice": ("nanotwice",),
    "kolektor_sdd": ("kolektor_sdd",),
    "folder": (),  # of one's own
}
INDUSTRIAL = tuple(CATEGORIES)  # sets of folders with normal and defective images of one kind


def title(name: str) -> str:
    """Return a set's name for readers: `mnist` -> `MNIST`; a set without a title keeps its name."""
    return TITLES.get(name, name)
