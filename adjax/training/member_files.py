"""The tree of one member of a stage as a file: in the stage cache, and in the runs that took it.

A run that finds a stage in the cache keeps links to its members' files where the file system has
links, and copies elsewhere. No one writes into such a file: it is made whole, and only removed. So
to remove a run or an entry leaves the other as it is, and each compares what it reads with the
digest that it noted, whoever else has the file.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import serialization

from adjax import files

SUFFIX = ".msgpack"


class MemberFile(NamedTuple):
    """The file of a member's tree, and the digest of what it must hold."""

    path: Path
    digest: str


def write_member(path: Path, tree: Any) -> None:
    """Write the tree of one member: arrays on the host."""
    path.write_bytes(serialization.to_bytes(tree))


def digest_of(path: Path) -> str:
    """Return the digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_members(members: Sequence[MemberFile | None], like: Any) -> Any:
    """Return the trees of P members stacked: host arrays `[P, ...]`; NaN for those without a file.

    Args:
      members: their files.
      like: a tree of the same structure; leaves have shapes `[P, ...]` and dtypes.

    Raises:
      ValueError: if a file is not what it must be, or of another structure.
      OSError: if one cannot be read.

    """
    rows = [_nan_like(like) if member is None else _read(member, like) for member in members]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)


def _read(member: MemberFile, like: Any) -> Any:
    content = member.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != member.digest:
        raise ValueError("its content is not what was saved")
    tree = serialization.from_bytes(like, content)

    def check(leaf, wanted) -> None:
        if leaf.shape != wanted.shape[1:] or leaf.dtype != wanted.dtype:
            raise ValueError("its arrays are of other shapes")

    jax.tree.map(check, tree, like)
    return tree


def _nan_like(like: Any) -> Any:
    """Return one member of a tree, its floating-point leaves NaN and the others zero."""
    return jax.tree.map(
        lambda x: np.full(
            x.shape[1:], np.nan if np.issubdtype(x.dtype, np.floating) else 0, x.dtype
        ),
        like,
    )


def link(member: MemberFile, path: Path) -> None:
    """Make `path` the same file, or a copy where there are no links between the two places."""
    try:
        os.link(member.path, path)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        files.require_room(path.parent, member.path.stat().st_size)
        shutil.copyfile(member.path, path)
