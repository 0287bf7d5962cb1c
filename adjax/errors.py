"""The exceptions that a user sees as one line."""

import errno
import os
from collections.abc import Iterable


class UserError(ValueError):
    """Bad input: one line that names the file, key or value and what to do.

    The command prints the message alone and exits with code 2.
    """


class DataError(UserError):
    """Bad input that lies in the files of a data set: it costs only the runs that need them."""


class DivergedError(RuntimeError):
    """All members of a run diverged: the message names stage, step and member.

    The command prints the message alone and exits with code 3. `failed` lists the members, one dict
    each: member, stage, step, reason.
    """

    def __init__(self, message: str, failed: Iterable[dict] = ()):
        """Keep the message and the failed members."""
        super().__init__(message)
        self.failed = list(failed)


# Packages that adjax does without where what needs them is not asked for.
_OPTIONAL = {
    "tensorflow": "TensorFlow, for tf.data pipelines, data sets of TFDS and SavedModels",
    "tensorflow_datasets": "TensorFlow Datasets",
}


def missing_package(error: ModuleNotFoundError) -> str | None:
    """Return one line on an optional package that is not installed, or None for any other."""
    name = (error.name or "").partition(".")[0]
    if name not in _OPTIONAL:
        return None
    package = {"tensorflow": "tensorflow-cpu"}.get(name, name.replace("_", "-"))
    return f"this needs {_OPTIONAL[name]}, which is not installed: pip install {package}"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type if it has none."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


# C++ libraries only give the words of the system, TFDS gives its own.
_FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT), "Not enough disk space")


def disk_full(error: BaseException | None) -> bool:
    """Return whether an exception, or one behind it, says that the disk or the quota is full."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(words in str(error) for words in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False
