"""The log of a run that is killed and started again has every step once."""

import contextlib
import errno
import json
import subprocess
import sys

import pytest
from tensorboard.backend.event_processing import event_file_loader
from tensorboard.util import tensor_util

from adjax.errors import DivergedError
from adjax.training.log import MetricsLog, Progress


@pytest.fixture
def log(tmp_path):
    with MetricsLog(tmp_path, ["a", "b"]) as log:
        yield log


def lines(tmp_path):
    records = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    return [(record["stage"], record["step"]) for record in records]


def test_rewind_forgets_what_is_done_again(log, tmp_path):
    for step in (10, 20):
        log.write("teacher", step, {"loss": [1.0, 2.0]})
    for step in (10, 20, 30):
        log.write("student", step, {"loss": [1.0, 2.0]})
    log.rewind(["teacher", "student"], 20)
    assert lines(tmp_path) == [("teacher", 10), ("teacher", 20), ("student", 10), ("student", 20)]
    log.write("student", 30, {"loss": [3.0, 4.0]})
    assert lines(tmp_path)[-1] == ("student", 30)


def test_records_are_those_of_the_checkpoint_or_told(log, tmp_path, capsys):
    log.write("teacher", 10, {"loss": [1.0, 2.0]})
    teacher = log.digest()
    log.write("student", 10, {"loss": [3.0, 4.0]})
    student = log.digest()
    log.write("student", 20, {"loss": [5.0, 6.0]})
    log.check(["teacher"], 10, teacher)
    log.check(["teacher", "student"], 10, student)
    log.check(["teacher", "student"], 20, None)  # as earlier versions kept it
    log.rewind(["teacher", "student"], 10)
    assert log.digest() == student
    assert capsys.readouterr().err == ""
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text().replace("2.0", "2.5"))
    for stages, digest in ((["teacher"], teacher), (["teacher", "student"], student)):
        log.check(stages, 10, digest)
        assert "metrics.jsonl is damaged: its records up to step 10 of" in capsys.readouterr().err


def test_line_that_was_cut_by_a_kill_is_dropped(log, tmp_path):
    log.write("teacher", 10, {"loss": [1.0, 2.0]})
    log.sync()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "teacher", "st')
    log.rewind(["teacher"], 10)
    assert lines(tmp_path) == [("teacher", 10)]


def test_values_of_members_are_lists_and_of_the_run_numbers(log):
    log.write("teacher", 1, {"loss": [0.5, 0.25], "images_per_second": 3.0})
    record = {"stage": "teacher", "step": 1, "loss": [0.5, 0.25], "images_per_second": 3.0}
    assert log.of_stage("teacher") == [record]
    assert log.of_stage("student") == []


def test_progress_off_a_terminal_ends_with_a_plain_line(capsys):
    progress = Progress("teacher", 20)
    for step in (10, 20):
        progress.show(step, {"loss": 0.123456})
    progress.close()
    assert capsys.readouterr().err == "teacher  step 20/20  loss 0.1235  0 s left\n"


def on_the_board(tmp_path):
    """What TensorBoard reads of a run: tag -> [(step, value), ...]."""
    found = {}
    for path in sorted((tmp_path / "tensorboard").iterdir()):
        for event in event_file_loader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                number = tensor_util.make_ndarray(value.tensor).item()
                found.setdefault(value.tag, []).append((event.step, number))
    return found


WRITTEN = {
    "teacher/loss/a": [(10, 1.0), (20, 3.0)],
    "teacher/loss/b": [(10, 2.0)],
    "teacher/images_per_second": [(10, 5.0), (20, 6.0)],
}


def write_two_records(log):
    log.write("teacher", 10, {"loss": [1.0, 2.0], "images_per_second": 5.0})
    log.write("teacher", 20, {"loss": [3.0, float("nan")], "images_per_second": 6.0})


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, SystemExit, DivergedError])
def test_tensorboard_has_every_scalar_however_the_training_ends(tmp_path, error):
    ends = contextlib.nullcontext() if error is None else pytest.raises(error)
    with ends, MetricsLog(tmp_path, ["a", "b"]) as log:
        write_two_records(log)
        if error:
            raise error("the end")
    assert on_the_board(tmp_path) == WRITTEN


def test_tensorboard_has_all_that_is_synchronised(log, tmp_path):
    write_two_records(log)
    log.sync()
    assert on_the_board(tmp_path) == WRITTEN


def test_every_session_has_a_file_of_its_own(tmp_path):
    for step in (10, 20, 30):
        with MetricsLog(tmp_path, ["a"]) as log:
            log.write("teacher", step, {"loss": [float(step)]})
    assert len(list((tmp_path / "tensorboard").iterdir())) == 3
    assert on_the_board(tmp_path) == {"teacher/loss/a": [(step, step) for step in (10, 20, 30)]}


def test_what_writing_for_tensorboard_raises_is_told(log, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(log._board._records, "write", full)
        log.write("teacher", 10, {"loss": [1.0, 2.0]})
        with pytest.raises(OSError, match="No space left"):
            log.sync()
    log.write("teacher", 20, {"loss": [1.0, 2.0]})
    log.sync()


def test_log_needs_no_tensorflow(tmp_path):
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from adjax.training.log import MetricsLog\n"
        f"with MetricsLog({str(tmp_path)!r}, ['a', 'b']) as log:\n"
        "    log.write('teacher', 10, {'loss': [1.0, 2.0]})\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert on_the_board(tmp_path) == {"teacher/loss/a": [(10, 1.0)], "teacher/loss/b": [(10, 2.0)]}
