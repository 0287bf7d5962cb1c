"""Checkpoints, in the only module that knows Orbax."""

from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from adjax import files
from adjax.errors import UserError

_METADATA = 1 << 20  # bytes of a checkpoint beside its arrays, at most


class Checkpoints:
    """Checkpoints of one stage: an array tree and a JSON dict per step, written asynchronously.

    A checkpoint appears under its step's name only when it is complete; the latest two are kept.
    (The best variables of each member are part of the tree: members are best at different steps.)
    """

    def __init__(self, directory: Path):
        """Open or create `directory`."""
        options = ocp.CheckpointManagerOptions(max_to_keep=2, cleanup_tmp_directories=True)
        self._manager = ocp.CheckpointManager(Path(directory).absolute(), options=options)

    def latest_step(self) -> int | None:
        """Return the step of the latest complete checkpoint."""
        return self._manager.latest_step()

    def save(self, step: int, tree: Any, record: dict) -> None:
        """Write in the background; buffers of `tree` must not be donated afterwards.

        Raises:
          OSError: at once if the disk has no room for it.

        """
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
        files.require_room(self._manager.directory, size + _METADATA)
        self._manager.save(
            step,
            args=ocp.args.Composite(
                tree=ocp.args.StandardSave(tree), record=ocp.args.JsonSave(record)
            ),
        )

    def restore(self, like: Any) -> tuple[Any, dict]:
        """Return the latest checkpoint, with the shapes, dtypes and shardings of `like`.

        Raises:
          UserError: if it is damaged or of another structure.

        """
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        args = ocp.args.Composite(
            tree=ocp.args.StandardRestore(abstract), record=ocp.args.JsonRestore()
        )
        try:
            restored = self._manager.restore(self._manager.latest_step(), args=args)
        except (KeyError, ValueError, OSError) as error:
            raise UserError(
                f"{self._manager.directory}: the checkpoint of step {self._manager.latest_step()} "
                "is damaged or of another version of adjax: delete that folder or train elsewhere"
            ) from error
        return restored.tree, restored.record

    def close(self) -> None:
        """Wait for pending writes."""
        self._manager.close()
