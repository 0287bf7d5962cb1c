"""Stored state that is damaged is told in one line that says what to do."""

import errno
import json
import os
import random
import tempfile

import pytest

from adjax import files, workdir
from adjax.config import identity
from adjax.datasets.contents import Record, contents_of_files
from adjax.errors import UserError
from configs import mnist

DAMAGED = [
    "",
    "{",
    "[]",
    "3",
    '{"members": 3}',
    "{}",
    '{"members": [1]}',
    '{"members": [{"a": NaN}]}',
]
GOOD = {"members": [{"a": 1.5}], "about": {}, "command": "python launch.py"}


def told(call, *arguments):
    """The one line of an error."""
    with pytest.raises(UserError) as caught:
        call(*arguments)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("text", [*DAMAGED, '{"members": [{"a": Infinity}]}', "[" * 10**5])
def test_damaged_results_are_told(tmp_path, text):
    (tmp_path / "results.json").write_text(text)
    line = told(workdir.read_results, tmp_path)
    assert f"cannot read {tmp_path}/results.json" in line
    assert line.endswith("write it anew by --mode=evaluate")
    assert workdir.recorded_command(tmp_path) is None


def test_good_results_are_read(tmp_path):
    assert workdir.recorded_command(tmp_path) is None
    (tmp_path / "results.json").write_text(json.dumps(GOOD))
    assert workdir.read_results(tmp_path) == GOOD  # as earlier versions wrote them
    assert workdir.recorded_command(tmp_path) == "python launch.py"


def test_run_without_its_config_is_evaluated_again(tmp_path):
    config = mnist.get_config("ae,smoke")
    (tmp_path / "results.json").write_text(json.dumps(GOOD))
    assert workdir.finished_results(config, tmp_path) is None  # so that its config is written
    workdir.claim(tmp_path, identity.as_json(config))
    assert workdir.finished_results(config, tmp_path) == GOOD
    (tmp_path / "config.json").write_text("{")
    assert "choose another folder" in told(workdir.finished_results, config, tmp_path)


def test_a_run_that_was_refused_is_not_finished(tmp_path):
    config = mnist.get_config("ae,smoke")
    (tmp_path / "results.json").write_text(json.dumps(GOOD))  # whose config was lost
    workdir.write_refusal(tmp_path, identity.as_json(config), "an image is damaged")
    assert workdir.finished_results(config, tmp_path) is None
    workdir.claim(tmp_path, identity.as_json(config))
    assert workdir.finished_results(config, tmp_path) == GOOD


@pytest.mark.parametrize("text", ["{}", '{"failed": 3}', '{"failed": [{}]}', '{"failed": ["a"]}'])
def test_damaged_failures_are_told(tmp_path, text):
    assert workdir.read_failures(tmp_path) == []
    (tmp_path / "failed.json").write_text(text)
    assert "delete it and repeat the command" in told(workdir.read_failures, tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"method": NaN}', "\x00"])
def test_damaged_configs_are_told(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    assert "choose another folder" in told(workdir.read_config, tmp_path)


@pytest.mark.parametrize("name", ["file", "file/run", "file/a/b"])
def test_place_that_cannot_be_written(tmp_path, name):
    (tmp_path / "file").write_text("mine")
    line = told(workdir.require_writable, tmp_path / name)
    assert line == f"cannot write to --workdir={tmp_path / name}: Not a directory"
    line = told(workdir.require_writable_file, tmp_path / name / "page.md", "--output")
    assert line.startswith(f"cannot write to --output={tmp_path / name / 'page.md'}: Not a dir")
    assert (tmp_path / "file").read_text() == "mine"


def test_place_on_a_disk_that_takes_no_files(monkeypatch, tmp_path):
    def refuse(**_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    line = told(workdir.require_places, tmp_path / "run", ["", str(tmp_path / "cache")])
    assert line == f"cannot write to --workdir={tmp_path / 'run'}: Read-only file system"
    line = told(workdir.require_writable, tmp_path / "cache", "config.stage_cache")
    assert line.startswith(f"cannot write to config.stage_cache={tmp_path / 'cache'}: Read-only")


def test_place_that_can_be_written_is_left_as_it_was(tmp_path):
    workdir.require_places(tmp_path / "a" / "b", [str(tmp_path / "cache"), ""])
    workdir.require_writable_file(tmp_path / "page.md", "--output")
    assert list(tmp_path.iterdir()) == []
    line = told(workdir.require_writable_file, tmp_path, "--output")
    assert line.endswith("it is a folder, give a file")


def test_refusal_is_read_until_the_run_begins_anew(tmp_path):
    assert workdir.read_refusal(tmp_path) == ""
    workdir.write_refusal(tmp_path / "a", {"seed": 0}, "a.png: damaged")
    assert workdir.read_refusal(tmp_path / "a") == "a.png: damaged"
    workdir.claim(tmp_path / "a", {"seed": 0})
    assert workdir.read_refusal(tmp_path / "a") == ""
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["config.json"]


def written(folder):
    """A folder whose files were all written by `workdir`."""
    for name in workdir.COMPANIONS:
        (folder / name).write_bytes(name.encode())
    workdir.claim(folder, mnist.get_config("ae,smoke").to_dict())
    workdir.write_results(folder, GOOD)
    workdir.write_failures(folder, [{"member": 0, "stage": "teacher", "step": 7}])
    workdir.write_data(
        folder, Record(contents_of_files("mine", {"a.png": (7, "f0")}), (("a.png",),))
    )
    return folder


READ = {
    "config.json": workdir.read_config,
    "results.json": workdir.read_results,
    "failed.json": workdir.read_failures,
    "data.json": workdir.read_data,
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_bit_changes_nothing_or_is_told(tmp_path, name, seed):
    path = written(tmp_path) / name
    whole, content, draw = READ[name](tmp_path), bytearray(path.read_bytes()), random.Random(seed)
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(7)
    path.write_bytes(content)
    try:
        assert READ[name](tmp_path) == whole
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017, it may be told


def test_another_number_is_told(tmp_path):
    path = written(tmp_path) / "results.json"
    path.write_text(path.read_text().replace("1.5", "1.25"))
    assert "its content is not what was written" in told(workdir.read_results, tmp_path)


def test_another_log_than_the_results_name_is_told(tmp_path):
    results, name = workdir.read_results(written(tmp_path)), "metrics.jsonl"
    workdir.check_companion(tmp_path, results, name)
    (tmp_path / name).write_text("other")
    line = told(workdir.check_companion, tmp_path, results, name)
    assert "take it as it is by --mode=evaluate" in line
    workdir.check_companion(tmp_path, GOOD, name)  # as earlier versions wrote them


def test_a_run_belongs_to_one_process_at_a_time(tmp_path):
    with workdir.occupied(tmp_path):
        with pytest.raises(UserError, match=rf"is in use by process {os.getpid()} on "):
            workdir.occupied(tmp_path).__enter__()
        assert workdir.finished_results(mnist.get_config("ae,smoke"), tmp_path) is None
    with workdir.occupied(tmp_path):
        pass


def test_a_file_system_without_locks_has_runs_too(tmp_path, monkeypatch):
    def no_lock(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(files.fcntl, "flock", no_lock)
    with workdir.occupied(tmp_path):
        pass
