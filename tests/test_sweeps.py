"""Sweeps: what a config file declares, done once, with common stages shared."""

import json

import pytest

from adjax import sweeps
from adjax.errors import UserError
from configs import mnist

SWEEP = """
def sweep(add, arg=""):
    for name, values in {runs}:
        add(name, values)
"""


def write(folder, runs):
    path = folder / "config.py"
    path.write_text(SWEEP.format(runs=runs))
    return str(path)


def test_runs_get_their_values_and_leave_the_config_alone(tmp_path):
    config = mnist.get_config("oe_sdn,smoke")
    path = write(tmp_path, [("a", {"seed": 3}), ("b", {"student.loss_weight": 0.1})])
    a, b = sweeps.expand(path, "", config)
    assert (a.name, a.config.seed, a.config.student.loss_weight) == ("a", 3, 0.5)
    assert (b.name, b.config.seed, b.config.student.loss_weight) == ("b", 0, 0.1)
    assert config.seed == 0


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ([("a", {"sed": 3})], "run 'a' of the sweep"),
        ([("a", {"seed": "three"})], "run 'a' of the sweep"),
        ([("a", {}), ("a", {})], "two runs named 'a'"),
        ([], "has no runs for the argument 'x'"),
    ],
)
def test_bad_sweeps_are_refused(tmp_path, runs, says):
    with pytest.raises(UserError, match=says):
        sweeps.expand(write(tmp_path, runs), "x", mnist.get_config("ae,smoke"))


def test_file_without_a_sweep_is_refused(repository):
    with pytest.raises(UserError, match="declares no sweep"):
        sweeps.expand(str(repository / "configs" / "base.py"), "", mnist.get_config("ae"))


def test_demo_is_the_three_methods_of_the_table(repository):
    path = str(repository / "configs" / "mnist.py")
    runs = sweeps.expand(path, "demo", mnist.get_config("demo"))
    assert [run.config.method for run in runs] == ["ae", "sdn", "oe_sdn"]


def test_common_stages_are_trained_once_and_recorded_in_every_run(tmp_path):
    config = mnist.get_config("demo,smoke")
    config.teacher.steps = 10
    runs = sweeps.expand(
        write(tmp_path, [("a", {"method": "ae"}), ("s", {"method": "sdn"})]), "", config
    )
    folders = sweeps.run_inline(runs, tmp_path)
    assert folders == [tmp_path / "a", tmp_path / "s"]

    results = [json.loads((f / "results.json").read_text()) for f in folders]
    assert "cached" not in results[0]["stages"][0]
    assert results[1]["stages"][0]["cached"] is True
    logs = [
        [line for line in (f / "metrics.jsonl").read_text().splitlines() if '"teacher"' in line]
        for f in folders
    ]
    assert logs[0] == logs[1]

    before = [(f / "results.json").stat().st_mtime_ns for f in folders]
    sweeps.run_inline(runs, tmp_path)
    assert [(f / "results.json").stat().st_mtime_ns for f in folders] == before
