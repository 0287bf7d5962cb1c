"""Checkpoints, in the only module that knows Orbax."""

import contextlib
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from adjax import files, paths
from adjax.errors import UserError

_METADATA = 1 << 20  # bytes of a checkpoint beside its arrays, at most
_LONG = 3600 * 24 * 36500  # seconds
_DIGEST = "digest"  # key of what a checkpoint holds, in its JSON


class Checkpoints:
    """Checkpoints of one stage: an array tree and a JSON dict per step, written asynchronously.

    A checkpoint appears under its step's name only when it is complete; the latest two are kept.
    (The best variables of each member are part of the tree: members are best at different steps.)
    Each carries a digest of its arrays and its dict, without which a flipped bit would go unseen.
    """

    def __init__(self, directory: Path):
        """Open or create `directory`, whose own name must be plain: a stage's."""
        self._directory = Path(directory).absolute()
        self._directory.parent.mkdir(parents=True, exist_ok=True)
        self._open = contextlib.ExitStack()
        parent = self._open.enter_context(paths.plain(self._directory.parent))
        options = ocp.CheckpointManagerOptions(
            max_to_keep=2, cleanup_tmp_directories=True, async_options=_patient()
        )
        self._manager = ocp.CheckpointManager(parent / self._directory.name, options=options)

    def latest_step(self) -> int | None:
        """Return the step of the latest complete checkpoint."""
        return self._manager.latest_step()

    def save(self, step: int, tree: Any, record: dict) -> None:
        """Write in the background; buffers of `tree` must not be donated afterwards.

        Raises:
          OSError: at once if the disk has no room for it.

        """
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
        files.require_room(self._directory, size + _METADATA)
        content = {"record": record, _DIGEST: digest(tree, record)}
        self._manager.save(
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
        self._manager.close()
        self._open.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _patient() -> ocp.AsyncOptions | None:
    """Return options by which one process waits for its own disk however long; None for several.

    Orbax measures by the time of day, which jumps by hours when a machine has slept.
    """
    if jax.process_count() > 1:
        return None
    return ocp.AsyncOptions(timeout_secs=_LONG, create_directories_asynchronously=False)


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
