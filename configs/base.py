"""Defaults that all one-class experiments share, and the parser of config strings."""

from ml_collections import ConfigDict


def defaults() -> ConfigDict:
    """Style distillation on small images; values marked [D] are ours, the paper does not say."""
    config = ConfigDict()
    config.method = "oe_sdn"
    config.seed = 0
    # One dict of dotted keys a member of the population; empty: one member, this config itself.
    config.members = ()

    config.data = data = ConfigDict()
    data.name = "mnist"
    data.dir = "data"  # the TFDS data directory
    data.train_split = "train"  # TFDS split expressions
    data.test_split = "test"
    data.normal_class = 3
    data.validation_fraction = 0.05  # [D] of the normal training images

    # d = DSSIM + mean squared displacement; the paper names the terms only, the rest is [D].
    config.distance = ConfigDict(
        {"window": 11, "sigma": 1.5, "ssim_weight": 1.0, "squared_weight": 1.0}
    )

    config.teacher = teacher = ConfigDict()  # f_AE, all [D], calibrated on MNIST
    teacher.code_size = 16
    teacher.widths = (32, 64, 128)
    teacher.batch_size = 128
    teacher.steps = 540  # about 12 epochs
    teacher.learning_rate = 1e-3
    teacher.weight_decay = 0.0
    teacher.schedule = "cosine"

    config.student = student = ConfigDict()  # f_OS
    student.groups = 2  # [D] "light"; 10 in the published RNAN
    student.nonlocal_groups = (0, -1)
    student.features = 32  # published
    student.auxiliary = "rotation"  # published
    student.loss_weight = 0.5  # lambda, published
    student.batch_size = 8  # [D] and as many auxiliary images; larger batches learn far slower
    student.steps = 2000  # [D] about 3 epochs
    student.learning_rate = 1e-3  # [D]
    student.weight_decay = 0.0
    student.schedule = "cosine"

    config.select = "last"  # or "best", by the validation loss
    config.image_score = "d"  # [D] or "mse", "mae"
    config.log_every = 10
    config.checkpoint_every = 100

    config.evaluation = ConfigDict({"batch_size": 200})

    config.parallel = "shard_map"  # or "pmap"
    config.population_axis = "auto"  # "map", "vmap" or "unroll"
    config.mesh = ConfigDict({"member": 0, "data": 0})  # 0: chosen from the devices
    config.stage_cache = ""  # a folder: trained stages are found and kept there
    return config


def parse(arg: str, methods: tuple[str, ...], variants: tuple[str, ...] = ()) -> list[str]:
    """Split `METHOD[,VARIANT ...]`, the part of --config after the colon.

    Returns the words, the first one of `methods`.
    """
    words = arg.split(",") if arg else [methods[0]]
    if words[0] not in methods:
        raise ValueError(f"{words[0]!r} is none of {', '.join(methods)}")
    for word in words[1:]:
        if word not in variants:
            raise ValueError(f"{word!r} is none of {', '.join(variants)}")
    return words
