"""Config files: those of the user, and those that come with adjax."""

import contextlib
import inspect
import os
import runpy
from pathlib import Path
from typing import Any, NamedTuple

from adjax.errors import UserError

FOLDER = (Path(__file__).parent.parent / "configs").resolve()


class Found(NamedTuple):
    """A config file.

    Attributes:
      path: of the file, as it was given where it is the user's or there is none.
      note: which of two it is, where both the user and adjax have one of this name; else empty.

    """

    path: str
    note: str = ""


def find(path: str) -> Found:
    """Find a config file: in the working directory, or else among those that are shipped.

    Args:
      path: of the file; shipped ones are called `mnist.py` or, as in a checkout,
        `configs/mnist.py`.

    """
    shipped = FOLDER / path.removeprefix(f"{FOLDER.name}/")
    if shipped.parent != FOLDER or not os.path.isfile(shipped):
        return Found(path)
    if not os.path.isfile(path):
        return Found(str(shipped))
    with contextlib.suppress(OSError):  # who runs it will say so
        if Path(path).read_bytes() == shipped.read_bytes():
            return Found(path)
    return Found(path, f"--config={path} is the file of this folder, not the shipped {shipped}")


def load(path: str) -> dict[str, Any]:
    """Run a config file; return what it defines.

    Raises:
      UserError: if there is no such file.

    """
    try:
        return runpy.run_path(path)
    except OSError as error:
        raise UserError(f"--config={path}: no such config file") from error


def files() -> dict[str, dict[str, Any]]:
    """Return what the shipped config files define, by their names.

    A module beside them that several share is none: its `get_config` must be told more.
    """
    loaded = {path.name: load(str(path)) for path in sorted(FOLDER.glob("*.py"))}
    return {name: found for name, found in loaded.items() if _is_config(found.get("get_config"))}


def _is_config(get_config: Any) -> bool:
    if get_config is None:
        return False
    try:
        inspect.signature(get_config).bind()
    except TypeError:
        return False
    return True


def help_of(path: str) -> str:
    """Return what a config file says of itself, and the arguments that it accepts."""
    found = load(find(path.partition(":")[0]).path)
    said, arguments = inspect.cleandoc(found["__doc__"] or ""), found.get("ARGUMENTS")
    return f"{said}\n\n{arguments.help()}" if arguments else said
