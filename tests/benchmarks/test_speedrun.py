"""Time to published AUROC: the recipes are settings of the product, and rows say what was run."""

import json
from pathlib import Path

import jax
import optax
import pytest

from adjax.config.layout import check
from adjax.errors import UserError
from benchmarks import page, speedrun
from configs import mnist


@pytest.mark.parametrize("recipe", speedrun.RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_is_made_of_settings(recipe):
    config = mnist.get_config("oe_sdn_fast")
    values = dict(flag.removeprefix("--config.").split("=") for flag in recipe.flags)
    for key, value in values.items():
        config.update_from_flattened_dict({key: int(value) if value.isdigit() else value})
    settings = check(config)
    sections = settings.sections
    assert (sections.teacher.steps, sections.teacher.batch_size) == recipe.teacher
    assert (sections.student.steps, sections.student.batch_size) == recipe.student
    assert settings.image_score == "margin"


def test_rows_count_the_runs_that_reach_the_target(monkeypatch):
    recipe = speedrun.Recipe("short", 0.9, (1, 2), (3, 4))
    monkeypatch.setattr(speedrun, "RECIPES", (recipe,))
    monkeypatch.setattr(speedrun, "_ours", lambda recipe, seed, folder: (0.8, 0.9, 1.0)[seed])
    (row,) = speedrun.measure(repeats=3)
    assert (row["case"], row["runs"], row["reached"]) == ("short, adjax", 3, 2)
    assert (row["auroc"], row["auroc_spread"]) == pytest.approx((0.9, 0.1))
    assert "1 x 2, 3 x 4" in page.console({"speedrun": {"rows": [row]}})


def write_results(folder, digits):
    for digit in range(digits):
        path = folder / f"class{digit}" / "results.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"members": [{"image_auroc": digit / 10}]}))


def test_a_run_is_a_sweep_in_a_new_folder(monkeypatch, tmp_path):
    commands = []

    def run(command):
        commands.append(command)
        write_results(Path(command[-1].removeprefix("--workdir=")), digits=10)

    monkeypatch.setattr(speedrun, "_run", run)
    assert speedrun._ours(speedrun.RECIPES[0], 7, tmp_path) == pytest.approx(0.45)
    ((_, *arguments),) = commands
    assert arguments[:2] == ["launch.py", "--mode=sweep"]
    assert arguments[2].endswith(",seeds=7")
    assert not any("stage_cache" in argument for argument in arguments)


def test_a_run_that_lacks_a_digit_or_fails_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(speedrun, "_run", lambda command: write_results(tmp_path / "sweep", 9))
    with pytest.raises(UserError, match="9 digits"):
        speedrun._ours(speedrun.RECIPES[0], 0, tmp_path)
    monkeypatch.undo()
    with pytest.raises(UserError, match="ended with 3"):
        speedrun._run(["sh", "-c", "exit 3"])


def test_the_other_side_has_the_same_schedule_and_start():
    torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
    from benchmarks import torch_speedrun
    from benchmarks.torch_networks import HalfResolutionResNet

    ours = optax.cosine_onecycle_schedule(100, 1.0)
    with jax.numpy_dtype_promotion("standard"):
        desired = [float(ours(step)) for step in range(100)]
    values = [torch_speedrun.one_cycle(step, 100) for step in range(100)]
    assert values == pytest.approx(desired, abs=1e-3)
    network = HalfResolutionResNet(1)
    torch_speedrun.start_as_the_identity(network)
    image = torch.rand(2, 1, 28, 28)
    assert torch.equal(network(image), image)
