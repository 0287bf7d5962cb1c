"""The log of a run that is killed and started again has every step once."""

import json

import pytest

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
