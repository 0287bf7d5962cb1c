"""Signals that ask a training to stop: it saves first."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

STOP = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Whether a signal has asked for an end.

    Attributes:
      signal: its number, or 0.

    """

    def __init__(self) -> None:
        """Nothing has asked yet."""
        self.signal = 0

    def leave(self) -> None:
        """End the program as the signal would have; nothing happens without one.

        Raises:
          KeyboardInterrupt: after SIGINT.
          SystemExit: after SIGTERM, with the exit status that shells give it.

        """
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal:
            raise SystemExit(128 + self.signal)


@contextlib.contextmanager
def heeded() -> Iterator[Stop]:
    """Note, for a block, the first SIGTERM or SIGINT; the second acts as it always does.

    In another thread than the main one, which alone may handle signals, nothing is noted.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    earlier = {number: signal.getsignal(number) for number in STOP}

    def note(number: int, frame: FrameType | None) -> None:
        stop.signal = number
        restore()

    def restore() -> None:
        for number, handler in earlier.items():
            if handler is not None:  # None: not set from Python, and not to be set again
                signal.signal(number, handler)

    for number in STOP:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        restore()
