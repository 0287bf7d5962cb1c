"""Compiled programs that are kept between processes: a second run does not compile them again.

JAX does the keeping: a program is found by all that it was compiled from (the operations, JAX's and
XLA's versions, options, devices). What it does not ask for is the processor, so each kind of
machine has a folder of its own.
"""

import glob
import hashlib
import os
import platform
from collections.abc import MutableMapping
from pathlib import Path

OFF = "off"
_MOST_BYTES = 2 << 30  # the programs that were not used for longest go first
_LEAST_SECONDS = 1  # of compiling; less is not worth a file


def keep_programs(
    folder: str = "", environment: MutableMapping[str, str] = os.environ
) -> str | None:
    """Have JAX keep compiled programs, and find those of earlier processes.

    Call it before JAX is imported. Who has set JAX's own `JAX_COMPILATION_CACHE_DIR` keeps it.

    Args:
      folder: where; empty: the user's cache folder; "off": nowhere.
      environment: of this process and of those it starts.

    Returns:
      One line that says why nothing is kept though it should be, or None.

    """
    if folder == OFF:
        environment["JAX_ENABLE_COMPILATION_CACHE"] = "false"
        return None
    if not folder and "JAX_COMPILATION_CACHE_DIR" in environment:
        return None
    root = Path(folder) if folder else _of_user(environment)
    if reason := _unwritable(root):
        return (
            f"compiled programs are not kept: {root} {reason}; "
            "give --compilation_cache=FOLDER, or off to do without"
        )
    environment["JAX_COMPILATION_CACHE_DIR"] = str((root / _machine()).absolute())
    environment.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(_MOST_BYTES))
    environment.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", str(_LEAST_SECONDS))
    return None


def _of_user(environment) -> Path:
    """Return `adjax/compiled` in the user's cache folder."""
    caches = environment.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(caches):  # such as none: the standard says to pass over relative ones
        caches = Path(environment.get("HOME") or os.path.expanduser("~"), ".cache")
    return Path(caches, "adjax", "compiled")


def _unwritable(folder: Path) -> str:
    """Return why programs cannot be kept in a folder, which may still have to be made, or ''."""
    if glob.escape(path := str(folder.absolute())) != path:
        # JAX would not find what it has to remove there.
        return "has one of * ? [ in its name, by which JAX takes it for a pattern"
    existing = next(p for p in (folder, *folder.absolute().parents) if os.path.lexists(p))
    if not existing.is_dir():
        return f"cannot be made: {existing} is no folder"
    return "" if os.access(existing, os.W_OK | os.X_OK) else "cannot be written to"


def _machine() -> str:
    """Return a name for machines that run each other's programs, and would make the same ones."""
    features = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        wanted = ("model name", "flags", "Features", "CPU part")
        features = "\n".join(sorted({line for line in lines if line.startswith(wanted)}))
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    digest = hashlib.sha256(f"{features}\n{cores}".encode()).hexdigest()[:8]
    return f"{platform.machine()}-{digest}"
