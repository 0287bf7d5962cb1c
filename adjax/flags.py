"""Flags: which a mode reads, and what is wrong with those that were given, in one line."""

import itertools
import re
import runpy
from collections.abc import Callable, Mapping
from typing import Any

from adjax import paths
from adjax.errors import UserError

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

MODES: dict[str, Callable[[Any], int | None]] = {}
FLAGS_OF: dict[str, tuple[str, ...]] = {}  # of a mode, those that it reads beside --mode


def reads(*flags: str):
    """Make a function the verb of the mode of its name, and declare the flags that it reads."""

    def declare(verb):
        MODES[verb.__name__], FLAGS_OF[verb.__name__] = verb, flags
        return verb

    return declare


def explain_flag_error(error: Exception, argv: list[str]) -> str:
    """Return one line that names the flag or key and what to do, whichever library raised."""
    text = str(error).strip()
    if isinstance(error, TypeError) or "does not support indexing" in text:  # below a value
        return f"{_below_a_value(argv)}: the config has no such key"
    if isinstance(error, AttributeError | KeyError):  # a key that the config does not have
        key = re.search(r"\w+", text)[0]
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
        if mode in MODES and "config" not in FLAGS_OF[mode]:
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


def config_help(argv: list[str]) -> str:
    """Return the help of a config file: its description, and the arguments that it accepts.

    Empty unless `argv` asks for help and names a config file that has `ARGUMENTS`.
    """
    given = [a.split("=", 1)[1] for a in argv if re.match(r"--?config=", a)]
    if not given or not {"--help", "-help", "-h"} & set(argv):
        return ""
    path = given[0].partition(":")[0]
    try:
        module = runpy.run_path(path)
    except OSError as error:
        raise UserError(f"--config={path}: no such config file") from error
    arguments = module.get("ARGUMENTS")
    if arguments is None:
        return ""
    return f"{module['__doc__']}\n{arguments.help()}"


def check_flags(flags) -> None:
    """Raise `UserError` for flags that would be ignored, and for paths that can be none."""
    given = [
        name for name in dict.fromkeys(itertools.chain(*FLAGS_OF.values())) if flags[name].present
    ]
    for name in given:
        # Several processes are refused with more to say, see `_join`.
        if name not in FLAGS_OF[flags.mode] and name not in ("distributed", "coordinator"):
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
    if name.startswith("config") and "workdir" in FLAGS_OF[mode]:
        return f"--mode={mode} takes the config from --workdir: leave --{name} out"
    modes = [other for other in MODES if name.partition(".")[0] in FLAGS_OF[other]]
    return f"--mode={mode} does not read --{name}, which is for {', '.join(modes)}: leave it out"
