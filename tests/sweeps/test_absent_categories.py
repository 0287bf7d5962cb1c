"""Sweeps over categories of an industrial set, some of which are not there."""

import numpy as np
import pytest
from PIL import Image
from sweep_helpers import plan_of

from adjax.errors import UserError
from adjax.sweeps.describe import describe_task
from adjax.sweeps.expand import expand, with_cache
from adjax.sweeps.plan import Evaluation, Training, check_runs, split_absent
from configs import mvtec_ad


@pytest.fixture
def runs_of(repository, tmp_path):
    """`(*categories that are there) -> the runs of three methods on three categories`."""

    def get(*present):
        for category in present:
            for number in range(4):
                path = tmp_path / f"data/{category}/train/good/{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((8, 8), number, np.uint8)).save(path)
        argument = "corruption_table,smoke,categories=bottle+screw+carpet,seeds=0+1"
        config = mvtec_ad.get_config(argument)
        given = {"data.dir": str(tmp_path / "data"), "mesh.member": 1, "mesh.data": 1}
        path = str(repository / "configs/mvtec_ad.py")
        return with_cache(expand(path, argument, config, given), tmp_path)

    return get


def test_categories_that_are_not_there_are_left_out(runs_of, tmp_path):
    runs = runs_of("screw")
    kept, absent = split_absent(runs)
    assert absent == ["bottle", "carpet"]
    assert [run.name for run in kept] == [
        f"{method}/screw/seed{seed}"
        for method in ("aesc_residual", "aesc_uncertainty", "ae_d6_residual")
        for seed in (0, 1)
    ]
    check_runs(kept, tmp_path)


def test_nothing_there_is_an_error_of_the_check(runs_of, tmp_path):
    runs = runs_of()
    assert split_absent(runs) == (runs, [])
    with pytest.raises(UserError, match=r"run 'aesc_residual/bottle/seed0' .*data' of mvtec_ad"):
        check_runs(runs, tmp_path)


def test_populations_are_of_one_category_and_one_network(runs_of, tmp_path):
    runs, _ = split_absent(runs_of("bottle", "screw"))
    plan = plan_of(runs, tmp_path)
    trainings = [task for task in plan if isinstance(task, Training)]
    assert [
        (task.config.method, task.config.data.normal_class, len(task.hashes)) for task in trainings
    ] == [
        ("aesc_residual", "bottle", 2),
        ("aesc_residual", "screw", 2),
        ("ae_d6_residual", "bottle", 2),
        ("ae_d6_residual", "screw", 2),
    ]
    evaluations = [task for task in plan if isinstance(task, Evaluation)]
    assert [[run.name for run in task.runs] for task in evaluations] == [
        [f"{method}/{category}/seed{seed}" for seed in (0, 1)]
        for method in ("aesc_residual", "aesc_uncertainty", "ae_d6_residual")
        for category in ("bottle", "screw")
    ]
    assert [describe_task(task) for task in trainings[1:3]] == [
        "autoencoder aesc on mvtec_ad, screw, 2 members together",
        "autoencoder ae_d6 on mvtec_ad, bottle, 2 members together",
    ]
