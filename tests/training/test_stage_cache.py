"""Stages in the cache are those that training would give."""

import errno
import os
import shutil

import numpy as np
import pytest
from training_helpers import (
    ONE_DEVICE,
    assert_trees_close,
    member,
    method_of,
    tiny_config,
    train,
)

from adjax.datasets import tasks
from adjax.errors import UserError
from adjax.training import has_begun, is_finished, loop
from adjax.training.stage_cache import StageCache
from torture import state


def test_entries_of_a_population_serve_its_members_alone(tmp_path, monkeypatch):
    cache = {"stage_cache": str(tmp_path / "stages"), **ONE_DEVICE}
    members = ({"seed": 0}, {"seed": 1})
    together = train(tiny_config("ae", members=members, **cache), tmp_path / "together")
    monkeypatch.setattr(loop, "stage_batches", None)  # no training from here on
    alone = train(tiny_config("ae", seed=1, **cache), tmp_path / "alone")
    assert_trees_close(alone["teacher"], member(together["teacher"], 1), atol=0)
    with pytest.raises(TypeError):
        train(tiny_config("ae", seed=2, **cache), tmp_path / "unknown")
    with pytest.raises(TypeError):
        train(tiny_config("ae", **{"teacher.steps": 6}, **cache), tmp_path / "other")


def test_storing_twice_keeps_the_first(tmp_path):
    cache = StageCache(tmp_path)
    like = {"w": np.zeros((1, 2), np.float32)}
    for step in (1, 2):
        record = {"step": step, "record": {}}
        cache.store(["h"], ["run"], {"w": np.full((1, 2), step, np.float32)}, [], record)
    tree, record = cache.load(["h"], like)
    np.testing.assert_array_equal(tree["w"], np.ones((1, 2)))
    assert (record["step"], record["owner"]) == (1, "run")
    assert cache.load(["h", "missing"], like) is None
    assert [path.name for path in tmp_path.iterdir()] == ["h"]


def test_an_entry_of_other_images_is_refused(tmp_path):
    cache, like = StageCache(tmp_path), {"w": np.zeros((1, 2), np.float32)}
    for name, content in {"known": "a", "earlier": ""}.items():
        record = {"step": 1, "record": {}}
        cache.store([name], ["run"], {"w": np.ones((1, 2), np.float32)}, [], record, content)
    assert cache.load(["known"], like, "a") is not None
    assert cache.load(["known"], like) is not None  # of a run that began before there were records
    for content in ("", "a", "b"):
        assert cache.load(["earlier"], like, content) is not None
    with pytest.raises(UserError, match=r"known was trained on other images than those of today"):
        cache.load(["known"], like, "b")


def test_a_teacher_of_another_table_is_refused(tmp_path, monkeypatch):
    cache = {"stage_cache": str(tmp_path / "stages"), **ONE_DEVICE}
    train(tiny_config("ae", **cache), tmp_path / "one")
    monkeypatch.setattr(tasks, "checksum", lambda *_: ("mnist 3.0.1, train", "another"))
    with pytest.raises(UserError, match="trained on other images than those of today: put them"):
        train(tiny_config("ae", **cache), tmp_path / "two")


def test_member_that_diverged_has_no_numbers(tmp_path):
    cache = StageCache(tmp_path)
    like = {"w": np.zeros((2, 3), np.float32), "step": np.zeros(2, np.int32)}
    failure = {"member": 1, "stage": "teacher", "step": 7, "reason": "loss is nan"}
    lines = [{"stage": "teacher", "step": 5, "loss": [0.5, None]}]
    tree = {"w": np.ones((2, 3), np.float32), "step": np.full(2, 9, np.int32)}
    cache.store(["a", "b"], ["x", "y"], tree, lines, {"step": 9, "record": {"failed": [failure]}})
    assert cache.failure("a") is None
    assert cache.failure("b") == failure
    tree, record = cache.load(["b", "a"], like)
    assert np.isnan(tree["w"][0]).all()
    np.testing.assert_array_equal(tree["w"][1], np.ones(3))
    assert record["record"]["failed"] == [{**failure, "member": 0}]


def test_member_is_claimed_once_and_freed_with_its_holder(tmp_path):
    cache, other = StageCache(tmp_path), StageCache(tmp_path)
    with cache.claim(["a", "b"]) as mine:
        assert mine == ["a", "b"]
        with other.claim(["b", "c"]) as theirs:
            assert theirs == ["c"]
        cache.store_failure("a", "run", {"stage": "teacher", "step": 1, "reason": "loss is nan"})
    with other.claim(["a", "b"]) as theirs:
        assert theirs == ["b"]


def test_interrupted_population_is_taken_up_with_the_members_it_had(tmp_path):
    cache = StageCache(tmp_path)
    folder, members = cache.workbench(["a", "b", "c"], ["a", "b"])
    assert members == ["a", "b"]
    cache.store_failure("a", "run", {"stage": "teacher", "step": 1, "reason": "loss is nan"})
    assert cache.workbench(["a", "b", "c"], ["b", "c"]) == (folder, ["a", "b"])
    assert cache.workbench(["b", "c"], ["b", "c"])[1] == ["b", "c"]  # nobody wants a
    assert cache.workbench(["a", "b", "c"], ["c"])[1] == ["c"]  # b is not claimed
    cache.clear(folder)
    assert cache.workbench(["a", "b", "c"], ["b"])[1] == ["b"]


def test_what_a_killed_process_left_of_stored_members_is_removed(tmp_path):
    cache = StageCache(tmp_path)
    failure = {"stage": "teacher", "step": 1, "reason": "loss is nan"}
    folder, _ = cache.workbench(["a", "b"], ["a", "b"])
    (folder / "checkpoints").mkdir()
    (folder / "metrics.jsonl").write_text("")
    cache.store_failure("a", "run", failure)
    cache.clear_stored(["a", "b"])  # b is still to be trained
    assert folder.exists()
    with StageCache(tmp_path).claim(["b"]):
        cache.store_failure("b", "run", failure)
        cache.clear_stored(["a", "b"])  # its trainer is about to
        assert folder.exists()
    cache.clear_stored(["a"])  # another population's business
    assert folder.exists()
    cache.clear_stored(["a", "b"])
    assert not folder.exists()
    assert not list((tmp_path / ".locks").iterdir())


def stored(folder):
    """A cache of one entry, and how it is loaded."""
    cache = StageCache(folder)
    like = {"w": np.zeros((1, 64), np.float32)}
    tree = {"w": np.arange(64, dtype=np.float32)[None]}
    lines = [{"stage": "teacher", "step": 5, "loss": [0.5]}]
    cache.store(["h"], ["run"], tree, lines, {"step": 9, "record": {}})
    return lambda: StageCache(folder).load(["h"], like)


@pytest.mark.parametrize("name", ["tree.msgpack", "record.json", "metrics.jsonl", "digests.json"])
@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing"])
def test_damaged_entries_are_set_aside(tmp_path, capsys, name, damage):
    load = stored(tmp_path)
    path = tmp_path / "h" / name
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 4
        path.write_bytes(content)
    elif damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.unlink()
    loaded = load()
    if (name, damage) == ("digests.json", "missing"):  # as of earlier versions
        assert loaded is not None
        return
    assert loaded is None
    assert "h is damaged: moved to" in capsys.readouterr().err
    assert not (tmp_path / "h").exists()
    assert len(list((tmp_path / ".damaged").iterdir())) == 1


def test_a_damaged_entry_is_trained_again(tmp_path):
    cache = {"stage_cache": str(tmp_path / "stages"), **ONE_DEVICE}
    first = train(tiny_config("ae", **cache), tmp_path / "first")
    (entry,) = (tmp_path / "stages").glob("*/tree.msgpack")
    entry.write_bytes(entry.read_bytes()[:-1] + b"\x00")
    again = train(tiny_config("ae", **cache), tmp_path / "again")
    assert_trees_close(again["teacher"], first["teacher"], atol=0)


@pytest.mark.parametrize("content", [b"", b"{}", b'["h", 3]', b"\xff", b"3"])
def test_a_damaged_list_of_members_is_not_relied_on(tmp_path, content):
    cache = StageCache(tmp_path)
    folder, _ = cache.workbench(["h"], ["h"])
    (folder / "members.json").write_bytes(content)
    cache.clear_stored(["h"])
    assert cache.workbench(["h"], ["h"]) == (folder, ["h"])
    assert cache.workbench(["h"], ["h"]) == (folder, ["h"])  # whole again


def test_a_damaged_entry_says_nothing_of_failures(tmp_path, capsys):
    cache = StageCache(tmp_path)
    cache.store_failure("h", "run", {"stage": "teacher", "step": 7, "reason": "loss is nan"})
    assert cache.failure("h")["step"] == 7
    (tmp_path / "h" / "record.json").write_text("{")
    assert StageCache(tmp_path).failure("h") is None
    assert "h is damaged: moved to" in capsys.readouterr().err


def taken(folder):
    """A run that took its teacher from a cache: config, run, entry's file and the run's."""
    config = tiny_config("ae", **{"stage_cache": str(folder / "stages"), **ONE_DEVICE})
    train(config, folder / "first")
    train(config, folder / "run")
    (entry,) = (folder / "stages").glob("*/tree.msgpack")
    return config, folder / "run", entry, folder / "run/checkpoints/teacher/members/0.msgpack"


@pytest.mark.parametrize("links", [True, False])
def test_a_run_keeps_what_it_took_whatever_becomes_of_the_cache(tmp_path, monkeypatch, links):
    if not links:

        def refuse(*_):
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", refuse)
    config, run, entry, own = taken(tmp_path)
    assert own.samefile(entry) == links
    files = [path for path in (run / "checkpoints").rglob("*") if path.is_file()]
    assert sorted(path.name for path in files) == ["0.msgpack", "record.json"]
    first = train(config, tmp_path / "first")
    shutil.rmtree(tmp_path / "stages")
    monkeypatch.setattr(loop, "stage_batches", None)  # no training from here on
    assert_trees_close(train(config, run)["teacher"], first["teacher"], atol=0)


def test_a_cache_keeps_what_a_run_took_whatever_becomes_of_the_run(tmp_path, monkeypatch):
    config, run, entry, _ = taken(tmp_path)
    content = entry.read_bytes()
    shutil.rmtree(run)
    assert entry.read_bytes() == content
    monkeypatch.setattr(loop, "stage_batches", None)
    train(config, tmp_path / "second")


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing", "record"])
def test_damage_to_what_a_run_took_is_told_and_made_good(tmp_path, capsys, damage):
    config, run, entry, own = taken(tmp_path)
    first = train(config, tmp_path / "first")
    path = own if damage != "record" else own.with_name("record.json")
    content = bytearray(path.read_bytes())
    path.unlink()  # what the cache has stays as it is
    if damage in ("flipped", "record"):
        content[len(content) // 2] ^= 4
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else content)
    again = train(config, run)
    told = capsys.readouterr().err
    assert f"{own.parent}: the checkpoint is damaged" in told
    assert str(entry.parent) not in told
    assert_trees_close(again["teacher"], first["teacher"], atol=0)


def test_damage_to_a_file_that_both_have_is_told_by_both(tmp_path, capsys):
    config, run, entry, own = taken(tmp_path)
    first = train(config, tmp_path / "first")
    assert own.samefile(entry)
    with own.open("r+b") as file:
        file.write(b"\xff\xff")
    again = train(config, run)
    told = capsys.readouterr().err
    assert f"{own.parent}: the checkpoint is damaged" in told
    assert f"{entry.parent} is damaged: moved to" in told
    assert_trees_close(again["teacher"], first["teacher"], atol=0)


def test_a_stage_that_was_taken_has_begun_and_knows_its_log(tmp_path, capsys):
    config, run, _, own = taken(tmp_path)
    method = method_of(config)
    assert has_begun(method, run)
    assert is_finished(method, run)
    log = run / "metrics.jsonl"
    log.write_text(log.read_text().replace("0.", "1.", 1))
    train(config, run)
    assert f"{log} is damaged: its records up to step" in capsys.readouterr().err
    own.with_name("record.json").write_text("{")
    assert has_begun(method, run)  # so that what data.json says of it still counts
    assert not is_finished(method, run)


def test_a_stage_that_was_taken_is_the_one_that_was_trained_for_the_campaign_too(tmp_path):
    _, run, _, own = taken(tmp_path)
    names = [folder / "checkpoints/teacher" for folder in (tmp_path / "first", run)]
    states = [state.of_folder(path.parent.parent)["checkpoints/teacher"] for path in names]
    assert own.is_relative_to(names[1])
    assert states[0] == states[1]
