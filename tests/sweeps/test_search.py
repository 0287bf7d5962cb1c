"""Searches: rungs as populations, equal trials, kills, what is told and what is shown."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from unittest import mock

import pytest
from sweep_helpers import TINY, worker_at_work

from adjax import grid, reports, workdir
from adjax.config.layout import check
from adjax.errors import UserError
from adjax.reports.finished_search import search_table
from adjax.sweeps import plan, work
from adjax.sweeps import search as searching
from adjax.sweeps.expand import expand, space_of
from adjax.sweeps.inline import InlineEngine
from adjax.sweeps.rungs import Rung, rung_steps
from adjax.sweeps.search import Task
from adjax.sweeps.study import Design, Study
from adjax.training import StageCache, loop
from adjax.training.estimates import Estimate
from configs import mnist
from configs import search as shipped

SEARCH = """
from math import inf
from adjax import grid

def sweep(add, arg=""):
    for name, values in {points}:
        add(name, values)
"""
RATES = "grid.loguniform(1e-4, 1e-2)"
POINT = f"[('trials', {{'teacher.learning_rate': {RATES}}})]"
VALUES = TINY | {"checkpoint_every": 2, "data.normal_class": 4}
AT_ONCE = 4
STEPS = [2, 4, 8]


def config_of(method="ae", **changes):
    config = mnist.get_config(f"{method},smoke")
    known = check(config).leaves()
    config.update_from_flattened_dict({k: v for k, v in VALUES.items() if k in known} | changes)
    return config


def space(folder, points=POINT, config=None, given=(), cache=None):
    path = folder.parent / f"{folder.name}.py"
    path.write_text(SEARCH.format(points=points))
    made = space_of(str(path), "", config or config_of(), dict(given))
    return made.with_cache(cache or folder)


def task_of(folder, trials=8, points=POINT, config=None, objective="validation_loss", **design):
    known = {"sampler": "tpe", "seed": 0, "scheduler": "asha", "rungs": 3, "reduction_factor": 2}
    made = Design(**known | design, maximize=objective != "validation_loss")
    return Task(space(folder, points, config), made, objective, trials, AT_ONCE)


@pytest.fixture(autouse=True)
def _no_estimates():
    """As if a member needed 1 kB and as much for work: no program has to be traced."""
    with mock.patch.object(plan, "estimate_stage", return_value=Estimate(1000, 1000, 1.0)):
        yield


def search(task, folder, engine=None):
    folder.mkdir(exist_ok=True)
    searching.search(task, engine or InlineEngine(), folder, "the command")
    return workdir.read_search(folder)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Eight trials of AE, four at once: the folder, what was searched, and what came out."""
    folder = tmp_path_factory.mktemp("search") / "whole"
    task = task_of(folder)
    with mock.patch.object(plan, "estimate_stage", return_value=Estimate(1000, 1000, 1.0)):
        return folder, task, search(task, folder)


def trees(folder):
    """What members came to: name of the entry -> bytes of its tree."""
    return {p.parent.name: p.read_bytes() for p in folder.rglob(".stages/*/tree.msgpack")}


def test_half_of_a_batch_goes_on_from_each_rung(searched):
    _, _, found = searched
    first = found["trials"][:AT_ONCE]
    assert sorted(trial["steps"] for trial in first) == [2, 2, 4, 8]
    assert sorted(trial["state"] for trial in first) == ["finished", *["stopped"] * 3]
    finished = [trial for trial in found["trials"] if trial["state"] == "finished"]
    assert found["best"] == min(finished, key=lambda trial: trial["value"])["number"]
    assert found["design"]["objective"] == "validation_loss"


def test_finished_trial_is_a_run_and_a_stopped_one_leaves_nothing(searched):
    folder, task, found = searched
    for trial in found["trials"]:
        run = task.space.trial(trial["number"], trial["values"])
        assert trial["run"] == run.name
        assert run.has_results(folder) == (trial["state"] == "finished")
        if trial["state"] == "finished":
            last = [r for r in workdir.read_metrics(folder / run.name) if "validation_loss" in r]
            assert [record["step"] for record in last] == [2, 4, 6, 8]
            assert last[-1]["validation_loss"] == [trial["value"]]
    # Entries of rungs have served their purpose.
    finished = sum(trial["state"] == "finished" for trial in found["trials"])
    assert len(trees(folder)) == finished
    assert not [name for name in trees(folder) if "-" in name]
    assert not list((folder / ".stages" / ".training").iterdir())


def test_members_share_the_time_of_their_populations(searched):
    folder, _, found = searched
    (trial, *_) = [trial for trial in found["trials"] if trial["state"] == "finished"]
    results = json.loads((folder / trial["run"] / "results.json").read_text())
    (stage,) = results["stages"]
    assert (stage["steps"], stage["members"]) == (8, 1)
    assert 0 < stage["train_seconds"] < 60
    assert stage["flops_per_step"] > 0


def rung_trees(folder, task, numbers, rungs):
    """Train some trials up to a rung, in a folder of their own; their trees by trial."""
    runs = {number: task.space.trial(number, VALUES_OF[number]) for number in numbers}
    steps = {run.name: STEPS for run in runs.values()}
    for number in rungs:
        rung = Rung(number, steps)
        engine = InlineEngine()
        engine.run(rung.plan(list(runs.values()), folder, engine.resources), folder)
    return {n: trees(folder)[rung.entry(run, folder)] for n, run in runs.items()}


VALUES_OF = {n: {"teacher.learning_rate": 1e-3 * (n + 1)} for n in range(4)}


def test_equal_trial_gives_equal_bytes_alone_and_among_others(tmp_path):
    """At every rung: in a population that shrinks, in a small one, and alone from the start."""

    def folder(name):
        (tmp_path / name).mkdir()
        return tmp_path / name, task_of(tmp_path / name)

    shrinking = folder("shrinking")
    first = rung_trees(*shrinking, range(4), [1])
    assert len(set(first.values())) == 4
    second = rung_trees(*shrinking, [1, 3], [2])
    third = rung_trees(*shrinking, [3], [3])
    alone = folder("alone")
    assert rung_trees(*alone, [3], [1])[3] == first[3]
    assert rung_trees(*alone, [3], [2])[3] == second[3]
    assert rung_trees(*folder("whole"), [3], [3]) == third
    assert rung_trees(*folder("together"), [3, 0], [3])[3] == third[3]


def test_entries_of_rungs_are_no_more_than_shortcuts(tmp_path):
    """Without them a trial begins anew and comes to the same."""
    found = []
    for forgets in (False, True):
        folder = tmp_path / str(forgets)
        folder.mkdir()
        task = task_of(folder)
        rung_trees(folder, task, [0, 1], [1])
        if forgets:
            StageCache(folder / ".stages").remove(list(trees(folder)))
        found.append(rung_trees(folder, task, [0, 1], [2]))
    assert found[0] == found[1]


class Killed(BaseException):
    """Ends a search as a kill would, but for what the kernel does."""


@pytest.mark.parametrize(
    ("owner", "name", "most"),
    [
        (loop.Loop, "write", 9),
        (Study, "report", 6),
        pytest.param(Study, "judge", 4, marks=pytest.mark.slow),
        (work, "_train_claimed", 3),
        pytest.param(workdir, "write_search", 6, marks=pytest.mark.slow),
    ],
    ids=["log", "report", "judge", "train", "write"],
)
def test_search_that_was_interrupted_ends_as_if_it_had_not_been(
    searched, tmp_path, owner, name, most
):
    """Again and again, at random moments of one kind; all is as in the whole search."""
    whole, _, found = searched
    folder, draws, killed = tmp_path / "cut", random.Random(name), 0
    folder.mkdir()

    def after(function, count):
        left = [count]

        def counted(*args, **kwargs):
            left[0] -= 1
            if not left[0]:
                raise Killed
            return function(*args, **kwargs)

        return counted

    for attempt in range(9):
        with pytest.MonkeyPatch.context() as patch:
            count = draws.randint(1, most) if attempt < 8 else 10**6
            patch.setattr(owner, name, after(getattr(owner, name), count))
            try:
                again = search(task_of(folder), folder)
                break
            except Killed:
                killed += 1
    assert killed >= 2
    assert again == found
    assert trees(folder) == trees(whole)


def test_finished_search_is_not_done_again_and_can_be_made_longer(searched, monkeypatch):
    folder, task, found = searched
    assert task.check(folder)
    monkeypatch.setattr(loop, "stage_batches", None)  # no training from here on
    assert search(task, folder) == found
    assert not task_of(folder, trials=12).check(folder)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seed": 1}, "its sampler_seed is 0, not 1"),
        ({"scheduler": "median"}, "its scheduler is 'asha', not 'median'"),
        ({"config": config_of(seed=3)}, "its config.seed is 0, not 3"),
        (
            {"points": "[('trials', {'teacher.learning_rate': grid.uniform(1e-4, 1e-2)})]"},
            r"its space.teacher.learning_rate is 'loguniform\(0.0001, 0.01\)', not 'uniform",
        ),
    ],
)
def test_another_search_in_the_folder_is_refused(searched, changes, reason):
    folder, _, _ = searched
    with pytest.raises(UserError, match=f"holds another search: {reason}"):
        task_of(folder, **changes).check(folder)


def test_page_table_and_console_show_every_trial(searched):
    folder, _, found = searched
    sweep = reports.read_sweep(folder)
    assert [run.workdir.name for run in sweep.runs] == [f"{found['best']:04}"]
    table = search_table(sweep.search)
    assert len(table.rows) == 8
    assert table.rows[0][0] == str(found["best"])
    assert [row[-1] for row in table.rows].count("best") == 1
    console = reports.console_sweep(sweep)
    assert "Trials by validation loss" in console
    assert "no test image had a say" in console
    assert f"Trial {found['best']}, the best of 8" in console
    page = reports.write_sweep_report(sweep).read_text()
    assert "<h2>Trials</h2>" in page
    assert page.count("<tr>") > 8

    path = reports.write_table(folder / "all.csv", sweep)
    with path.open(newline="") as file:
        rows = {int(row["trial"]): row for row in csv.DictReader(file)}
    assert len(rows) == 8
    for trial in found["trials"]:
        row = rows[trial["number"]]
        assert float(row["teacher.learning_rate"]) == trial["values"]["teacher.learning_rate"]
        assert float(row["validation_loss"]) == trial["value"]
        assert int(row["steps"]) == trial["steps"]
        assert bool(row["image_auroc"]) == (trial["state"] == "finished")
        best = trial["number"] == found["best"]
        assert row["ended"] == ("best" if best else trial["state"])


def test_oracle_is_called_so_and_judges_finished_trials(tmp_path):
    task = task_of(
        tmp_path / "search", trials=2, objective="oracle_image_auroc", scheduler="none", rungs=1
    )
    found = search(task, tmp_path / "search")
    for trial in found["trials"]:
        results = json.loads((tmp_path / "search" / trial["run"] / "results.json").read_text())
        assert trial["value"] == results["members"][0]["image_auroc"]
    assert found["best"] == max(found["trials"], key=lambda trial: trial["value"])["number"]
    sweep = reports.read_sweep(tmp_path / "search")
    assert "Trials by oracle image auroc" in reports.console_sweep(sweep)
    assert "Chosen by labels of test images" in reports.console_sweep(sweep)
    head = reports.write_table(tmp_path / "all.csv", sweep).read_text().partition("\n")[0]
    assert "oracle_image_auroc" in head.split(",")


def test_teacher_that_trials_share_is_trained_once_and_students_climb(tmp_path):
    points = (
        "[('trials', {'student.learning_rate': grid.loguniform(1e-4, 1e-2),"
        "'student.loss_weight': grid.uniform(0.1, 0.9),"
        "'student.auxiliary': grid.choice(['rotation', 'shearing'])})]"
    )
    folder = tmp_path / "search"
    found = search(
        task_of(folder, trials=4, points=points, config=config_of("oe_sdn_fast")), folder
    )
    (best,) = [trial for trial in found["trials"] if trial["state"] == "finished"]
    assert len(trees(folder)) == 2  # a teacher and the student of the best
    results = json.loads((folder / best["run"] / "results.json").read_text())
    assert [stage["name"] for stage in results["stages"]] == ["teacher", "student"]
    assert {trial["values"]["student.auxiliary"] for trial in found["trials"]} == {
        "rotation",
        "shearing",
    }


def test_trial_that_diverges_is_told_and_costs_the_others_nothing(tmp_path):
    points = "[('trials', {'teacher.learning_rate': grid.choice([1e-3, 2e-3, 3e38])})]"
    folder = tmp_path / "search"
    found = search(task_of(folder, trials=4, points=points, sampler="random"), folder)
    by_rate = {trial["values"]["teacher.learning_rate"]: trial for trial in found["trials"]}
    assert by_rate[3e38]["state"] == "failed"
    assert by_rate[3e38]["value"] is None
    assert by_rate[3e38]["reason"].startswith("stage teacher, step ")
    assert found["best"] is not None
    text = " ".join(reports.console_sweep(reports.read_sweep(folder)).split())
    assert f"failed: {by_rate[3e38]['reason']}." in text


def test_search_whose_trials_all_diverge_says_so(tmp_path):
    points = "[('trials', {'teacher.learning_rate': grid.choice([3e38, 2e38])})]"
    found = search(task_of(tmp_path / "search", trials=2, points=points), tmp_path / "search")
    assert found["best"] is None
    with pytest.raises(
        UserError, match=r"no trial of this search is finished, 2 of 2 failed: stage"
    ):
        reports.read_sweep(tmp_path / "search")


def test_values_that_do_not_go_together_fail_their_trial(tmp_path):
    points = (
        "[('trials', {'student.groups': grid.integers(1, 2),"
        "'student.nonlocal_groups': grid.choice([(0,), (0, 1)])})]"
    )
    task = task_of(tmp_path / "search", points=points, config=config_of("oe_sdn"), sampler="random")
    with pytest.raises(UserError, match=r"student\.nonlocal_groups.*there are 1 groups"):
        task.space.check()
    (tmp_path / "search").mkdir()
    with mock.patch.object(searching._Search, "climb"):
        searching.search(task, InlineEngine(), tmp_path / "search")
    for trial in workdir.read_search(tmp_path / "search")["trials"]:
        wrong = trial["values"] == {"student.groups": 1, "student.nonlocal_groups": [0, 1]}
        assert (trial["state"] == "failed") == wrong
        assert ("there are 1 groups" in trial["reason"]) == wrong


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ("[('a', {'seed': 1})]", "no value of 'a' is drawn"),
        (f"[('a', {{'seed': {RATES}}}), ('b', {{}})]", "has 2 runs"),
        ("[]", "has no runs"),
        (f"[('a', {{'teacher.learningrate': {RATES}}})]", "no key 'teacher.learningrate'"),
        ("[('a', {'data.normal_class': grid.integers(0, 9)})]", "data.normal_class cannot be"),
        ("[('a', {'method': grid.choice(['ae', 'vae'])})]", "method cannot be searched"),
        ("[('a', {'mesh.data': grid.integers(1, 2)})]", "mesh.data cannot be searched"),
        ("[('.a', {'seed': grid.integers(1, 2)})]", "must be that of a folder"),
        ("[('a', {'teacher.learning_rate': grid.loguniform(0, 1)})]", "bound must be positive"),
    ],
)
def test_spaces_that_cannot_be_searched(tmp_path, points, reason):
    with pytest.raises(UserError, match=reason):
        space(tmp_path / "search", points)


@pytest.mark.parametrize(
    "drawn", ["grid.uniform(-1, 1)", "grid.choice([1e-3, 'fast'])", "grid.uniform(1e-3, 1e39)"]
)
def test_ends_of_a_space_are_checked_like_any_value(tmp_path, drawn):
    points = f"[('a', {{'teacher.learning_rate': {drawn}}})]"
    with pytest.raises(UserError, match=r"run 'a' .*(learning_rate|float)"):
        space(tmp_path / "search", points).check()


def test_flag_of_a_key_that_is_drawn_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"--config\.teacher\.learning_rate: it is drawn from log"):
        space(tmp_path / "search", given={"teacher.learning_rate": 1e-3})


@pytest.mark.parametrize("argument", ["", "ae,smoke", "oe_sdn_fast", "oe_sdn_fast,smoke"])
def test_shipped_searches_have_rungs_at_a_quarter_and_at_half(argument):
    made = space_of(shipped.__file__, argument, shipped.get_config(argument))
    made.check()
    assert made.first().settings.data.normal_class == 4
    first, second, last = rung_steps(made.first(), 3, 2)
    assert (4 * first, 2 * second) == pytest.approx((last, last), abs=2)


@pytest.mark.parametrize("argument", ["vae", "ae,light"])
def test_arguments_of_shipped_searches_that_are_none(argument):
    with pytest.raises(UserError, match=r"give one of ae\[,smoke\], oe_sdn_fast"):
        shipped.get_config(argument)


def test_trial_is_one_member(tmp_path):
    with pytest.raises(UserError, match=r"config\.members=.*a trial is one member"):
        space(tmp_path / "search", config=config_of(members=({"seed": 0}, {"seed": 1})))


def test_sweep_refuses_distributions(tmp_path):
    path = tmp_path / "config.py"
    path.write_text(SEARCH.format(points=POINT))
    with pytest.raises(UserError, match=r"learning_rate is drawn from log.*--mode=search does"):
        expand(str(path), "", config_of())


@pytest.mark.parametrize(
    ("steps", "every", "rungs", "factor", "found"),
    [
        (540, 135, 3, 2, [135, 270, 540]),
        (540, 100, 3, 2, [100, 300, 540]),
        (2000, 100, 4, 3, [100, 200, 700, 2000]),
        (7, 2, 1, 2, [7]),
        (7, 2, 3, 2, [2, 4, 7]),
        (7, 4, 3, 2, None),
    ],
)
def test_rungs_lie_at_checkpoints(tmp_path, steps, every, rungs, factor, found):
    config = config_of(**{"teacher.steps": steps, "log_every": 1, "checkpoint_every": every})
    run = space(tmp_path / "search", config=config).first()
    if found is None:
        with pytest.raises(UserError, match="rungs of teacher lie at checkpoints"):
            rung_steps(run, rungs, factor)
    else:
        assert rung_steps(run, rungs, factor) == found


def test_method_that_is_computed_at_once_is_refused(tmp_path):
    config = mnist.get_config("ocsvm,smoke")
    points = "[('a', {'ocsvm.nu': grid.uniform(0.1, 0.5)})]"
    with pytest.raises(UserError, match="without steps and a validation loss"):
        task_of(tmp_path / "search", points=points, config=config).check_rungs()


def test_search_without_held_out_images_is_refused(tmp_path):
    config = config_of(**{"data.validation_fraction": 0.0})
    with pytest.raises(UserError, match=r"none are held out: raise --config\.data\.validation"):
        search(task_of(tmp_path / "search", config=config), tmp_path / "search")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_killed_drivers_and_workers_leave_the_undisturbed_search(tmp_path, repository, engine):
    command = [sys.executable, "launch.py", "--mode=search", "--config=configs/search.py:ae,smoke"]
    command += ["--trials=12", "--trials_at_once=6", f"--engine={engine}"]
    command += ["--config.data.test_split=test[:100]", "--config.teacher.steps=40"]

    def start(folder):
        with folder.with_suffix(".log").open("a") as log:
            return subprocess.Popen(
                [*command, f"--workdir={folder}"],
                cwd=repository,
                stdout=log,
                stderr=log,
                env=os.environ | {"XLA_FLAGS": "", "PYTHONPATH": os.pathsep.join(sys.path)},
            )

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert start(whole).wait() == 0, whole.with_suffix(".log").read_text()
    moments, killed = random.Random(0), 0
    for _ in range(30):
        driver, seconds = start(cut), moments.uniform(6, 30)
        for _ in range(2):  # half-way a worker dies, if there are any
            end = time.monotonic() + seconds / 2
            while driver.poll() is None and time.monotonic() < end:
                time.sleep(0.05)
            if worker := worker_at_work(driver.pid):
                os.kill(worker, signal.SIGKILL)
        if driver.poll() is not None:
            break
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        killed += 1
    assert killed >= 2
    assert start(cut).wait() == 0, cut.with_suffix(".log").read_text()
    assert workdir.read_search(cut) == workdir.read_search(whole)
    assert trees(cut) == trees(whole)


def test_names_of_distributions():
    assert str(grid.loguniform(1e-4, 1)) == "loguniform(0.0001, 1.0)"
    assert str(grid.choice(["a", (1, 2)])) == "choice('a', (1, 2))"
