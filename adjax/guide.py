"""What there is: help on commands and config files, lists of configs and methods.

All of it follows from what is declared elsewhere: verbs and their flags in `adjax.flags`, arguments
in config files, methods in their packages.
"""

import difflib
import textwrap
from typing import Any

from absl import flags as absl_flags

from adjax.completion import script
from adjax.config import shipped
from adjax.errors import UserError
from adjax.flags import FLAGS, GROUPS, MODES, reads
from adjax.methods import infos

_WIDTH = 100
_PURPOSE = "See what there is"
_DATA = {"classes": "image classes", "industrial": "industrial images"}
_HEAD = """\
adjax COMMAND [--FLAG=VALUE ...] [--config.KEY=VALUE ...]

Reconstruction-based image anomaly detection. In a checkout `python launch.py` is the same command.
"""
_FOOT = """\
`adjax help COMMAND` says which flags a command reads, `adjax help FILE.py` what a config file may
be asked for. To begin with: adjax train --config=mnist.py:ae,smoke --workdir=runs/first"""


@reads("topic", purpose=_PURPOSE, word="topic")
def help(flags: Any) -> None:
    """Explain all commands, one of them, or a config file."""
    print(explain(flags.topic))


@reads(purpose=_PURPOSE)
def configs(flags: Any) -> None:
    """List the config files that are shipped, and what each may be asked for."""
    for name, found in shipped.files().items():
        print(_entry(name, (found["__doc__"] or "").strip().partition("\n")[0], 20))
        if arguments := found.get("ARGUMENTS"):
            kinds = {"sweeps": arguments.sweeps, "words": arguments.words}
            listed = "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds.items())
            method = f"a method of {_DATA[arguments.kind]}, {arguments.first} without one"
            print(_entry("", f"{method}; {listed}", 20))


@reads(purpose=_PURPOSE)
def methods(flags: Any) -> None:
    """List the methods: what they are called, their paper, the data that they are for."""
    for name, info in infos().items():
        data = " and ".join(_DATA[task] for task in info.tasks)
        print(_entry(name, f"{info.title}, {info.paper or 'of no paper'}; for {data}", 20))


@reads("shell", purpose=_PURPOSE, word="shell")
def completion(flags: Any) -> None:
    """Print what has a shell complete the command: eval "$(adjax completion bash)"."""
    print(script(flags.shell), end="")


def overview() -> str:
    """Return all commands, by what they are for."""
    lines = [_HEAD]
    for purpose in dict.fromkeys(mode.purpose for mode in MODES.values()):
        own = {name: mode.summary for name, mode in MODES.items() if mode.purpose == purpose}
        lines += [purpose, *(_entry(f"  {name}", said, 18) for name, said in own.items()), ""]
    return "\n".join([*lines, _FOOT])


def explain(topic: str) -> str:
    """Return help on a command, or on a config file with or without an argument; '' is on all.

    Raises:
      UserError: if there is neither.

    """
    if not topic:
        return overview()
    if topic in MODES:
        return _of_mode(topic)
    if ".py" in topic:
        return shipped.help_of(topic)
    near = difflib.get_close_matches(topic, [*MODES, *shipped.files()], 1)
    hint = f", but {near[0]}" if near else ""
    raise UserError(f"there is no command or config file {topic!r}{hint}: `adjax help` lists all")


def _of_mode(name: str) -> str:
    """Return what a command does and the flags that it reads, in the order of their groups."""
    mode = MODES[name]
    word = f" [{mode.word.upper()}]" if mode.word else ""
    own = [flag for flag in mode.flags if flag != mode.word]
    lines = [f"adjax {name}{word}{' [--FLAG=VALUE ...]' if own else ''}", "", mode.summary]
    for group, flags in GROUPS.items():
        entries = [_of_flag(FLAGS[flag.name]) for flag in flags if flag.name in mode.flags]
        if entries:
            lines += ["", group, *entries]
    if "config" in mode.flags:
        changes = "changes a value of the config; `adjax configs` lists the files"
        lines += ["", _entry("  --config.KEY=VALUE", changes, 28)]
    return "\n".join(lines)


def _of_flag(flag: absl_flags.Flag) -> str:
    """Return a flag, what may be given, and what it is, with its default where it has one."""
    said = flag.help
    value = {"bool": "", "int": "=N", "string": "=TEXT"}.get(flag.flag_type(), "=A,B")
    if isinstance(flag, absl_flags.EnumFlag):
        choices = "|".join(flag.parser.enum_values)
        value, said = f"={choices}", said.removeprefix(f"<{choices}>: ")  # absl puts them there
    if flag.name == "config":
        value = "=FILE[:ARGUMENT]"
    default = "" if flag.default in (None, "", [], False) else f" [{flag.default_as_str}]"
    return _entry(f"  --{flag.name}{value}", said + default.replace("'", ""), 28)


def _entry(name: str, said: str, indent: int) -> str:
    """Return a name and what it is in a column beside it, or below it where it is long."""
    gap = "\n" + indent * " " if name and len(name) > indent - 2 else (indent - len(name)) * " "
    wrapped = textwrap.wrap(said, _WIDTH - indent)
    return name + gap + ("\n" + indent * " ").join(wrapped)
