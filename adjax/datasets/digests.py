"""Digests of files: what they hold, whatever they are called.

A file whose pixels are wanted is read for its digest beside them, so the disk is asked once; it is
read again only after it was written.
"""

import functools
import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from adjax.errors import UserError

Stamp = tuple[int, ...]

BYTES = 16  # of a digest: no two files of a lifetime share one by accident


def new_digest() -> "hashlib._Hash":
    """Return an empty digest, faster than SHA-256 where a processor does not help with that."""
    return hashlib.blake2b(digest_size=BYTES)


def stamp(path: Path) -> Stamp:
    """Return what changes when a file is written: bytes, times, number; nothing if it is gone."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def digest_of(path: Path) -> str:
    """Return 32 hexadecimal digits that name the bytes of a file; read once while they last.

    Raises:
      UserError: if it cannot be read.

    """
    return _digest(os.fspath(path), stamp(path))


def digests_of(paths: Iterable[Path]) -> list[str]:
    """Return the digests of files, read by as many threads as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(digest_of, paths))


@functools.cache
def _digest(path: str, when: Stamp) -> str:
    del when
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, new_digest).hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
