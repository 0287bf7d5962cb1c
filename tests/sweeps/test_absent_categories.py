"""Sweeps over categories of an industrial set, some of which are not there, or broken."""

import shutil

import numpy as np
import pytest
from PIL import Image
from sweep_helpers import plan_of

from adjax.datasets import category
from adjax.errors import UserError
from adjax.sweeps.describe import describe_task
from adjax.sweeps.expand import expand, with_cache
from adjax.sweeps.plan import Evaluation, Training, check_runs, split_absent
from configs import mvtec_ad


@pytest.fixture
def runs_of(repository, tmp_path):
    """`(*categories that are there) -> the runs of three methods on three categories`."""

    def get(*present):
        for name in present:
            for number in range(4):
                path = tmp_path / f"data/{name}/train/good/{number}.png"
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


def truncate(path):
    """Cut a file in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_broken_categories_are_told_from_absent_ones(runs_of, tmp_path):
    runs = runs_of("bottle", "screw", "carpet")
    data = tmp_path / "data"
    truncate(data / "screw/train/good/3.png")
    (data / "carpet/train").rename(data / "carpet/training")
    kept, absent = split_absent(runs)
    assert (kept, absent) == (runs, [])
    broken = check_runs(runs, tmp_path)
    assert set(broken) == {run.name for run in runs if "/bottle/" not in run.name}
    for name, reason in broken.items():
        if "/screw/" in name:
            assert reason.startswith(f"{data}/screw/train/good/3.png: damaged")
        else:
            assert reason.startswith(f"{data}/carpet holds no training images of mvtec_ad: it must")
        assert "\n" not in reason


def damage_layout(category):
    (category / "test/broken").mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(category / "test/loose.png")


def damage_mask(category):
    for path in ("test/cut/0.png", "ground_truth/cut/0_mask.png"):
        (category / path).parent.mkdir(parents=True)
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(category / path)
    truncate(category / "ground_truth/cut/0_mask.png")


def leave_one_image(category):
    for path in (category / "train/good").glob("[1-9].png"):
        path.unlink()


def empty_file(category):
    (category / "train/good/0.png").write_bytes(b"")


def empty_folder(category):
    shutil.rmtree(category)
    category.mkdir()


def take_test_image(category):
    shutil.copytree(category / "train/good", category / "test/good")
    (category / "train/good/0.png").unlink()
    (category / "train/good/0.png").symlink_to(category / "test/good/0.png")


DAMAGES = (damage_layout, damage_mask, leave_one_image, empty_file, empty_folder, take_test_image)


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_is_broken_costs_its_runs_alone(runs_of, tmp_path, damage):
    runs = runs_of("bottle", "screw")
    damage(tmp_path / "data/screw")
    kept, absent = split_absent(runs)
    assert absent == ["carpet"]
    broken = check_runs(kept, tmp_path)
    assert set(broken) == {run.name for run in kept if "/screw/" in run.name}
    assert len(set(broken.values())) == 1


def test_streamed_images_are_read_too(runs_of, tmp_path, monkeypatch):
    monkeypatch.setattr(category, "IN_MEMORY", 0)
    runs = runs_of("bottle", "screw")
    truncate(tmp_path / "data/screw/train/good/2.png")
    broken = check_runs(split_absent(runs)[0], tmp_path)
    assert {reason.partition(":")[0] for reason in broken.values()} == {
        f"{tmp_path}/data/screw/train/good/2.png"
    }


def test_nothing_that_can_be_used_is_an_error(runs_of, tmp_path):
    runs, _ = split_absent(runs_of("screw"))
    empty_file(tmp_path / "data/screw")
    with pytest.raises(UserError, match=r"run 'aesc_residual/screw/seed0' of the sweep: .*0 bytes"):
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
