"""Where the numbers of a run come from: the images that it was trained on, and those held out.

A run keeps its own split. What is drawn when training begins is recorded in its folder, image by
image; from then on an image is held out because it was, not because of its place in a folder.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from adjax import workdir
from adjax.config.layout import Settings
from adjax.datasets.contents import Changes, Contents, Record, compare
from adjax.datasets.one_class import OneClassSplit
from adjax.datasets.tables import Table
from adjax.datasets.tasks import Member, Task, create_task
from adjax.errors import UserError
from adjax.methods.stage import Method
from adjax.training import has_begun, is_finished

ACCEPT = "--accept_changed_data"
_PUT_BACK = "undo that, choose another --workdir, or go on with " + ACCEPT


class Provenance(NamedTuple):
    """The training images of a run, and what is known of them.

    Attributes:
      task: the protocol.
      table: the images.
      splits: the rows that each member trains on, and those held out.
      record: of what the run was trained on; None: it is of an earlier version, which kept none.
      changes: those of today that were accepted, in words; empty without any.
      remark: what the user must be told, a line; mostly empty.

    """

    task: Task
    table: Table
    splits: list[OneClassSplit]
    record: Record | None
    changes: str = ""
    remark: str = ""

    @property
    def content(self) -> str:
        """A digest of what the stages of the run are trained on; empty if nothing is known."""
        return self.record.contents.digest if self.record else ""

    @property
    def is_mixed(self) -> bool:
        """True if the run was not trained on the same images all the time."""
        return bool(self.record and self.record.changes)


def load(
    settings: Settings,
    method: Method,
    members: list[Member],
    folder: Path | None = None,
    *,
    train: bool = True,
    accept: bool = False,
    advice: str = _PUT_BACK,
) -> Provenance:
    """Load the training images of a run and split them as it did when its training began.

    Args:
      settings: of the run.
      method: of the run.
      members: its members.
      folder: where it may have begun; None: it is a new one.
      train: whether what is left of it will be trained.
      accept: go on though its images changed. None of those held out is trained on then, and none
        that it was trained on is held out; new ones are trained on, where there is training left.
      advice: what to do if they changed.

    Raises:
      UserError: if the images cannot be read, or changed since training began.

    """
    begun = folder is not None and has_begun(method, folder)
    record = workdir.read_data(folder) if begun else None
    task = create_task(settings.data, record.kept if record else {})
    table = task.training_table()
    if record is None:
        splits = [task.split(table, member) for member in members]
        if begun:
            return Provenance(task, table, splits, None, remark=_unknown(folder))
        held_out = tuple(_names(table, split.validation) for split in splits)
        return Provenance(task, table, splits, Record(task.contents(), held_out, task.kept()))
    now = task.contents()
    changes = compare(record.contents, now)
    if changes.matter and not accept:
        raise _refusal(folder, changes, advice)
    goes_on = changes.matter and train and not is_finished(method, folder)
    said, kept = changes.in_words(), record.contents.files
    if kept:
        splits = [
            _split_again(table, record, now, changes, names, goes_on) for names in record.held_out
        ]
        _check_splits(folder, record, splits)
    else:
        splits = [task.split(table, member) for member in members]
        said += ", and its split was drawn anew" if changes.matter else ""
    if goes_on:
        record = _continued(record, now, changes, said, table, splits)
    remark = f"{folder}: {said} since this run was trained" if said else ""
    return Provenance(task, table, splits, record, said if changes.matter else "", remark)


def check(settings: Settings, method: Method, folder: Path) -> None:
    """Raise `UserError` if the images of a sweep's run that has begun changed; none is decoded."""
    record = workdir.read_data(folder) if has_begun(method, folder) else None
    if record is None:
        return
    changes = compare(record.contents, create_task(settings.data).contents())
    if changes.matter:
        advice = "undo that, or delete that folder to train on the images of today"
        raise _refusal(folder, changes, advice)


def content_of(settings: Settings, method: Method, folder: Path) -> str:
    """Return `Provenance.content` for the names of stages, empty where they do not go by it."""
    if not settings.data.named_by_content:
        return ""
    if not has_begun(method, folder):
        return create_task(settings.data).contents().digest
    record = workdir.read_data(folder)
    return record.contents.digest if record else ""


def _split_again(
    table: Table,
    record: Record,
    now: Contents,
    changes: Changes,
    held_out: Sequence[str],
    goes_on: bool,
) -> OneClassSplit:
    """Return today's rows of a member's images, in the order that they had.

    Args:
      table: of today.
      record: of what the run was trained on.
      now: the images of today.
      changes: from those of the record.
      held_out: the record's names of those that the member held out.
      goes_on: whether it will train: on what is new too, but for a validation split of the set's.

    """
    earlier, out = record.contents.files, set(held_out)
    seen = {file for name, file in earlier.items() if name not in out}
    unseen = {earlier[name] for name in out} - seen
    official = {table.path[row] for row in table.held_out}
    held, others = [], []

    def place(today: str, was_held: bool) -> None:
        # Contents count, not names: any file may have become a copy of any other.
        file = now.files[today]
        is_held = file not in seen and (was_held or (goes_on and file in unseen))
        (held if is_held else others).append(today)

    for name, today in changes.kept.items():
        if now.files[today] == earlier[name]:
            (held if name in out else others).append(today)
        else:
            place(today, name in out)
    for today in changes.added if goes_on else ():
        place(today, today in official)
    row_of = {name: row for row, name in enumerate(table.path)}
    train, validation = (np.array([row_of[n] for n in part], np.int64) for part in (others, held))
    return OneClassSplit(train, validation)


def _check_splits(folder: Path, record: Record, splits: list[OneClassSplit]) -> None:
    """Raise `UserError` for a member of which nothing is left."""
    for split, names in zip(splits, record.held_out, strict=True):
        for rows, what in ((split.train, "was trained on"), (split.validation, "held out")):
            if names and not len(rows):
                raise UserError(
                    f"{folder}: no image is left of those that this run {what}: {_PUT_BACK}"
                )


def _continued(
    record: Record,
    now: Contents,
    changes: Changes,
    said: str,
    table: Table,
    splits: list[OneClassSplit],
) -> Record:
    """Return the record of a run that goes on with the images of today."""
    order = [*changes.kept.values(), *changes.added]
    contents = now._replace(files={name: now.files[name] for name in order})
    names = tuple(_names(table, split.validation) for split in splits)
    return Record(contents, names, record.kept, (*record.changes, said))


def _names(table: Table, rows: np.ndarray) -> tuple[str, ...]:
    """Return the names of images, none of a TFDS set."""
    return tuple(table.path[row] for row in rows) if table.path else ()


def _refusal(folder: Path, changes: Changes, advice: str) -> UserError:
    return UserError(f"{folder}: {changes.in_words()} since this run was trained: {advice}")


def _unknown(folder: Path) -> str:
    return (
        f"{folder}: nothing is known of the images that this run was trained on, as an earlier "
        "version began it; they are taken to be those of today"
    )
