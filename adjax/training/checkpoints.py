"""Checkpoints, in the only module that knows Orbax."""

import contextlib
import functools
import hashlib
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from adjax import files, hosts, paths
from adjax.errors import UserError
from adjax.training.member_files import SUFFIX, MemberFile, link, read_members

_MEMBERS = "members"  # the folder of a stage that was taken from the cache
_RECORD = "record.json"
_METADATA = 1 << 20  # bytes of a checkpoint beside its arrays, at most
_LONG = 3600 * 24 * 36500  # seconds
_DIGEST = "digest"  # key of what a checkpoint holds, in its JSON
# What is raised by files that are not those of a stage that was taken from the cache.
_NO_CHECKPOINT = (OSError, ValueError, KeyError, TypeError, AttributeError)


class Checkpoints:
    """Checkpoints of one stage: an array tree and a JSON dict per step, written asynchronously.

    A checkpoint appears under its step's name only when it is complete; the latest two are kept.
    (The best variables of each member are part of the tree: members are best at different steps.)
    Each carries a digest of its arrays and its dict, without which a flipped bit would go unseen.
    The last one of a stage that was taken from the cache is the members' files there, see `take`.
    """

    def __init__(self, directory: Path):
        """Open `directory`, which is made when something is saved; its own name must be plain."""
        self._directory = Path(directory).absolute()
        self._members = self._directory / _MEMBERS
        self._open = contextlib.ExitStack()

    @functools.cached_property
    def _manager(self) -> ocp.CheckpointManager:
        self._directory.parent.mkdir(parents=True, exist_ok=True)
        parent = self._open.enter_context(paths.plain(self._directory.parent))
        options = ocp.CheckpointManagerOptions(
            max_to_keep=2, cleanup_tmp_directories=True, async_options=_patient()
        )
        return ocp.CheckpointManager(parent / self._directory.name, options=options)

    def latest_step(self) -> int | None:
        """Return the step of the latest complete checkpoint."""
        if self._has_members():
            return self._taken()[0]["step"]
        return self._manager.latest_step() if hosts.agreed(self._directory.exists()) else None

    def take(self, members: Sequence[MemberFile | None], record: dict) -> bool:
        """Keep the final checkpoint of a stage as the files of its members; False if one is gone.

        Args:
          members: files of the stage cache; None for a member that has diverged.
          record: the JSON dict of the checkpoint.

        """

        def fill(folder: Path) -> None:
            for number, member in enumerate(members):
                if member is not None:
                    link(member, folder / f"{number}{SUFFIX}")
            digests = [member and member.digest for member in members]
            content = {"record": record, "members": digests}
            files.write_json(folder / _RECORD, files.sealed(content))

        with contextlib.suppress(FileNotFoundError):  # another process has set an entry aside
            files.write_folder(self._members, fill)
        return self._has_members()

    def _has_members(self) -> bool:
        return hosts.agreed(self._members.exists())

    def _taken(self) -> tuple[dict, list[MemberFile | None]]:
        """The record and the files of a stage that was taken; `UserError` if they are damaged."""
        try:
            content = _read_taken(self._directory)
            members = [
                digest and MemberFile(self._members / f"{number}{SUFFIX}", digest)
                for number, digest in enumerate(content["members"])
            ]
            return content["record"], members
        except _NO_CHECKPOINT as error:
            raise self._damaged(error) from error

    def _restore_taken(self, like: Any) -> tuple[Any, dict]:
        record, members = self._taken()
        try:
            tree = read_members(members, like)
        except _NO_CHECKPOINT as error:
            raise self._damaged(error) from error
        return jax.tree.map(_put_like, tree, like), record

    def _damaged(self, error: Exception) -> UserError:
        reason = str(error).partition("\n")[0]
        return UserError(
            f"{self._members}: the checkpoint is damaged or of another version of adjax "
            f"({reason}): delete that folder or train elsewhere"
        )

    def save(self, step: int, tree: Any, record: dict) -> None:
        """Write in the background; buffers of `tree` must not be donated afterwards.

        Raises:
          OSError: at once if the disk has no room for it.

        """
        size, manager = sum(leaf.nbytes for leaf in jax.tree.leaves(tree)), self._manager
        files.require_room(self._directory, size + _METADATA)
        content = {"record": record, _DIGEST: digest(tree, record)}
        manager.save(
            step,
            args=ocp.args.Composite(
                tree=ocp.args.StandardSave(tree), record=ocp.args.JsonSave(content)
            ),
        )

    def restore(self, like: Any, *, fall_back: bool = False) -> tuple[Any, dict] | None:
        """Return the latest checkpoint, with the shapes, dtypes and shardings of `like`.

        Args:
          like: a tree of the same structure.
          fall_back: remove a checkpoint that cannot be used, say so, and return the one before;
            None if there is no other.

        Raises:
          UserError: if it is damaged or of another structure.

        """
        if self._has_members():
            try:
                return self._restore_taken(like)
            except UserError as error:
                if not fall_back:
                    raise
                print(f"{error}; it is made again", file=sys.stderr)
                shutil.rmtree(self._members, ignore_errors=True)
        if not hosts.agreed(self._directory.exists()):
            return None
        while (step := self._manager.latest_step()) is not None:
            try:
                return self._restore(step, like)
            except UserError as error:
                if not fall_back:
                    raise
                print(f"{error}; training goes on from the one before", file=sys.stderr)
                self._forget(step)
        return None

    def _restore(self, step: int, like: Any) -> tuple[Any, dict]:
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        args = ocp.args.Composite(
            tree=ocp.args.StandardRestore(abstract), record=ocp.args.JsonRestore()
        )
        folder = self._directory / str(step)
        try:
            restored = self._manager.restore(step, args=args)
            content = restored.record
            # Earlier versions stored the dict alone.
            record = content["record"] if _DIGEST in content else content
            damaged = content.get(_DIGEST, None) not in (None, digest(restored.tree, record))
        except Exception as error:  # Orbax and TensorStore raise whatever they meet
            raise UserError(
                f"{folder}: the checkpoint of step {step} is damaged or of another version of "
                "adjax: delete that folder or train elsewhere"
            ) from error
        if damaged:
            raise UserError(
                f"{folder}: the checkpoint of step {step} is damaged: its content is not what was "
                "saved; delete that folder or train elsewhere"
            )
        return restored.tree, record

    def _forget(self, step: int) -> None:
        """Remove a checkpoint, whatever is left of it."""
        shutil.rmtree(self._directory / str(step), ignore_errors=True)
        self._manager.reload()

    def close(self) -> None:
        """Wait for pending writes."""
        if "_manager" in self.__dict__:
            self._manager.close()
        self._open.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def latest_step(directory: Path) -> int:
    """Return the step of the latest checkpoint in a stage's folder, by names; 0 without one.

    No checkpoint is opened: another process may be writing there. A stage that was taken from the
    cache counts as begun even if its record is damaged, so that nothing else about it is forgotten.
    """
    steps = [int(path.name) for path in directory.glob("[0-9]*") if path.name.isdecimal()]
    if (directory / _MEMBERS).exists():
        try:
            steps.append(int(_read_taken(directory)["record"]["step"]))
        except _NO_CHECKPOINT:
            steps.append(1)
    return max(steps, default=0)


def _read_taken(directory: Path) -> dict:
    """Return what the record of a stage that was taken says; raises as `_NO_CHECKPOINT` lists."""
    content = json.loads((directory / _MEMBERS / _RECORD).read_text())
    if content.get(files.DIGEST) is None:
        raise ValueError("it has no digest")
    return files.unsealed(content)


def _patient() -> ocp.AsyncOptions | None:
    """Return options by which one process waits for its own disk however long; None for several.

    Orbax measures by the time of day, which jumps by hours when a machine has slept.
    """
    if jax.process_count() > 1:
        return None
    return ocp.AsyncOptions(timeout_secs=_LONG, create_directories_asynchronously=False)


def _put_like(leaf: np.ndarray, like: Any) -> jax.Array:
    """Put a host array onto the devices of `like`."""
    return jax.make_array_from_callback(leaf.shape, like.sharding, leaf.__getitem__)


def digest(tree: Any, record: dict) -> str | None:
    """Return a name for the values of arrays and a JSON dict; None if some are on other hosts."""
    leaves = jax.tree.leaves(tree)
    if not all(getattr(leaf, "is_fully_addressable", True) for leaf in leaves):
        return None
    found = hashlib.blake2b(digest_size=16)
    for leaf in leaves:
        found.update(np.ascontiguousarray(jax.device_get(leaf)).tobytes())
    found.update(json.dumps(record, sort_keys=True).encode())
    return found.hexdigest()
