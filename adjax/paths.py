"""Paths of any characters: for people, and for libraries that read patterns in them.

A file system allows every character but `/` in a name, and bytes that are no text. Orbax,
TensorStore, TFDS and TensorFlow do not: `[1]` they take for a pattern, so that what was written is
never found again, `a*` finds what belongs to others, a backslash separates folders, and bytes that
are no UTF-8 are refused when the work is done.
"""

import contextlib
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from adjax.errors import UserError, disk_full

_PLAIN = re.compile(r"[\w/.,=+@~-]*", re.ASCII)  # of these no library makes anything else
_OPEN_FOLDERS = Path("/proc/self/fd")  # Linux: a folder that this process has opened, by number
_NO_TEXT = re.compile("[\udc80-\udcff]")  # bytes that are no UTF-8, as Python has them
_PATTERN = re.compile(r"[*?\[\\]")


@contextlib.contextmanager
def plain(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Hold a path to a folder that every library reads as it is.

    Args:
      folder: that exists, of any name.

    Yields:
      The absolute path where that is of plain characters, else another one to the same folder,
      which this process alone has, and only within the block.

    Raises:
      UserError: if the system has no such other path.

    """
    path = Path(folder).absolute()
    if _PLAIN.fullmatch(str(path)):
        yield path
        return
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        other = _OPEN_FOLDERS / str(number)
        if not other.exists():
            raise UserError(
                f"{path}: on this system a path must be of letters, digits and _ . , = + @ ~ - "
                "alone: choose another folder"
            )
        yield other
    finally:
        os.close(number)


def check(flag: str, path: str) -> None:
    """Raise `UserError` if `path`, the value of a flag, can be that of no file or folder."""
    if not path.strip():
        raise UserError(f"{flag}={path!r} is blank: give a path")
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return  # whoever needs it says so
    except (OSError, ValueError) as error:
        raise UserError(f"{flag}={path}: {getattr(error, 'strerror', None) or error}") from error


@contextlib.contextmanager
def writing(flag: str, path: str) -> Iterator[None]:
    """Raise `UserError` if a block cannot write to `path`, the value of a flag; full disks pass."""
    try:
        yield
    except OSError as error:
        if disk_full(error):
            raise
        raise UserError(f"cannot write to {flag}={path}: {error.strerror}") from error


def is_pattern(path: str | os.PathLike[str]) -> bool:
    """Return whether TensorFlow would not find a file of this path, but files that match it."""
    text = str(Path(path).absolute())
    return bool(_PATTERN.search(text) or _NO_TEXT.search(text))


def split(text: str) -> list[str]:
    """Return the paths of a list between commas, which may be in names too.

    What exists is one path: of `a,b,c` that is `a,b` and `c` where there is `a,b`. From the left,
    the longest that exists is taken.
    """
    parts, found = text.split(","), []
    while parts:
        joined = [",".join(parts[:count]) for count in range(len(parts), 0, -1)]
        found.append(next(filter(os.path.lexists, joined), parts[0]))
        parts = parts[1 + found[-1].count(",") :]
    return found


def on_one_line(text: str) -> str:
    r"""Return a text on one line: what is no letter, sign or space as its escape, `\n` or `\xff`.

    Of names of files, in which there may be line breaks and bytes that are no text.
    """
    return "".join(c if c.isprintable() or _is_space(c) else _escape(c) for c in text)


def as_text(text: str) -> str:
    r"""Return a text that can be written: bytes of names that are no text as `\xff`."""
    return _NO_TEXT.sub(lambda match: _escape(match[0]), text)


def _is_space(character: str) -> bool:
    return unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    if _NO_TEXT.match(character):
        return f"\\x{ord(character) & 0xFF:02x}"
    return character.encode("unicode_escape").decode()
