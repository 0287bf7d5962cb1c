"""TensorBoard's files, written beside the training and without TensorFlow."""

import os
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

_HEAD = "brain.Event:2"  # the version of the format, which a file begins with


class Board:
    """A file of scalars for TensorBoard; a record is one event, written by a thread.

    The thread is at most a few records behind: it has written all when `flush` returns.
    """

    def __init__(self, folder: Path):
        """Begin a file of its own in `folder`, which is made if need be."""
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files of a folder in the order of their names.
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self._event = event_pb2.Event
        self._records = RecordWriter((folder / name).open("xb"))
        self._thread = ThreadPoolExecutor(1, "board")
        self._pending: list[Future] = []
        self._add({"file_version": _HEAD})

    def write(self, step: int, scalars: dict[str, float]) -> None:
        """Write the scalars of a step by their tags."""
        values = [{"tag": tag, "simple_value": value} for tag, value in scalars.items()]
        self._add({"step": step, "summary": {"value": values}})

    def _add(self, fields: dict) -> None:
        self._pending.append(self._thread.submit(self._write, time.time(), fields))

    def _write(self, now: float, fields: dict) -> None:
        self._records.write(self._event(wall_time=now, **fields).SerializeToString())
        self._records.flush()

    def flush(self) -> None:
        """Return when all is in the file; raise what writing it has raised."""
        pending, self._pending = self._pending, []
        for write in pending:
            write.result()

    def close(self) -> None:
        """Write all and close the file."""
        try:
            self.flush()
        finally:
            self._thread.shutdown()
            self._records.close()
