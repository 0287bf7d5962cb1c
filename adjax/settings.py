"""What a config must satisfy, checked before any data or device is touched."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import adjax
from adjax.errors import UserError

# Keys that say where and how a run executes; a run may continue under other values of them.
EXECUTION_KEYS = (
    "data.dir",
    "evaluation",
    "mesh",
    "ops",
    "parallel",
    "population_axis",
    "stage_cache",
)

_CHOICES = {
    "ops.convolution": ("auto", "xla", "onednn"),
    "parallel": ("shard_map", "pmap"),
    "population_axis": ("auto", "map", "vmap", "unroll"),
    "precision": ("float32", "bfloat16"),
    "select": ("last", "best"),
    "teacher.schedule": ("cosine", "constant"),
    "student.schedule": ("cosine", "constant"),
    "autoencoder.schedule": ("cosine", "constant"),
    "svdd_autoencoder.network": ("mnist", "cifar10"),
    "svdd_autoencoder.schedule": ("cosine", "constant", "step"),
    "svdd.objective": ("one_class", "soft_boundary"),
    "svdd.schedule": ("cosine", "constant", "step"),
    "vae.network": ("conv", "ssim"),
    "vae.schedule": ("cosine", "constant"),
    "itae.optimizer": ("adam", "sgd"),
    "itae.schedule": ("cosine", "constant", "halving"),
    "threshold.rule": ("quantile", "k_sigma", "minimum_area"),
}
_PROTOCOLS = ("one_class", "leave_one_out")  # of sets of image classes
_POSITIVE = {
    "steps",
    "batch_size",
    "log_every",
    "checkpoint_every",
    "groups",
    "features",
    "code_size",
    "rank",
    "size",
    "stride",
    "chunk",
    "passes",
    "draws",
    "width",
    "depth",
    "kernel",
    "area",
    "at_once",
    "latent_size",
    "critic_steps",
    "input",
    "patches",
    "entries",
    "components",
    "support_vectors",
    "trees",
    "subsample",
}
_FRACTION = {
    "loss_weight",
    "validation_fraction",
    "eps",
    "quantile",
    "image_quantile",
    "feature_weight",
}
_NOT_NEGATIVE = {
    *("learning_rate", "weight_decay", "ssim_weight", "squared_weight", "member"),
    *("patch", "samples", "extra_layers", "k", "warm_up_steps", "beta"),
    *("adversarial_weight", "reconstruction_weight", "latent_weight"),
    *("least_spread", "spread_after", "gp_weight", "kappa"),
}


def get_value(config, key: str) -> Any:
    """The value at a dotted key."""
    for name in key.split("."):
        if name not in config:
            raise UserError(f"the config has no {key}: another version of adjax wrote it")
        config = config[name]
    return config


def leaves_one_out(data) -> bool:
    """Whether `data.normal_class` names the one abnormal class, all others being normal.

    Args:
      data: that section of a config, or of its JSON.

    """
    return data.get("protocol") == "leave_one_out"


def check_config(config) -> None:
    """Raise `UserError` for the first value that no run could have."""
    for key, choices in _CHOICES.items():
        section = key.rpartition(".")[0]
        if (not section or section in config) and get_value(config, key) not in choices:
            raise _wrong(key, get_value(config, key), f"choose one of {', '.join(choices)}")
    if config.data.get("protocol", _PROTOCOLS[0]) not in _PROTOCOLS:
        raise _wrong(
            "data.protocol", config.data.protocol, f"choose one of {', '.join(_PROTOCOLS)}"
        )
    for key, value in _leaves(config.to_dict()):
        _check_number(key, value)
    if config.checkpoint_every % config.log_every:
        raise _wrong("checkpoint_every", config.checkpoint_every, "make it a multiple of log_every")
    window = config.distance.window
    if window < 1 or window % 2 == 0:
        raise _wrong("distance.window", window, "use an odd number")
    _check_auxiliary(config.auxiliary)
    if "size" in config.data:
        _check_images(config)


def _check_images(config) -> None:
    """Check what is special to industrial images."""
    data = config.data
    if leaves_one_out(data):
        raise _wrong("data.protocol", data.protocol, f"{data.name} has no classes to leave out")
    if data.channels not in (1, 3):
        raise _wrong("data.channels", data.channels, "use 1 (grey) or 3 (colour)")
    if data.patch > data.size:
        raise _wrong("data.patch", data.patch, f"must not be above data.size={data.size}")
    if data.crops and data.crops not in config.crops:
        raise _wrong("data.crops", data.crops, f"choose one of {', '.join(sorted(config.crops))}")
    if data.crops and not data.patch:
        raise _wrong("data.patch", data.patch, f"give the size of the {data.crops}")
    if data.patch not in (0, data.size):
        if not data.crops:
            raise _wrong("data.crops", "", "say how patches to train on are cut, or set no patch")
        if config.windows.stride > data.patch:
            stride = config.windows.stride
            raise _wrong("windows.stride", stride, f"must not be above data.patch={data.patch}")
    if config.threshold.area > data.size**2:
        raise _wrong("threshold.area", config.threshold.area, "an image has fewer pixels")
    for key in ("threshold.quantile", "threshold.image_quantile"):
        if not get_value(config, key):
            raise _wrong(key, 0, "must be positive")


def _check_auxiliary(sets) -> None:
    """Check what is special to the parameters of an auxiliary set."""

    def wrong(key: str, advice: str) -> UserError:
        return _wrong(f"auxiliary.{key}", get_value(sets, key), advice)

    angles = sets.rotation.angles
    if not angles or any(angle % 90 for angle in angles):
        raise wrong("rotation.angles", "give multiples of 90; uniform_rotation has other angles")
    if sets.uniform_rotation.low > sets.uniform_rotation.high:
        raise wrong("uniform_rotation.low", "must not be above high")
    if not 0 <= sets.shearing.minimum <= sets.shearing.maximum:
        raise wrong("shearing.minimum", "must lie between 0 and maximum")
    if sets.gaussian_blurring.width < 1 or sets.gaussian_blurring.width % 2 == 0:
        raise wrong("gaussian_blurring.width", "use an odd number")


def _check_number(key: str, value) -> None:
    name = key.rpartition(".")[2]
    if name in _POSITIVE and value < 1:
        raise _wrong(key, value, "must be at least 1")
    if name in _FRACTION and not 0 <= value < 1 + (name == "loss_weight") * 1e-9:
        raise _wrong(key, value, "must lie between 0 and 1")
    if name in _NOT_NEGATIVE and value < 0:
        raise _wrong(key, value, "must not be negative")
    if name == "sigma" and value <= 0:
        raise _wrong(key, value, "must be positive")
    if name == "milestones" and any(step < 1 for step in value):
        raise _wrong(key, value, "give numbers of steps, or none")
    if name == "nu" and not 0 < value <= 1:
        raise _wrong(key, value, "must be above 0 and at most 1")
    if name == "variance" and not 0 < value < 1:
        raise _wrong(key, value, "must be above 0 and below 1")
    if name == "widths" and (len(value) < 2 or min(value) < 1):
        raise _wrong(key, value, "give at least two positive widths")
    if name == "seed" and not 0 <= value < 2**31:
        raise _wrong(key, value, "must lie between 0 and 2147483647")


def members_of(config, dynamic: tuple[str, ...]) -> list[dict[str, Any]]:
    """The members of the run's population.

    Args:
      config: of the run; `config.members` holds one dict of dotted keys a member, or nothing for a
        population of one.
      dynamic: keys besides `seed` and `data.normal_class` in which members may differ.

    Returns:
      One dict a member that holds all these keys.

    """
    allowed = varying(config, dynamic)
    given = config.members or ({},)
    if not isinstance(given, tuple | list) or not all(isinstance(m, dict) for m in given):
        raise _wrong("members", given, "give a tuple of dicts, ({'seed': 0}, {'seed': 1})")
    members = []
    for number, overrides in enumerate(given):
        for key, value in overrides.items():
            if key not in allowed:
                raise UserError(
                    f"config.members[{number}]: {key!r} cannot differ within a population; "
                    f"these can: {', '.join(allowed)}"
                )
            wanted = type(get_value(config, key))
            if type(value) not in ((int, float) if wanted is float else (wanted,)):
                raise _wrong(f"members[{number}][{key!r}]", value, f"give one {wanted.__name__}")
            _check_number(key, value)
        keys = ("seed", "data.normal_class", *dynamic)
        members.append({key: overrides.get(key, get_value(config, key)) for key in keys})
    return members


def varying(config, dynamic: tuple[str, ...]) -> tuple[str, ...]:
    """Keys in which members of a population may differ.

    A normal class given by number is one of a table that all members share; one given by name is
    the category of an industrial set, which has images of its own.
    """
    own = isinstance(config.data.normal_class, str)
    return ("seed", *(() if own else ("data.normal_class",)), *dynamic)


def as_json(config) -> dict:
    """The config as it is written to `config.json`: tuples become lists."""
    return json.loads(json.dumps(config.to_dict()))


def essential(config_json: dict) -> dict[str, Any]:
    """Dotted key -> value of everything that decides a run's numbers."""
    execution = set(EXECUTION_KEYS)
    if config_json["data"]["name"] == "folder":  # else nothing says whose images
        execution.remove("data.dir")
    return {k: v for k, v in _leaves(config_json) if not _in_sections(k, execution)}


def config_hash(config) -> str:
    """Twelve hexadecimal digits that name the essential part of a config."""
    text = json.dumps(essential(as_json(config)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def stage_hash(config, stage, member: dict[str, Any]) -> str:
    """A name for the result of training a stage for a member: equal only if that is.

    Execution (devices, population axis, versions of libraries) is left out: it changes rounding.
    """
    keys = _stage_keys(config, stage)
    keys |= {k: v for k, v in member.items() if k == "seed" or _in_sections(k, stage.sections)}
    text = json.dumps([adjax.__version__, stage.name, stage.sections, keys], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def stage_signature(config, stage, dynamic: tuple[str, ...]) -> str:
    """What members have in common that can train a stage as one population, whatever the method."""
    keys = _stage_keys(config, stage) | _execution(config)
    static = {k: v for k, v in keys.items() if k not in varying(config, dynamic)}
    return json.dumps([stage.name, stage.sections, static], sort_keys=True)


def run_signature(config, dynamic: tuple[str, ...]) -> str:
    """What runs have in common that share all their programs."""
    free = ("members", *varying(config, dynamic))
    keys = essential(as_json(config)) | _execution(config)
    return json.dumps({k: v for k, v in keys.items() if k not in free}, sort_keys=True)


def _stage_keys(config, stage) -> dict[str, Any]:
    """Dotted key -> value of all that a stage's result depends on, but for the seed."""
    crops = config.data.get("crops", "")
    sections = (*stage.sections, *((f"crops.{crops}",) if crops else ()))
    keys = {k: v for k, v in essential(as_json(config)).items() if _in_sections(k, sections)}
    if not leaves_one_out(config.data):  # else it is trained on, too
        keys.pop("data.test_split", None)
    return keys | {k: config[k] for k in ("precision", "select", "log_every", "checkpoint_every")}


def _execution(config) -> dict[str, Any]:
    return {k: v for k, v in _leaves(as_json(config)) if _in_sections(k, EXECUTION_KEYS)}


def _in_sections(key: str, sections: Iterable[str]) -> bool:
    return any(key == s or key.startswith(f"{s}.") for s in sections)


def _leaves(tree: dict, prefix: str = ""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _wrong(key: str, value, advice: str) -> UserError:
    return UserError(f"config.{key}={value!r}: {advice}")
