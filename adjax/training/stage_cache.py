"""Cache of finished stages by content: members that runs share are trained once."""

import contextlib
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax

from adjax import files, hosts
from adjax.errors import UserError
from adjax.training.log import MetricsLog
from adjax.training.member_files import MemberFile, digest_of, read_members, write_member

_DIGESTS = "digests.json"  # of the files of an entry
_TREE = "tree.msgpack"
_MEMBERS = "members.json"  # the members that are trained in a population's folder


class StageCache:
    """A folder with one entry per trained member, named by a hash of everything it depends on.

    An entry holds the member's final checkpoint tree, its metrics and the record of its training;
    the entry of a diverged member has no tree, and its record says when and why. Entries appear
    whole or not at all, and one lock per member marks who is training it, so any number of runs may
    share the folder.
    """

    def __init__(self, root: Path):
        """Use `root`, made when the first entry is stored."""
        self._root = Path(root)
        self._verified: set[str] = set()

    def missing(self, hashes: Sequence[str]) -> list[str]:
        """Return the hashes that have no entry yet."""
        return [h for h in hashes if not (self._root / h).is_dir()]

    def set_damaged_aside(self, hashes: Sequence[str]) -> None:
        """Move entries that are not what was stored into `.damaged`, and say so; once a process."""
        for name in hashes:
            folder = self._root / name
            if name in self._verified or not folder.is_dir():
                continue
            if _is_whole(folder):
                self._verified.add(name)
            elif hosts.is_first():
                aside = self._root / ".damaged" / f"{name}-{time.time_ns()}"
                aside.parent.mkdir(exist_ok=True)
                folder.rename(aside)
                print(
                    f"{folder} is damaged: moved to {aside}, to be trained again", file=sys.stderr
                )

    def load(self, hashes: Sequence[str], like: Any, content: str = "") -> tuple[Any, dict] | None:
        """Return the members of these hashes stacked, or None unless all are present.

        Args:
          hashes: one per member.
          like: a tree of the same structure; leaves have shapes `[P, ...]` and dtypes.
          content: a digest of the images that the members are to be trained on; empty if unknown.

        Returns:
          `(tree, record)`: host arrays `[P, ...]`, NaN for diverged members, and the record of the
          first member that did not diverge, with the failures of all. An entry that is not what was
          stored counts as absent.

        Raises:
          UserError: if an entry was trained on other images.

        """
        self.set_damaged_aside(hashes)
        if self.missing(hashes):
            return None
        records = self.records(hashes)
        for name, record in zip(hashes, records, strict=True):
            if content and record.get("content", content) not in ("", content):
                raise UserError(
                    f"{self._root / name} was trained on other images than those of today: put "
                    "them back, or choose another --config.stage_cache"
                )
        try:
            tree = read_members(self.member_files(hashes), like)
        except ValueError as error:
            names = ", ".join(hashes)
            raise UserError(f"{self._root}: {names}: {error}; repeat the command") from error
        failures = [
            {**record["failed"], "member": member}
            for member, record in enumerate(records)
            if record["failed"]
        ]
        first = next((r for r in records if not r["failed"]), records[0])
        record = {**first, "record": first["record"] | ({"failed": failures} if failures else {})}
        return tree, record

    def records(self, hashes: Sequence[str]) -> list[dict]:
        """Return the records of entries: step, time and, in `failed`, how a member diverged."""
        return [json.loads((self._root / h / "record.json").read_text()) for h in hashes]

    def metrics(self, name: str) -> list[dict]:
        """Return the metrics of a member, the lines of its log."""
        text = (self._root / name / "metrics.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def remove(self, names: Sequence[str]) -> None:
        """Remove entries that are of no more use."""
        aside = self._root / ".removed"  # whole: what is left of an entry would be a damaged one
        aside.mkdir(parents=True, exist_ok=True)
        for name in names:
            self._verified.discard(name)
            with contextlib.suppress(OSError):  # it is not there, or has been removed before
                (self._root / name).rename(aside / name)
        shutil.rmtree(aside, ignore_errors=True)

    def member_files(self, hashes: Sequence[str]) -> list[MemberFile | None]:
        """Return the files of members that have entries; None for one that has diverged."""
        folders = [self._root / name for name in hashes]
        return [_member_file(folder) for folder in folders]

    def failure(self, name: str) -> dict | None:
        """Return stage, step and reason if the member of this hash is known to diverge."""
        self.set_damaged_aside([name])
        path = self._root / name / "record.json"
        return json.loads(path.read_text())["failed"] if path.exists() else None

    def replay(self, hashes: Sequence[str], log: MetricsLog) -> None:
        """Write the members' metrics to a run's log, as if it had trained them itself."""
        members = list(map(self.metrics, hashes))
        for number in range(max(map(len, members), default=0)):
            # The log of a member that diverged while training alone ends early.
            rows = [lines[number] if number < len(lines) else {} for lines in members]
            first = next(row for row in rows if row)
            values = {
                name: [row.get(name) for row in rows] if name in first["member"] else value
                for name, value in first.items()
                if name not in ("stage", "step", "member")
            }
            log.write(first["stage"], first["step"], values)

    def store(
        self,
        hashes: Sequence[str],
        owners: Sequence[str],
        tree: Any,
        metrics: list[dict],
        record: dict,
        content: str = "",
    ) -> None:
        """Add the members that are not there yet.

        Args:
          hashes: one per member.
          owners: for each member, the run that it is trained for, whose record counts its cost.
          tree: leaves `[P, ...]`; None if all members diverged.
          metrics: the records of the log.
          record: the JSON dict of the final checkpoint; its failures list the diverged members.
          content: a digest of the images that they were trained on; empty if unknown.

        """
        failed = {failure["member"]: failure for failure in record["record"].get("failed", [])}
        if tree is not None:
            tree = hosts.fetch(tree)
        for member, (name, owner) in enumerate(zip(hashes, owners, strict=True)):
            own = {k: v for k, v in record["record"].items() if k != "failed"}
            entry = {**record, "record": own, "owner": owner, "failed": failed.get(member)}
            entry |= {"content": content} if content else {}
            lines = [json.dumps(_of_member(line, member)) + "\n" for line in metrics]

            def write(folder: Path, member=member, entry=entry, lines=lines) -> None:
                if not entry["failed"]:
                    row = jax.tree.map(lambda leaf: leaf[member], tree)
                    write_member(folder / _TREE, row)
                (folder / "record.json").write_text(json.dumps(entry))
                (folder / "metrics.jsonl").write_text("".join(lines))
                (folder / _DIGESTS).write_text(json.dumps(_digests(folder)))

            files.write_folder(self._root / name, write)

    def store_failure(self, name: str, owner: str, failure: dict) -> None:
        """Add a member that cannot be trained because an earlier stage of it diverged."""
        record = {"step": 0, "chrono": {}, "record": {"failed": [{**failure, "member": 0}]}}
        self.store([name], [owner], None, [], record)

    @contextlib.contextmanager
    def claim(self, hashes: Sequence[str]) -> Iterator[list[str]]:
        """Hold, for a block, the members that have no entry and that nobody else is training."""
        with contextlib.ExitStack() as stack:
            held = [h for h in hashes if stack.enter_context(files.locked(self._lock(h)))]
            yield self.missing(held)  # another process may have stored them just before
            for name in held:
                if not self.missing([name]):
                    self._lock(name).unlink(missing_ok=True)  # nobody will want it again

    def wait_for(self, hashes: Sequence[str]) -> None:
        """Return when a member without an entry is free to be claimed, or all have entries."""
        while missing := self.missing(hashes):
            for name in missing:
                with files.locked(self._lock(name)) as free:
                    if free:
                        return
            time.sleep(0.5)

    def workbench(self, wanted: Sequence[str], claimed: Sequence[str]) -> tuple[Path, list[str]]:
        """Return a folder in which to train claimed members together, and these members.

        An interrupted population is resumed as it was, so that its checkpoints fit: with members
        that have entries by now, but only if the others are claimed and all are `wanted`.
        """
        for path in sorted(self._root.glob(f".training/*/{_MEMBERS}")):
            # Finished by another process meanwhile, or damaged.
            with contextlib.suppress(FileNotFoundError, ValueError):
                members = _read_members(path)
                left = self.missing(members)
                if left and set(left) <= set(claimed) and set(members) <= set(wanted):
                    return path.parent, members
        name = hashlib.sha256("".join(claimed).encode()).hexdigest()[:24]
        folder = self._root / ".training" / name
        folder.mkdir(parents=True, exist_ok=True)
        files.write_json(folder / _MEMBERS, list(claimed))
        return folder, list(claimed)

    def clear(self, workbench: Path) -> None:
        """Remove the folder of a population whose members are stored.

        Its list of members goes last, so that `clear_stored` finds an interrupted removal.
        """
        for path in workbench.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _MEMBERS:
                path.unlink()
        shutil.rmtree(workbench, ignore_errors=True)

    def clear_stored(self, hashes: Sequence[str]) -> None:
        """Remove the folders of processes that were killed after they had stored these members.

        Populations that are being trained, or cleared, are left alone.
        """
        for path in sorted(self._root.glob(f".training/*/{_MEMBERS}")):
            with (
                contextlib.suppress(FileNotFoundError, ValueError),
                contextlib.ExitStack() as stack,
            ):
                members = _read_members(path)
                if set(members) <= set(hashes) and not self.missing(members):
                    locks = [self._lock(name) for name in members]
                    if all(stack.enter_context(files.locked(lock)) for lock in locks):
                        self.clear(path.parent)
                        for lock in locks:
                            lock.unlink(missing_ok=True)

    def _lock(self, name: str) -> Path:
        return self._root / ".locks" / name


def _read_members(path: Path) -> list[str]:
    """Read the list of a population's members; raises `ValueError` if it is none."""
    members = json.loads(path.read_text())
    if not isinstance(members, list) or not all(isinstance(name, str) for name in members):
        raise ValueError("not a list of names")
    return members


def _digests(folder: Path) -> dict[str, str]:
    """Return a digest of each file of an entry but the list of them."""
    return {
        path.name: digest_of(path) for path in sorted(folder.iterdir()) if path.name != _DIGESTS
    }


def _member_file(folder: Path) -> MemberFile | None:
    path = folder / _TREE
    if not path.exists():
        return None
    listed = folder / _DIGESTS  # earlier versions kept none
    digest = json.loads(listed.read_text())[_TREE] if listed.exists() else digest_of(path)
    return MemberFile(path, digest)


def _is_whole(folder: Path) -> bool:
    """Return whether an entry's files are those that were stored; earlier versions kept no list."""
    try:
        if (folder / _DIGESTS).exists():
            return json.loads((folder / _DIGESTS).read_text()) == _digests(folder)
        record = json.loads((folder / "record.json").read_text())
        return bool(record["failed"]) or (folder / _TREE).stat().st_size > 0
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _of_member(line: dict, member: int) -> dict:
    """Return one member's part of a log record; `member` lists the keys with a value per member."""
    lists = [name for name, value in line.items() if isinstance(value, list)]
    return {**line, **{name: line[name][member] for name in lists}, "member": lists}
