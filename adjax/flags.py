"""Flags: which there are, which of them a mode reads, and what is wrong with one, in one line."""

import itertools
import re
import runpy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from absl import flags as absl_flags
from ml_collections import config_flags

from adjax import paths
from adjax.errors import UserError

FLAGS = absl_flags.FLAGS
_PATHS = ("workdir", "images", "output", "source", "data_dir", "compilation_cache")
PROCESSES = ("distributed", "coordinator", "num_processes", "process_id")
THRESHOLDS = ("threshold", "pixel_threshold")
_ONLY_WITH = {
    "ray_address": "--engine=ray",
    "cpus_per_task": "--engine=ray",
    "rungs": "--scheduler=asha or median",
    "reduction_factor": "--scheduler=asha or median",
    "num_processes": "--coordinator",
    "process_id": "--coordinator",
}


class Mode(NamedTuple):
    """What `--mode=NAME`, or `adjax NAME`, does.

    Attributes:
      verb: the function, given the flags; returns the exit code, or None for 0.
      flags: names of those that it reads, beside --mode.
      purpose: what it is for, in the words of who looks for it.
      word: the flag that may be given as a word behind the command; empty: none.

    """

    verb: Callable[[Any], int | None]
    flags: tuple[str, ...]
    purpose: str
    word: str

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return (self.verb.__doc__ or "").partition("\n")[0]


MODES: dict[str, Mode] = {}


def reads(*flags: str, purpose: str, word: str = "") -> Callable[[Callable], Callable]:
    """Make a function the verb of the mode of its name; see `Mode`."""

    def declare(verb: Callable[[Any], int | None]) -> Callable[[Any], int | None]:
        MODES[verb.__name__] = Mode(verb, flags, purpose, word)
        return verb

    return declare


# All flags but --mode, by what they are about: help shows those that a mode reads in this order.
GROUPS = {
    "The run": (
        config_flags.DEFINE_config_file(
            "config",
            None,
            "a file here, or one that is shipped: see `adjax configs`",
            lock_config=True,
        ),
        absl_flags.DEFINE_string("workdir", None, "folder of the run or sweep; made if need be"),
        absl_flags.DEFINE_integer("member", 0, "which one of config.members", 0),
        absl_flags.DEFINE_bool(
            "accept_changed_data", False, "go on though the training images changed"
        ),
    ),
    "Files": (
        absl_flags.DEFINE_string("images", None, "folder of images, or one file"),
        absl_flags.DEFINE_string(
            "output",
            None,
            "predict, export: a folder; gallery: a PNG; report: FILE.jsonl, .parquet, .csv, .html"
            " or .md",
        ),
        absl_flags.DEFINE_string("dataset", None, "the TFDS name of the data set"),
        absl_flags.DEFINE_string("source", None, "an .npz; without it TFDS downloads"),
        absl_flags.DEFINE_string("data_dir", "data", "the TFDS data directory"),
    ),
    "Decisions": (
        absl_flags.DEFINE_float("threshold", None, "of the image score; else the run's own"),
        absl_flags.DEFINE_float("pixel_threshold", None, "of the map; else the run's own"),
    ),
    "How a search is done": (
        absl_flags.DEFINE_integer("trials", 64, "how many there will be", 1),
        absl_flags.DEFINE_integer("trials_at_once", 16, "drawn and trained together", 1),
        absl_flags.DEFINE_enum("sampler", "tpe", ["tpe", "random"], "what draws values"),
        absl_flags.DEFINE_integer("sampler_seed", 0, "of what draws values", 0),
        absl_flags.DEFINE_enum(
            "scheduler", "asha", ["asha", "median", "none"], "what stops trials at rungs"
        ),
        absl_flags.DEFINE_integer("rungs", 3, "how often a trial is judged, last when finished", 1),
        absl_flags.DEFINE_integer("reduction_factor", 2, "one in so many goes on from a rung", 2),
        absl_flags.DEFINE_enum(
            "objective",
            "validation_loss",
            ["validation_loss", "oracle_image_auroc"],
            "of held-out normal images; oracle: of labels of test images",
        ),
    ),
    "How a sweep is done": (
        absl_flags.DEFINE_bool("dry_run", False, "say what would be done, and its cost"),
        absl_flags.DEFINE_string("shard", "", "i/n: do part i of n of the runs (from 0)"),
        absl_flags.DEFINE_integer(
            "max_population", 0, "most members of a program; 0: what fits", 0
        ),
        absl_flags.DEFINE_enum("engine", "inline", ["inline", "ray"], "what executes it"),
        absl_flags.DEFINE_string(
            "ray_address", "", "a running Ray cluster; without it one is started"
        ),
        absl_flags.DEFINE_integer(
            "cpus_per_task", 1, "CPUs of a Ray task where there are no GPUs", 1
        ),
    ),
    "What is measured": (
        absl_flags.DEFINE_list(
            "cases",
            [],
            "networks, metrics, anogan_search, speedrun, sweeps, search, calls; else all",
        ),
        absl_flags.DEFINE_list("sections", [], "speed, load, pipeline, population; all without it"),
        absl_flags.DEFINE_list(
            "precision", ["float32"], "of training, float32 or bfloat16 or both"
        ),
        absl_flags.DEFINE_list("convolution", [], "xla or onednn; all installed without it"),
        absl_flags.DEFINE_enum("against", None, ["torch", "pyod"], "what is compared with"),
        absl_flags.DEFINE_integer("repeats", 7, "blocks of each program", 1),
    ),
    "Several processes": (
        absl_flags.DEFINE_bool("distributed", False, "one of several, as the scheduler says"),
        absl_flags.DEFINE_string("coordinator", "", "one of several: host:port of the first one"),
        absl_flags.DEFINE_integer("num_processes", 0, "with --coordinator: how many there are", 0),
        absl_flags.DEFINE_integer(
            "process_id", -1, "with --coordinator: which of them this is, from 0"
        ),
    ),
    "Compiled programs": (
        absl_flags.DEFINE_string(
            "compilation_cache", "", "folder that keeps them, or off; ~/.cache without it"
        ),
    ),
    "Help": (
        absl_flags.DEFINE_string("topic", "", "a command, or a config file"),
        absl_flags.DEFINE_enum("shell", "bash", ["bash", "zsh"], "whose"),
    ),
}


def define_mode() -> None:
    """Define --mode, once all modes are declared."""
    if "mode" not in FLAGS:
        absl_flags.DEFINE_enum("mode", "train", list(MODES), "what to do")


def explain_flag_error(error: Exception, argv: list[str]) -> str:
    """Return one line that names the flag or key and what to do, whichever library raised."""
    text = str(error).strip()
    if isinstance(error, TypeError) or "does not support indexing" in text:  # below a value
        return f"{_below_a_value(argv)}: the config has no such key"
    if isinstance(error, AttributeError | KeyError):  # a key that the config does not have
        key = next(iter(re.findall(r"\w+", text)), "")
        flag = next((a for a in argv if re.match(rf"--?config\.(\w+\.)*{key}\b", a)), key)
        hint = re.search(r'Did you mean "(\w+)"', text)
        return f"{flag}: the config has no such key" + (f"; is it {hint[1]!r}?" if hint else "")
    if isinstance(error, OSError):
        flag = next((a for a in argv if a.startswith("--config=")), "--config")
        return f"{flag}: no such config file"
    first, last = text.splitlines()[0], text.splitlines()[-1]
    if "Traceback" in text:  # raised by get_config
        return f"{first.partition(': ')[0].removeprefix('flag ')}: {last.partition(': ')[2]}"
    if unknown := re.match(r"Unknown command line flag '(config\.[\w.]+)'", first):
        mode = next((a.partition("=")[2] for a in argv if re.match(r"--?mode=", a)), "train")
        if mode in MODES and "config" not in MODES[mode].flags:
            return _not_read(mode, unknown[1])
        return f"--{unknown[1]} changes a config: give --config=FILE too"
    flag, _, reason = first.removeprefix("flag ").partition(": ")
    advice = next((words for start, words in _OF_TYPES.items() if start in reason), reason)
    return f"{flag}: {advice}" if reason else flag


def _below_a_value(argv: list[str]) -> str:
    """Return the first flag whose key lies below a value of the config, not of a section."""
    path, _, argument = next(a for a in argv if re.match(r"--?config=", a)).partition(":")
    config = runpy.run_path(path.partition("=")[2])["get_config"](argument).to_dict()
    for flag in argv:
        section = config
        for name in re.sub(r"^--?config\.|=.*$", "", flag, flags=re.DOTALL).split(".")[:-1]:
            section = section.get(name, {})
            if not isinstance(section, Mapping):
                return flag
    return "--config"


# What the libraries of flags say of a value of another type, and what we do.
_OF_TYPES = {
    "invalid literal for int()": "give a whole number",
    "could not convert string to float": "give a number",
    "Non-boolean argument to boolean flag": "give true or false",
    "as a ConfigDict": "it is a section, give one of its keys: --config.SECTION.KEY=VALUE",
}


def check_flags(flags: Any) -> None:
    """Raise `UserError` for flags that would be ignored, and for paths that can be none."""
    given = [flag.name for flag in itertools.chain(*GROUPS.values()) if flags[flag.name].present]
    for name in given:
        # Several processes are refused with more to say, see `_join`.
        if name not in MODES[flags.mode].flags and name not in ("distributed", "coordinator"):
            raise UserError(_not_read(flags.mode, name))
    met = {
        "--engine=ray": flags.engine == "ray",
        "--scheduler=asha or median": flags.scheduler != "none",
        "--coordinator": bool(flags.coordinator),
    }
    for name in given:
        if name in _ONLY_WITH and not met[_ONLY_WITH[name]]:
            raise UserError(f"--{name} goes with {_ONLY_WITH[name]}: give both or neither")
        if name in _PATHS and flags[name].value:
            if flags[name].present > 1:
                raise UserError(f"--{name} is given {flags[name].present} times: give it once")
            several = flags.mode == "report" and name == "workdir"
            for path in paths.split(flags.workdir) if several else [flags[name].value]:
                paths.check(f"--{name}", path)


def _not_read(mode: str, name: str) -> str:
    """Return what to do about a flag, or a key of the config, that a mode does not read."""
    if name.startswith("config") and "workdir" in MODES[mode].flags:
        return f"--mode={mode} takes the config from --workdir: leave --{name} out"
    modes = [other for other in MODES if name.partition(".")[0] in MODES[other].flags]
    return f"--mode={mode} does not read --{name}, which is for {', '.join(modes)}: leave it out"
