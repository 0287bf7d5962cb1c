"""What programs are traced for: the platform, and the backend of convolutions on CPU.

That is XLA, or oneDNN if `adjax_native` is installed.
"""

import contextlib
import functools
import importlib.util
from typing import Any

import jax

from adjax.errors import UserError

CONVOLUTIONS = ("auto", "xla", "onednn")

# Parts of the key of every trace and program.
_choice = jax.make_user_context("auto")
_platform = jax.make_user_context("")


def traced_for(platform: str) -> contextlib.AbstractContextManager:
    """Return a context in which programs are traced for devices of a platform, as JAX calls it."""
    return _platform(platform)


def for_cpu() -> bool:
    """Return whether what is traced is for a CPU: JAX's default platform counts if none is told.

    For what is to leave a CPU's programs, and so their rounding, as they are; else there is
    `lax.platform_dependent`.
    """
    return (_platform.value or jax.default_backend()) == "cpu"


def convolution_backend(name: str) -> contextlib.AbstractContextManager:
    """Return a context in which programs are traced with these convolutions.

    Args:
      name: "onednn" (on CPU; other platforms have libraries of their own), "xla", or "auto":
        oneDNN if it is installed.

    Raises:
      UserError: for "onednn" where it is not installed.

    """
    if name == "onednn" and native_library() is None:
        raise UserError(
            "config.ops.convolution='onednn': adjax_native is not installed; "
            "`pip install ./native` brings it, 'xla' does without"
        )
    return _choice(name)


def chosen_library() -> Any:
    """Return the module `adjax_native` if the context selects it, else None."""
    return None if _choice.value == "xla" else native_library()


@functools.cache
def native_library() -> Any:
    """Return the module `adjax_native`, or None if it is not installed."""
    if importlib.util.find_spec("adjax_native") is None:
        return None
    return importlib.import_module("adjax_native")
