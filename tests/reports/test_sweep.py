import json

import pytest

from adjax.errors import UserError
from adjax.reports import commands, read_sweep, remarks
from adjax.reports.sweep import changed_settings, duration, provenance


@pytest.fixture
def folder(write_workdir, tmp_path):
    """A sweep of two methods on two classes; the student shares the teacher of AE."""
    for method in ("sdn", "ae"):
        for c in (3, 8):
            run = write_workdir(f"sweep/{method}/class{c}/seed0", method, ((c, 0),))
            change(run, command=f"launch {method}", date=f"2026-11-2{c // 3}T06:00:00")
    for c in (3, 8):
        path = tmp_path / f"sweep/sdn/class{c}/seed0"
        stages = json.loads((path / "results.json").read_text())["stages"]
        change(path, stages=[stages[0] | {"cached": True}, stages[1] | {"parameters": 7}])
    return tmp_path / "sweep"


def change(run, **values):
    path = run / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def diverge(run, **values):
    failure = {"member": 0, "seed": 0, "data.normal_class": 8, "stage": "student", "step": 1200}
    failure |= {"reason": "the loss is not finite", **values}
    (run / "failed.json").write_text(json.dumps({"failed": [failure]}))


def test_runs_are_found_and_ordered(folder, write_workdir):
    write_workdir("sweep/.stages/hidden")
    write_workdir("sweep/ae/class3/seed0/within-a-run")
    found = read_sweep(folder)
    names = [run.workdir.relative_to(folder).as_posix() for run in found.runs]
    assert names == [f"{m}/class{c}/seed0" for m in ("ae", "sdn") for c in (3, 8)]
    assert commands(found) == ["launch ae", "launch sdn"]
    assert remarks(found) == []


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(UserError, match="no finished run to report"):
        read_sweep(tmp_path / "nothing")


def test_the_folder_of_one_run_is_a_sweep_of_it(folder):
    found = read_sweep(folder / "ae/class3/seed0")
    assert [run.workdir for run in found.runs] == [found.directory]
    assert found.unfinished == []
    assert remarks(found) == []


def test_members_that_diverged_are_listed(folder):
    gone, part = folder / "sdn/class8/seed0", folder / "ae/class8/seed0"
    (gone / "results.json").unlink()
    diverge(gone)
    diverge(part, seed=5, stage="teacher", step=10)
    (folder / "ae/class3/seed0/results.json").unlink()
    found = read_sweep(folder)
    assert [run.members[0]["normal_class"] for run in found.runs] == [8, 3]
    assert remarks(found) == [
        "Diverged and in no number here: "
        "AE, class 8, seed 5, in its teacher at step 10: the loss is not finite.",
        "Diverged and in no number here: "
        "SDN, class 8, seed 0, in its student at step 1,200: the loss is not finite.",
        "1 run not finished: ae/class3/seed0.",
    ]


def test_shared_stages_are_counted_once(folder):
    facts = provenance(read_sweep(folder))
    # Two teachers of AE and two students of SDN, 45.1 s each.
    assert facts["time"] == (
        "training 3 min (teacher 90 s, student 90 s), compilation 13 s; "
        "a stage that runs share is counted once"
    )
    assert facts["parameters"] == "teacher 300,000, student 7"
    assert facts["date"] == "2026-11-21 to 2026-11-22"
    assert facts["hardware"] == "1 device (cpu), 2 cores"
    assert facts["versions"] == "adjax 0.1.0, jax 0.7.1"
    assert "settings" not in facts


def test_settings_that_are_not_the_defaults(write_workdir, tmp_path):
    for seed in (0, 1):
        config = {"student.steps": 700 + 100 * seed, "precision": "bfloat16", "seed": seed}
        write_workdir(f"sweep/{seed}", members=((3, seed),), config=config)
    runs = read_sweep(tmp_path / "sweep").runs
    defaults = {
        "method": "sdn",
        "precision": "float32",
        "student": {"steps": 2000, "auxiliary": "shearing"},
        "teacher": {"steps": 1200, "widths": (8, 16)},
        "data": {"name": "mnist", "dir": "elsewhere"},
        "anogan": {"steps": 4500},  # a section that the runs' configs do not have
    }
    assert changed_settings(runs, lambda _: defaults) == (
        "note <b> instead of absent, precision bfloat16 instead of float32, "
        "student.steps 700 and 800 instead of 2,000, teacher.widths absent instead of (8, 16)"
    )
    assert changed_settings(runs[:1], lambda _: runs[0].config) == "the defaults"


def test_settings_of_stages_that_a_run_does_not_have_are_not_told(write_workdir, tmp_path):
    values = {"vae.steps": 3, "teacher_search.steps": 5, "student.steps": 9}
    write_workdir("sweep/a", config=values)
    runs = read_sweep(tmp_path / "sweep").runs
    assert [stage["name"] for stage in runs[0].results["stages"]] == ["teacher", "student"]
    usual = json.loads(json.dumps(runs[0].config))
    for key in values:
        section, name = key.split(".")
        usual[section][name] = 2
    assert changed_settings(runs, lambda _: usual) == (
        "student.steps 9 instead of 2, teacher_search.steps 5 instead of 2"
    )


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (19_440, "5.4 h")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words
