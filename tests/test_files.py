"""Files are there whole or not at all, whatever the disk does."""

import contextlib
import errno
import json
import os
import signal

import numpy as np
import pytest

from adjax import files
from adjax.errors import UserError


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    files.write_json(path, {"a": 1})
    monkeypatch.setattr("pathlib.Path.write_text", full_disk)
    with pytest.raises(OSError, match="No space left"):
        files.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_arrays_come_back(tmp_path):
    files.write_arrays(tmp_path / "x.npz", {"a/b": np.arange(3)})
    with np.load(tmp_path / "x.npz") as arrays:
        np.testing.assert_array_equal(arrays["a/b"], np.arange(3))


def test_folder_is_the_first_writers(tmp_path):
    files.write_folder(tmp_path / "x", lambda part: (part / "a").write_text("1"))
    files.write_folder(tmp_path / "x", lambda part: (part / "a").write_text("2"))

    def overtaken(part):
        (part / "a").write_text("3")
        files.write_folder(tmp_path / "y", lambda part: (part / "a").write_text("4"))

    files.write_folder(tmp_path / "y", overtaken)
    assert (tmp_path / "x" / "a").read_text() == "1"
    assert (tmp_path / "y" / "a").read_text() == "4"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x", "y"]


def test_folder_that_cannot_be_filled_is_not_there(tmp_path):
    with pytest.raises(OSError, match="No space left"):
        files.write_folder(tmp_path / "x", full_disk)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called")  # by JAX
def test_what_a_killed_process_was_writing_is_removed(tmp_path, kind, number):
    process = os.fork()
    if not process:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with contextlib.suppress(KeyboardInterrupt):
                if kind == "file":
                    files.write_file(tmp_path / "x", lambda part: _killed(part, number))
                else:
                    files.write_folder(tmp_path / "x", lambda part: _killed(part / "a", number))
        finally:
            os._exit(0)
    os.waitpid(process, 0)
    assert len(list(tmp_path.iterdir())) == (number == signal.SIGKILL)
    alive = tmp_path / f"{files._own()}y"
    alive.touch()
    files.write_folder(tmp_path / "z", lambda part: None)
    assert sorted(tmp_path.iterdir()) == [alive, tmp_path / "z"]


def _killed(path, number):
    path.write_text("half")
    os.kill(os.getpid(), number)


def test_lock_is_exclusive_or_shared(tmp_path):
    path = tmp_path / "locks" / "a"
    with files.locked(path) as first, files.locked(path) as second:
        assert (first, second) == (True, False)
        assert files.holder(path).startswith(f"process {os.getpid()} on ")
    with files.locked(path, shared=True) as first, files.locked(path, shared=True) as second:
        assert (first, second) == (True, True)
        with files.locked(path) as third:
            assert not third


def test_room_is_asked_for_before_it_is_used(tmp_path):
    files.require_room(tmp_path, 1)
    with pytest.raises(OSError, match="No space left"):
        files.require_room(tmp_path, 1 << 60)


def record(step):
    return {"stage": "teacher", "step": step, "loss": [0.5, None]}


def test_records_are_read_and_the_first_damaged_line_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps(record(step)) for step in range(4)]
    path.write_text("\n".join(lines) + "\n")
    assert files.read_records(path) == [record(step) for step in range(4)]
    for damage in (b"", b"{", b"[1]", b"3", b'{"stage": 1}', b"\xff\xfe", b"\0\0", b"[" * 10**5):
        path.write_bytes(b"\n".join([lines[0].encode(), damage, lines[2].encode(), b""]))
        for killed in (False, True):
            with pytest.raises(
                UserError, match=r"line 2 is damaged .*: delete that line"
            ) as caught:
                files.read_records(path, killed=killed)
            assert "\n" not in str(caught.value)


def test_only_who_may_have_been_killed_leaves_part_of_a_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps(record(1)) + '\n{"stage": "te')
    assert files.read_records(path, killed=True) == [record(1)]
    with pytest.raises(UserError, match="line 2 is damaged"):
        files.read_records(path)
