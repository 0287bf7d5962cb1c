"""Names for readers: how the keys of result files are written in tables, figures and pages."""

_METHODS = {
    "ae": "AE",
    "aesc": "AESc",
    "anogan": "AnoGAN",
    "deep_svdd": "Deep SVDD",
    "isolation_forest": "Isolation forest",
    "ocsvm": "OC-SVM",
    "oe_sdn": "OE-SDN",
    "sdn": "SDN",
}
_DATASETS = {
    "cifar10": "CIFAR-10",
    "fashion_mnist": "Fashion-MNIST",
    "mnist": "MNIST",
    "mvtec_ad": "MVTec AD",
}

METRICS = {
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "aupro": "AUPRO",
    "f1": "F1",
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
