"""Finished stages by content: what two runs have in common is trained once."""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import serialization

from adjax.training.log import MetricsLog


class StageCache:
    """A folder with an entry a trained member, named by a hash of all it depends on.

    An entry holds the member's final checkpoint tree, its metrics and the record of its training.
    Entries appear whole or not at all, so any number of runs may share the folder.
    """

    def __init__(self, root: Path):
        """Use `root`, made when the first entry is stored."""
        self._root = Path(root)

    def load(self, hashes: list[str], like: Any) -> tuple[Any, dict] | None:
        """The members of these hashes stacked, or None unless all are there.

        Args:
          hashes: one a member.
          like: a tree of the same structure.

        Returns:
          `(tree, record)`: host arrays `[P, ...]`, and the record of the first member.

        """
        folders = [self._root / h for h in hashes]
        if not all(folder.is_dir() for folder in folders):
            return None
        trees = [serialization.from_bytes(like, (f / "tree.msgpack").read_bytes()) for f in folders]
        tree = jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
        return tree, json.loads((folders[0] / "record.json").read_text())

    def replay(self, hashes: list[str], log: MetricsLog) -> None:
        """Write the members' metrics to a run's log, as if it had trained them itself."""
        members = [
            [
                json.loads(line)
                for line in (self._root / h / "metrics.jsonl").read_text().splitlines()
            ]
            for h in hashes
        ]
        for rows in zip(*members, strict=True):
            values = {
                name: [row[name] for row in rows] if name in rows[0]["member"] else value
                for name, value in rows[0].items()
                if name not in ("stage", "step", "member")
            }
            log.write(rows[0]["stage"], rows[0]["step"], values)

    def store(self, hashes: list[str], tree: Any, metrics: list[dict], record: dict) -> None:
        """Add the members that are not there yet; `tree` leaves are `[P, ...]`."""
        tree = jax.device_get(tree)
        for member, name in enumerate(hashes):
            if (self._root / name).exists():
                continue
            self._root.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(dir=self._root))
            row = jax.tree.map(lambda leaf, m=member: leaf[m], tree)
            (part / "tree.msgpack").write_bytes(serialization.to_bytes(row))
            (part / "record.json").write_text(json.dumps(record))
            lines = [json.dumps(_of_member(line, member)) + "\n" for line in metrics]
            (part / "metrics.jsonl").write_text("".join(lines))
            try:
                os.rename(part, self._root / name)
            except OSError:  # another run was faster
                shutil.rmtree(part)


def _of_member(line: dict, member: int) -> dict:
    """One member's numbers of a log record, and under `member` which those are."""
    lists = [name for name, value in line.items() if isinstance(value, list)]
    return {**line, **{name: line[name][member] for name in lists}, "member": lists}
