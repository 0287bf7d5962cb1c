"""Memory of whole images: threads that decode at once share a number of bytes.

A compressed file of some kilobytes may hold an image of 256 MiB, so what is in flight is counted in
bytes, as the files' headers announce them, and not in files.
"""

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator

from adjax.datasets.images import MAX_PIXELS, count_pixels
from adjax.errors import UserError

IN_FLIGHT = 1 << 30  # bytes, of all threads together [D]
# Bytes a pixel at the peak, measured or above what was.
READING = 12  # decoded, turned, without alpha, made small
MASK = 24  # ground truth made small, its regions numbered
STATISTICS = 32  # differences of float32 grey levels
_LARGE = 64 << 20  # bytes


class Budget:
    """A number of bytes that threads hold parts of; what is larger than all of it is held alone."""

    def __init__(self, size: int):
        """Make a budget of `size` bytes, none of them held."""
        self._size, self._held = size, 0
        self._changed = threading.Condition()
        self._own = threading.local()

    @contextlib.contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Wait until `size` bytes are free, and hold them for a block.

        A thread that holds some already gets its part without waiting, or two could wait for each
        other.
        """
        depth = getattr(self._own, "depth", 0)
        with self._changed:
            if not depth:
                self._changed.wait_for(lambda: not self._held or self._held + size <= self._size)
            self._held += size
        self._own.depth = depth + 1
        try:
            yield
        finally:
            self._own.depth = depth
            with self._changed:
                self._held -= size
                self._changed.notify_all()


_BUDGET = Budget(IN_FLIGHT)


@contextlib.contextmanager
def room_for(path: str | os.PathLike[str], per_pixel: int = READING) -> Iterator[None]:
    """Begin a block when the image of a file fits beside those of other threads.

    What the block makes of it must be let go when it ends.

    Args:
      path: the file; one that cannot be read needs no room, whoever decodes it says why.
      per_pixel: bytes that the block needs a pixel of the image.

    """
    try:
        pixels = count_pixels(path)
        size = (pixels <= MAX_PIXELS) * pixels * per_pixel + os.path.getsize(path)
    except (UserError, OSError):
        size = 0
    with _BUDGET.hold(size):
        try:
            yield
        finally:
            if size > _LARGE:
                _trim()


def _trim() -> None:
    """Give freed memory back to the system: each thread would keep what its largest image took."""
    with contextlib.suppress(OSError, AttributeError):  # where the C library cannot
        ctypes.CDLL(None).malloc_trim(0)
