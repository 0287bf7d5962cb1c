"""What is raised where nobody can catch it: in finalisers and callbacks."""

import inspect
import signal
import sys
import threading
from pathlib import Path

_SOON = 0.05  # seconds: by then the callback that an interrupt fell into has returned


def install() -> None:
    """Deal, for as long as the program runs, with what Python would print and then ignore.

    An interrupt (Ctrl-C) is raised wherever the main thread is at work. Where that is a callback of
    the garbage collector (JAX has one) or a finaliser it would be lost, so it is raised again.

    Orbax closes its event loop at the first array that it cannot read. TensorStore, which reads the
    others, then has nobody to tell: its complaints are dropped, as the failure itself is told.
    """
    sys.unraisablehook = _handle


def _handle(unraisable) -> None:
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # Not from here: it would be raised, and ignored, in this function.
        main = threading.main_thread().ident
        timer = threading.Timer(_SOON, signal.pthread_kill, (main, signal.SIGINT))
        timer.daemon = True
        timer.start()
    elif not _comes_too_late(unraisable):
        sys.__unraisablehook__(unraisable)


def _comes_too_late(unraisable) -> bool:
    if inspect.iscoroutine(unraisable.object):  # one that was reading when the loop was closed
        return "orbax" in Path(unraisable.object.cr_code.co_filename).parts
    closed = str(unraisable.exc_value) == "Event loop is closed"
    return closed and unraisable.exc_type is RuntimeError and unraisable.object is None
