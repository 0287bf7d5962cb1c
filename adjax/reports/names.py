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
    "ocsvm_oracle": "OC-SVM (oracle)",
    "oe_sdn": "OE-SDN",
    "sdn": "SDN",
    "ssim_ae": "SSIM-AE",
    "unet_ae": "U-Net",
    "vae": "VAE",
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
    "aupro": "AUPRO",
    "pixel_ap": "pixel AP",
    "f1": "F1",
    "f1_oracle": "best F1 (oracle)",
}
RULES = {
    "quantile": "quantile",
    "k_sigma": "k sigma",
    "minimum_area": "minimum area",
    "oracle_best_f1": "best F1 (oracle)",
}


def method_name(method: str) -> str:
    """`oe_sdn` -> `OE-SDN`; a method without an entry keeps its key."""
    return _METHODS.get(method, method)


def dataset_name(dataset: str) -> str:
    """`mnist` -> `MNIST`; a data set without an entry keeps its key."""
    return _DATASETS.get(dataset, dataset)


def rule_name(rule: str) -> str:
    """`k_sigma` -> `k sigma`; a rule without an entry keeps its key."""
    return RULES.get(rule, rule)


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


def member_name(member: dict, members: list[dict], noun: str = "class") -> str:
    """What tells one member from the others: its class, and its seed where seeds differ.

    `noun` is what a normal class is called: of industrial images a category.
    """
    name = normal_name([member["class_name"]], noun)
    if len({other["seed"] for other in members}) == 1:
        return name
    return f"{name}, seed {member['seed']}"


def normal_name(names: list[str], noun: str) -> str:
    """`class 3`, `categories bottle and screw`, `10 classes`; `KolektorSDD`, which has only one."""
    if len(names) == 1 and names[0] in _DATASETS:
        return dataset_name(names[0])
    nouns = {"class": "classes", "category": "categories"}
    if len(names) > 5:
        return f"{len(names)} {nouns[noun]}"
    return f"{noun if len(names) == 1 else nouns[noun]} {listing(names)}"
