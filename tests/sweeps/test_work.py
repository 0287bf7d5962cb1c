"""What a sweep leaves behind is what its runs leave when they run alone, failures included."""

import itertools
from unittest import mock

import numpy as np
import pytest
from sweep_helpers import plan_of, planned, results

from adjax import experiment, workdir
from adjax.config import identity
from adjax.config.layout import check
from adjax.sweeps import store, work
from adjax.sweeps.expand import expand, under_former_names
from adjax.sweeps.inline import InlineEngine
from adjax.sweeps.plan import Evaluation, method_of
from adjax.sweeps.work import is_finished
from adjax.training import loop
from configs import mnist

INFINITE = 3e38  # norms of what it moves are
# Adam divides by the root of the second moment: rounding of a gradient near zero is amplified.
ROUNDING = 5e-3


def kinds(folder):
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """AE and SDN on two classes, trained as populations: the folder and the runs."""
    folder = tmp_path_factory.mktemp("sweep")
    runs = planned(
        folder,
        [
            (f"{m}/{c}", {"method": m, "data.normal_class": c})
            for m in ("ae", "sdn")
            for c in (3, 7)
        ],
    )
    InlineEngine().run(plan_of(runs, folder), folder, "the command")
    return folder, runs


def test_record_of_a_member_is_that_of_a_run_alone(swept, tmp_path):
    folder, runs = swept
    run = next(run for run in runs if run.name == "sdn/7")
    config = run.config.copy_and_resolve_references()
    config.stage_cache = ""
    alone = experiment.train_and_evaluate(
        config, tmp_path / "alone", command="the command", method=method_of(run.settings)
    )
    member = results(folder / run.name)

    pages = {"figures", "report.html"}  # of a sweep's runs they are made when they are asked for
    assert kinds(folder / run.name) == kinds(tmp_path / "alone") - pages
    assert member.keys() == alone.keys() | {"digest"}
    for mine, its in zip(member["members"], alone["members"], strict=True):
        assert mine.keys() == its.keys()
        assert mine["image_auroc"] == pytest.approx(its["image_auroc"], abs=ROUNDING)
    for mine, its in zip(member["stages"], alone["stages"], strict=True):
        assert mine.pop("cached", False) == (mine["name"] == "teacher")
        assert mine.keys() == its.keys()
        assert (mine.pop("members"), its.pop("members")) == (2, 1)
        for key in ("name", "steps", "parameters"):
            assert mine[key] == its[key]
        assert mine["flops_per_step"] == pytest.approx(its["flops_per_step"], rel=0.01)
    assert member["config_hash"] == alone["config_hash"]
    with (
        np.load(folder / run.name / "scores.npz") as mine,
        np.load(tmp_path / "alone" / "scores.npz") as its,
    ):
        assert mine.keys() == its.keys()
        for name in its:
            np.testing.assert_allclose(mine[name], its[name], rtol=1e-3)


def test_run_of_a_sweep_can_be_evaluated_without_it(swept, tmp_path):
    folder, _ = swept
    before = results(folder / "sdn" / "3")
    config = workdir.read_config(folder / "sdn" / "3")
    config.stage_cache = str(tmp_path / "empty")
    method = method_of(check(config))
    again = experiment.train_and_evaluate(config, folder / "sdn" / "3", train=False, method=method)
    assert again["members"] == before["members"]


def test_each_stage_is_trained_once_and_counted_once(swept):
    folder, _ = swept
    stages = {name: results(folder / name)["stages"] for name in ("ae/3", "ae/7", "sdn/3", "sdn/7")}
    assert [stages[name][0].get("cached", False) for name in stages] == [False, False, True, True]
    assert not any(stages[name][1].get("cached") for name in ("sdn/3", "sdn/7"))
    lines = [
        [
            line
            for line in (folder / name / "metrics.jsonl").read_text().splitlines()
            if '"teacher"' in line
        ]
        for name in ("ae/3", "sdn/3")
    ]
    assert lines[0] == lines[1]


def test_finished_work_is_not_repeated(swept, monkeypatch):
    folder, runs = swept
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    monkeypatch.setattr(loop, "stage_batches", None)  # no training from here on
    InlineEngine().run(plan_of(runs, folder, max_population=1), folder)
    after = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    assert {p: t for p, t in after.items() if ".locks" not in p.parts} == {
        p: t for p, t in before.items() if ".locks" not in p.parts
    }


def test_member_that_diverges_fails_its_run_alone(tmp_path):
    runs = planned(
        tmp_path,
        [
            ("good", {"method": "sdn"}),
            ("bad", {"method": "sdn", "student.learning_rate": INFINITE}),
            ("worse", {"method": "sdn", "teacher.learning_rate": INFINITE}),
            (
                "both",
                {"method": "sdn", "members": ({"seed": 0}, {"teacher.learning_rate": INFINITE})},
            ),
        ],
    )
    InlineEngine().run(plan_of(runs, tmp_path), tmp_path)
    assert all(is_finished(run, tmp_path) for run in runs)
    assert [run.name for run in runs if run.has_results(tmp_path)] == ["good", "both"]

    assert not (tmp_path / "good" / "failed.json").exists()
    assert len(results(tmp_path / "good")["members"]) == 1
    (bad,) = workdir.read_failures(tmp_path / "bad")
    assert (bad["stage"], bad["step"], bad["member"]) == ("student", 1, 0)
    assert bad["reason"].endswith(("is nan", "is inf"))
    (worse,) = workdir.read_failures(tmp_path / "worse")
    assert (worse["stage"], worse["step"], worse["seed"]) == ("teacher", 1, 0)
    (half,) = workdir.read_failures(tmp_path / "both")
    (tmp_path / "both" / "failed.json").unlink()
    assert workdir.read_failures(tmp_path / "both") == [half]  # its results tell it, too
    assert (half["stage"], half["member"]) == ("teacher", 1)

    both = results(tmp_path / "both")
    assert len(both["members"]) == 1
    assert both["members"] == results(tmp_path / "good")["members"]
    assert "NaN" not in (tmp_path / "both" / "metrics.jsonl").read_text()
    for name in ("bad", "worse"):
        assert not (tmp_path / name / "results.json").exists()


SWEEP = """
from adjax import grid

def sweep(add, arg=""):
    for values in grid.product(grid.axis("teacher.widths", ((4, 8),)), grid.axis("seed", (0, 1))):
        add(grid.name(values), values)
"""


def test_folders_of_former_names_are_found(tmp_path):
    (tmp_path / "config.py").write_text(SWEEP)
    runs = expand(str(tmp_path / "config.py"), "", mnist.get_config("ae,smoke"))
    assert [run.name for run in runs] == ["widths=4+8,seed=0", "widths=4+8,seed=1"]
    assert under_former_names(runs, tmp_path) == runs
    for run, (name, given) in itertools.product(runs[:1], GIVEN.items()):
        folder = tmp_path / name
        for kind in given:
            old = folder / {"old": "widths=(4, 8),seed=0", "new": run.name}[kind]
            workdir.claim(old, identity.as_json(run.config))
        found = [one.name for one in under_former_names(runs, folder)]
        assert found == ["widths=(4, 8),seed=0" if name == "earlier" else run.name, runs[1].name]


GIVEN = {"earlier": ("old",), "today's": ("new",), "both": ("old", "new")}


def test_run_may_be_called_like_a_lock(tmp_path):
    names = "driver", "driver-0-of-2", "runs", "a/b", "a.b", "x" * 255
    runs = planned(tmp_path, [(name, {"method": "ae"}) for name in names])
    with store.driving(tmp_path):
        for run in runs:
            with mock.patch.object(work.experiment, "train_and_evaluate") as done:
                work.perform(Evaluation((run,), ()), tmp_path)
            assert done.call_args.args[1] == tmp_path / run.name
