import json

import pytest

from adjax.config.layout import new_config
from adjax.errors import UserError
from adjax.reports import commands, read_sweep, remarks
from adjax.reports.finished_sweep import changed_settings, provenance
from adjax.reports.words import duration


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
    for seed, name in enumerate(("rotation", "shearing")):
        config = {"student.steps": 700 + 100 * seed, "precision": "bfloat16", "seed": seed}
        config |= {"student.auxiliary": name, "auxiliary.svd_blurring.rank": 3}
        write_workdir(f"sweep/{seed}", members=((3, seed),), config=config)
    runs = read_sweep(tmp_path / "sweep").runs
    changes = {"teacher.steps": 1200, "auxiliary.rotation.angles": (90,)}
    defaults = new_config("mnist", "oe_sdn", changes=changes).to_dict()
    # The set is told by headings; of the sets only those in use count.
    assert changed_settings(runs, lambda _: defaults) == (
        "auxiliary.rotation.angles (90, 180, 270) instead of (90), "
        "precision bfloat16 instead of float32, student.steps 700 and 800 instead of 2,000"
    )
    assert changed_settings(runs[:1], lambda _: runs[0].config) == "the defaults"


def test_members_that_diverged_are_known_by_results_alone(folder):
    run = folder / "sdn/class3/seed0"
    diverge(run)
    (sentence,) = read_sweep(folder).failures
    failed = json.loads((run / "failed.json").read_text())
    (run / "failed.json").unlink()
    assert read_sweep(folder).failures == []
    change(run, **failed)
    assert read_sweep(folder).failures == [sentence]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (19_440, "5.4 h")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words
