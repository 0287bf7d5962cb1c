"""Names for readers: how the keys of result files are written in tables, figures and pages."""

_METHODS = {
    "ae": "AE",
    "ae_d6_residual": "AE d6 (residual)",
    "ae_d6_uncertainty": "AE d6 (uncertainty)",
    "ae_l2": "AE (L2)",
    "aesc_residual": "AESc (residual)",
    "aesc_uncertainty": "AESc (uncertainty)",
    "anogan": "AnoGAN",
    "cnn_dictionary": "CNN dictionary",
    "deep_svdd": "Deep SVDD",
    "isolation_forest": "Isolation forest",
    "itae": "ITAE",
    "ocsvm": "OC-SVM",
    "oe_sdn": "OE-SDN",
    "sdn": "SDN",
    "ssim_ae": "SSIM-AE",
    "unet_ae": "U-Net",
}
_DATASETS = {
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

METRICS = {
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "pixel_ap": "pixel AP",
    "aupro": "AUPRO",
    "f1": "F1",
    "f1_oracle": "best F1 (oracle)",
}


def method_name(method: str) -> str:
    """`oe_sdn` -> `OE-SDN`; a method without an entry keeps its key."""
    return _METHODS.get(method, method)


def dataset_name(dataset: str) -> str:
    """`mnist` -> `MNIST`; a data set without an entry keeps its key."""
    return _DATASETS.get(dataset, dataset)


def auxiliary_name(name: str) -> str:
    """`svd_blurring` -> `SVD blurring`."""
    return name.replace("_", " ").replace("svd", "SVD").replace("gaussian", "Gaussian")


def count(number: int, noun: str) -> str:
    """`3, "seed"` -> `3 seeds`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listing(words: list[str], most: int = 12) -> str:
    """`["0", "3", "7"]` -> `0, 3 and 7`; a long list is cut short."""
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join([*filter(None, [", ".join(words[:-1])]), words[-1]])


def member_name(member: dict, members: list[dict]) -> str:
    """What tells one member from the others: its class, and its seed where seeds differ."""
    if len({other["seed"] for other in members}) == 1:
        return f"class {member['class_name']}"
    return f"class {member['class_name']}, seed {member['seed']}"
