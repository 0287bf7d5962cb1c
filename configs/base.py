"""What all one-class experiments share: defaults, variants, sweeps, the parser of their names."""

from ml_collections import ConfigDict

from configs import baselines

DISTILLATION = ("oe_sdn", "sdn", "ae")
METHODS = (*DISTILLATION, *baselines.METHODS)
# The columns of the published table, in its order; OC-SVM as published and without the advantage.
TABLE1 = ("ocsvm", "ocsvm_oracle", "isolation_forest", "anogan", "deep_svdd", "ae", "sdn", "oe_sdn")
SWEEPS = ("demo", "table1", "table3")
NAMES = METHODS + SWEEPS
VARIANTS = ("light", "faithful", "smoke")
CHOICES = ("classes", "seeds", "methods")  # of the tables

# The auxiliary sets and their parameters: the paper names the sets only, every value is [D].
AUXILIARY = {
    "adversarial_noise": {"eps": 0.1},
    "gaussian_blurring": {"sigma": 1.0, "width": 5},
    "gaussian_noise": {"sigma": 0.1},
    "horizontal_flip": {},
    "reconstruction": {},
    "rotation": {"angles": (90, 180, 270)},
    "shearing": {"minimum": 0.1, "maximum": 0.3},
    "svd_blurring": {"rank": 4},
    "uniform_rotation": {"low": 30, "high": 330},  # not in the paper
    "vertical_flip": {},
}


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
    # Of Deep SVDD; "leave_one_out", of GANomaly: `normal_class` is abnormal, all others normal.
    data.protocol = "one_class"
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
    student.auxiliary = "rotation"  # published; a section of `auxiliary`
    student.loss_weight = 0.5  # lambda, published
    student.batch_size = 8  # [D] and as many auxiliary images; larger batches learn far slower
    student.steps = 2000  # [D] about 3 epochs
    student.learning_rate = 1e-3  # [D]
    student.weight_decay = 0.0
    student.schedule = "cosine"

    config.auxiliary = ConfigDict(AUXILIARY)
    for section, values in baselines.SECTIONS.items():
        config[section] = ConfigDict(values)

    config.precision = "float32"  # of activations in training, or "bfloat16"; all else is float32
    config.select = "last"  # or "best", by the validation loss
    config.image_score = "d"  # [D] or "mse", "mae"
    config.log_every = 10
    config.checkpoint_every = 100

    config.evaluation = ConfigDict({"batch_size": 200})

    # What convolves on CPU: "xla", "onednn" (`pip install ./native`), "auto": onednn if installed.
    config.ops = ConfigDict({"convolution": "auto"})
    config.parallel = "shard_map"  # or "pmap"
    config.population_axis = "auto"  # "map", "vmap" or "unroll"
    config.mesh = ConfigDict({"member": 0, "data": 0})  # 0: chosen from the devices
    config.stage_cache = ""  # a folder: trained stages are found and kept there
    return config


def one_class(dataset: str, argument: str) -> ConfigDict:
    """A set of small images; `argument` as for `parse`: a method's run, or what a sweep varies."""
    name, variants, _ = parse(argument)
    config = defaults()
    config.data.name = dataset
    if name in METHODS:
        config.update_from_flattened_dict(of_method(name, dataset))
    if name == "demo":
        config.student.steps = 500
    if "light" in variants:
        config.student.groups = 4
    if "faithful" in variants:
        config.student.groups = 10
    if "smoke" in variants:
        config.teacher.update(steps=20, widths=(4, 8, 8), batch_size=16, code_size=4)
        config.student.update(steps=10, features=4, batch_size=8)
        config.data.test_split = "test[:400]"
        config.update_from_flattened_dict(baselines.SMOKE)
        config.log_every = 5
        config.checkpoint_every = 10
    return config


def of_method(method: str, dataset: str) -> dict:
    """What a method has of its own on a data set, by dotted keys."""
    return {"method": method} if method in DISTILLATION else baselines.of_method(method, dataset)


def one_class_sweep(add, argument: str, dataset: str) -> None:
    """Add the runs of a sweep; of a method's name, none.

    demo: style distillation on one class, named by method.
    table1: every column of the published table, or what `methods` says; table3: OE-SDN with each
    auxiliary set of the paper, and SDN as the set `none`. Both on the ten classes with seed 0, or
    as `classes` and `seeds` say, and named ROW/classC/seedS.

    What a method has of its own the command line may overrule.
    """
    name, variants, chosen = parse(argument)
    columns = chosen.get("methods", TABLE1)
    for method in columns:
        check(method, METHODS)
    cut = baselines.SMOKE if "smoke" in variants else {}
    methods = {method: {"method": method} for method in columns}
    exposures = {
        key: {"method": "oe_sdn", "student.auxiliary": key}
        for key in AUXILIARY
        if key != "uniform_rotation"
    }
    if name == "demo":
        for method in reversed(DISTILLATION):
            add(method, {"method": method})
    tables = {"table1": methods, "table3": exposures | {"none": {"method": "sdn"}}}
    for row, values in tables.get(name, {}).items():
        usual = of_method(values["method"], dataset) | cut
        for normal_class in chosen.get("classes", range(10)):
            for seed in chosen.get("seeds", (0,)):
                run = {"data.normal_class": normal_class, "seed": seed}
                add(f"{row}/class{normal_class}/seed{seed}", values | run, usual)


def parse(argument: str) -> tuple[str, list[str], dict[str, tuple[int, ...]]]:
    """Split `NAME[,VARIANT ...][,CHOICE=A+B ...]`, the part of --config after the colon.

    Returns:
      The name (of `NAMES`), the variants (of `VARIANTS`), and the numbers, or the names of
      methods, of each choice (of `CHOICES`).

    """
    return split(argument or METHODS[0], NAMES, VARIANTS, CHOICES, words=("methods",))


def split(argument: str, names, variants, choices, words=()) -> tuple[str, list[str], dict]:
    """Split `NAME[,VARIANT ...][,CHOICE=A+B ...]`; only tables have choices.

    Args:
      argument: what to split.
      names: that it may begin with.
      variants: known ones.
      choices: known ones; they are of numbers.
      words: those of them that are of words.

    """
    name, *parts = argument.split(",")
    check(name, names)
    found, chosen = [], {}
    for word in parts:
        key, given, values = word.partition("=")
        check(key, choices if given and "table" in name else variants)
        values = values.split("+")
        if not given:
            found.append(word)
        elif key in words and all(values):
            chosen[key] = tuple(values)
        elif all(value.isdecimal() for value in values):
            chosen[key] = tuple(map(int, values))
        else:
            raise ValueError(f"{word!r} must look like {key}=0+1+2")
    return name, found, chosen


def check(word: str, known: tuple[str, ...]) -> None:
    """Raise `ValueError` for a word that is not among the known ones."""
    if word not in known:
        raise ValueError(f"{word!r} is none of {', '.join(known)}")
