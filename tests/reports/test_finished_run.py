import json

import numpy as np
import pytest

from adjax import workdir as folders
from adjax.errors import UserError
from adjax.reports import console_table, open_run, read_run, write_report

FILES = ("results.json", "config.json", "metrics.jsonl", "scores.npz", "examples.npz")


def test_reads_all_files(write_workdir):
    run = read_run(write_workdir(members=((3, 0), (8, 0))))
    assert [member["normal_class"] for member in run.members] == [3, 8]
    assert run.image_scores.shape == run.anomalous.shape == (2, 60)
    np.testing.assert_array_equal(run.anomalous[1], run.scores["label"] != 8)
    assert run.metrics[0]["stage"] == "teacher"
    assert list(run.examples)[-2:] == ["reconstruction/AE", "reconstruction/student"]


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named(write_workdir, file):
    workdir = write_workdir()
    (workdir / file).unlink()
    with pytest.raises(UserError, match=rf"{file} is missing: write it anew by --mode=") as caught:
        read_run(workdir)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("content", [b"{", b"\xff\xfe broken", b"PK\x03\x04 cut short"])
def test_a_damaged_file_is_named(write_workdir, file, content):
    workdir = write_workdir()
    (workdir / file).write_bytes(content)
    with pytest.raises(
        UserError, match=rf"cannot read .*{file}|{file}(:.*| cannot be read)"
    ) as caught:
        read_run(workdir)
    assert "\n" not in str(caught.value)


def test_missing_keys_are_named(write_workdir):
    workdir = write_workdir()
    results = json.loads((workdir / "results.json").read_text())
    del results["members"][0]["seed"]
    (workdir / "results.json").write_text(json.dumps(results))
    with pytest.raises(UserError, match=r"results\.json lacks 'seed'"):
        read_run(workdir)


def test_names_that_results_lack_are_made_from_the_config(write_workdir):
    workdir = write_workdir(config={"student.auxiliary": "shearing"})
    results = json.loads((workdir / "results.json").read_text())
    del results["about"]
    (workdir / "results.json").write_text(json.dumps(results))
    assert read_run(workdir).about.name == "OE-SDN with shearing"
    results["about"] = {"title": "OE-SDN"}
    (workdir / "results.json").write_text(json.dumps(results))
    with pytest.raises(UserError, match=r"results\.json lacks 'published_as'"):
        read_run(workdir)


def test_a_run_without_members_is_refused(write_workdir):
    workdir = write_workdir()
    results = json.loads((workdir / "results.json").read_text())
    (workdir / "results.json").write_text(json.dumps(results | {"members": []}))
    with pytest.raises(UserError, match="has no members"):
        read_run(workdir)


def test_members_must_be_told_apart(write_workdir):
    with pytest.raises(UserError, match="several members of one class and seed"):
        read_run(write_workdir(members=((3, 0), (3, 0))))


def test_the_reported_score_must_be_there(write_workdir):
    with pytest.raises(UserError, match="lacks 'image_score/mae'"):
        read_run(write_workdir(image_score="mae"))


def test_scores_of_another_run_are_refused(write_workdir):
    one, two = write_workdir("one"), write_workdir("two", members=((3, 0), (8, 0)))
    (one / "scores.npz").write_bytes((two / "scores.npz").read_bytes())
    with pytest.raises(UserError, match=r"scores\.npz image_score/d has shape \(2, 60\)"):
        read_run(one)


@pytest.mark.parametrize("name", folders.COMPANIONS)
def test_what_goes_with_results_is_compared_where_it_is_read(write_workdir, name):
    folder = write_workdir()
    whole, other = (folder / name).read_bytes(), write_workdir("b", members=((4, 0), (5, 0)))
    results = json.loads((folder / "results.json").read_text())
    folders.write_results(folder, results)
    run = open_run(folder)
    assert run.of_members([0]).metrics
    (folder / name).write_bytes((other / name).read_bytes())
    assert console_table([open_run(folder)]) == console_table([run])  # tables read results only
    with pytest.raises(UserError, match=rf"{name} \(its content is not what was written\)"):
        write_report(folder)
    (folder / name).write_bytes(whole)
    assert write_report(folder).is_file()
