"""From a command line to a verb and an exit code: `adjax`, `python -m adjax` and `launch.py`.

`adjax MODE FLAGS` is `adjax --mode=MODE FLAGS`, whichever program it is.
"""

import difflib
import importlib.util
import io
import os
import re
import sys
from typing import NoReturn

from adjax import cli, guide, paths, unraisable
from adjax.config import shipped
from adjax.errors import DivergedError, UserError, disk_full, missing_package
from adjax.flags import FLAGS, MODES, check_flags, define_mode, explain_flag_error

_HELP = frozenset({"--help", "-help", "-h"})


def run() -> NoReturn:
    """Run the command line of this process, and leave it."""
    if os.getcwd() not in map(os.path.abspath, sys.path):
        sys.path.append(os.getcwd())  # a config file may import what lies beside it
    leave(main(sys.argv))


def leave(code: int) -> NoReturn:
    """Exit with a code, where JAX is at work as `hosts.leave` does."""
    if "jax" in sys.modules:
        from adjax import hosts

        hosts.leave(code)
    sys.exit(code)


def main(argv: list[str]) -> int:
    """Run a command line, of which the first word is the program; return the exit code."""
    unraisable.install()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be no text
    try:
        if text := _help(argv):
            print(text)
            return 0
        parse_flags(argv)
        check_flags(FLAGS)
        return _compare() if _is_comparison() else cli.run(FLAGS)
    except UserError as error:
        print(f"error: {_told(error, argv)}", file=sys.stderr)
        return 2
    except DivergedError as error:
        print(f"training stopped: {_told(error, argv)}", file=sys.stderr)
        return 3
    except ModuleNotFoundError as error:
        if (line := missing_package(error)) is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command continues from the last checkpoint", file=sys.stderr)
        return 130
    except Exception as error:
        if not disk_full(error):
            raise
        message = "the disk is full; finished results are kept: make room, repeat the command"
        print(f"error: {message}", file=sys.stderr)
        return 1


def _told(error: Exception, argv: list[str]) -> str:
    """Return an error's message on one line, which calls a mode as the command line does."""
    text = paths.on_one_line(str(error))
    if not _names_mode(argv):
        return text
    return re.sub(rf"--mode=({'|'.join(MODES)})\b", r"adjax \1", text)


def _names_mode(argv: list[str]) -> bool:
    """Return whether the mode is given as a word, `adjax MODE`."""
    return len(argv) > 1 and not argv[1].startswith("-")


def _help(argv: list[str]) -> str:
    """Return the help that a command line asks for: of a config file, a mode or all; else ''."""
    if not argv[1:]:
        return guide.overview()
    if not _HELP & set(argv):
        return ""
    argv = _as_flags(argv)
    given = dict(re.findall(r"^--?(config|mode)[=\n](.*)$", "\n".join(argv), re.MULTILINE))
    return guide.explain(given.get("config") or given.get("mode") or "")


def parse_flags(argv: list[str]) -> None:
    """Parse a command line into `FLAGS`; everything wrong with it becomes a `UserError`."""
    define_mode()
    argv, given, found = _with_config_found(_as_flags(argv))
    try:
        rest = FLAGS(argv)[1:]
        if FLAGS.config is not None:
            FLAGS.config.lock()  # a file that could not be loaded raises only when it is used
    except Exception as error:  # absl and ml_collections raise many types
        raise UserError(explain_flag_error(error, argv).replace(found, given)) from error
    if rest:
        raise UserError(f"unexpected argument {rest[0]!r}: flags are written --NAME=VALUE")


def _as_flags(argv: list[str]) -> list[str]:
    """Return a command line with its mode, and the word behind that, as flags."""
    if not _names_mode(argv):
        return argv
    program, name, *rest = argv
    if name not in MODES:
        near = difflib.get_close_matches(name.replace("-", "_"), MODES, 1)
        hint = f", but {near[0]!r}" if near else ""
        raise UserError(f"there is no command {name!r}{hint}: `adjax help` lists all")
    word = MODES[name].word
    if word and rest and not rest[0].startswith("-"):
        rest[0] = f"--{word}={rest[0]}"
    return [program, f"--mode={name}", *rest]


def _with_config_found(argv: list[str]) -> tuple[list[str], str, str]:
    """Return a command line whose config file is one that exists, if there is one.

    And the config as it was given, and as it stands there now.
    """
    for place, argument in enumerate(argv):
        if not re.match(r"--?config(=|$)", argument):
            continue
        flag, is_one_word, given = argument.partition("=")
        after = place + 1
        if not is_one_word:
            if not argv[after:]:
                break
            given, after = argv[after], after + 1
        path, colon, rest = given.partition(":")
        found = shipped.find(path)
        if found.note:
            print(paths.on_one_line(found.note), file=sys.stderr)
        value = f"{found.path}{colon}{rest}"
        return [*argv[:place], f"{flag}={value}", *argv[after:]], given, value
    return argv, "", ""


def _is_comparison() -> bool:
    """Return whether the flags ask for a comparison with other libraries."""
    asked = ("cases", "precision", "convolution", "sections", "against", "output")
    return FLAGS.mode == "benchmark" and (
        FLAGS.config is None or any(FLAGS[name].present for name in asked)
    )


def _compare() -> int:
    """Compare with other libraries, which the package itself does not; return the exit code."""
    if importlib.util.find_spec("benchmarks") is None:
        raise UserError(
            "--mode=benchmark without --config needs the folder benchmarks of the checkout, where "
            "the command must be given; give --config to measure that config alone"
        )
    from benchmarks import command

    command.run(FLAGS)
    return 0
