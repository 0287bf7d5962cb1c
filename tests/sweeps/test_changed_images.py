"""Sweeps over two categories, the photographs of one of which change."""

import json

import numpy as np
import pytest
from PIL import Image
from sweep_helpers import plan_of

from adjax import provenance, workdir
from adjax.config.identity import members_of
from adjax.errors import UserError
from adjax.sweeps.expand import expand, with_cache
from adjax.sweeps.plan import Training, check_runs, method_of
from adjax.sweeps.work import perform
from configs import mvtec_ad

CATEGORIES = "bottle", "screw"


def paint(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 256, (8, 8), np.uint8)
    Image.fromarray(image).save(path)


@pytest.fixture
def runs(repository, tmp_path):
    """A run of each category, of two seeds."""
    for category in CATEGORIES:
        for number in range(4):
            paint(tmp_path / f"data/{category}/train/good/{number}.png", number + len(category))
    argument = "corruption_table,smoke,methods=aesc_residual,categories=bottle+screw,seeds=0+1"
    config = mvtec_ad.get_config(argument)
    given = {"data.dir": str(tmp_path / "data"), "mesh.member": 1, "mesh.data": 1}
    return with_cache(
        expand(str(repository / "configs/mvtec_ad.py"), argument, config, given), tmp_path
    )


def named(runs, folder):
    """The hashes of a plan by category."""
    trainings = [task for task in plan_of(runs, folder) if isinstance(task, Training)]
    return {task.config.data.normal_class: set(task.hashes) for task in trainings}


def begin(run, directory):
    """Make a run look like one that has begun."""
    folder, method = directory / run.name, method_of(run.settings)
    workdir.claim(folder, json.loads(run.config.to_json()))
    (folder / f"checkpoints/{method.stages[0].name}/4").mkdir(parents=True)
    found = provenance.load(run.settings, method, members_of(run.settings, method.dynamic))
    workdir.write_data(folder, found.record)
    return folder


def finish(run, directory):
    """Make it look like one that is finished."""
    folder = begin(run, directory)
    (folder / "results.json").write_text(json.dumps({"members": [{}], "about": {}}))
    (folder / "report.html").touch()


def test_only_what_is_trained_on_the_changed_images_has_another_name(runs, tmp_path):
    before = named(runs, tmp_path)
    assert named(runs, tmp_path) == before
    paint(tmp_path / "data/screw/train/good/0.png", 99)
    after = named(runs, tmp_path)
    assert after["bottle"] == before["bottle"]
    assert not after["screw"] & before["screw"]
    paint(tmp_path / "data/screw/test/good/0.png", 98)  # which nobody trains on
    assert named(runs, tmp_path) == after


def test_a_run_that_has_begun_on_other_images_is_refused(runs, tmp_path):
    for run in runs:
        begin(run, tmp_path)
    check_runs(runs, tmp_path)
    before = named(runs, tmp_path)
    paint(tmp_path / "data/screw/train/good/0.png", 99)
    says = r"run 'aesc_residual/screw/seed0' of the sweep: .*1 image was changed"
    with pytest.raises(UserError, match=says):
        check_runs(runs, tmp_path)
    assert named(runs, tmp_path) == before


def test_finished_runs_stay_as_they_are(runs, tmp_path):
    screws = [run for run in runs if run.config.data.normal_class == "screw"]
    finish(screws[0], tmp_path)
    before = named(runs, tmp_path)
    assert len(before["screw"]) == 2
    paint(tmp_path / "data/screw/train/good/0.png", 99)
    check_runs(runs, tmp_path)
    after = named(runs, tmp_path)
    assert after["bottle"] == before["bottle"]
    assert len(after["screw"]) == 1  # the one that is not finished, on the images of today
    assert not after["screw"] & before["screw"]
    finish(screws[1], tmp_path)
    paint(tmp_path / "data/screw/train/good/0.png", 100)
    assert named(screws, tmp_path) == {}


def test_images_that_change_after_the_plan_end_the_task(runs, tmp_path):
    plan = plan_of(runs, tmp_path)
    paint(tmp_path / "data/bottle/train/good/0.png", 99)
    with pytest.raises(UserError, match="mvtec_ad changed since this sweep was planned: repeat"):
        perform(plan[0], tmp_path)
