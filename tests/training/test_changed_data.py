"""Runs whose photographs change under them, from training to the report."""

import json
import shutil
import types

import jax
import numpy as np
import pytest
from PIL import Image
from training_helpers import industrial_config, interrupted, method_of

from adjax import cli, experiment, reports, workdir
from adjax.detect.detector import load_detector
from adjax.errors import UserError
from adjax.training.restored import restored_variables
from configs import mnist

ACCEPT = {"accept_changed_data": True}


def config_of(directory):
    """A run of eight steps on eight images; two are held out, and four others are for testing."""
    images = directory / "train" / "good"
    images.parent.mkdir(parents=True)
    config = industrial_config(images, "aesc_residual")
    config.data.dir = str(directory)
    config.update_from_flattened_dict({"autoencoder.steps": 8, "log_every": 2})
    config.update_from_flattened_dict({"checkpoint_every": 4, "mesh.member": 1, "mesh.data": 1})
    for kind in ("good", "dent"):
        (directory / "test" / kind).mkdir(parents=True)
        for number in range(2):
            paint(directory / "test" / kind / f"{number}.png", 50 + number, 32)
    return config


def paint(path, seed, size=32):
    image = np.random.default_rng(seed).integers(0, 256, (size, size), np.uint8)
    Image.fromarray(image).save(path)


def run(config, folder, **values):
    return experiment.train_and_evaluate(config, folder, method=method_of(config), **values)


def interrupt(config, folder, at=6):
    """Train until a step is about to begin; the checkpoint of step 4 is kept."""
    with interrupted(at):
        run(config, folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing happened to: its config, folder and results."""
    top = tmp_path_factory.mktemp("whole")
    config = config_of(top / "data")
    return config, top / "run", run(config, top / "run")


def variables(config, folder):
    return restored_variables(method_of(config), folder, (32, 32, 1), 1, "last")


def test_results_say_what_was_trained_and_tested_on(whole):
    _, folder, results = whole
    record = workdir.read_data(folder)
    assert results["trained_on"] == {"images": 10, "digest": record.contents.digest}
    assert results["tested_on"]["images"] == 4
    assert "changed_data" not in results
    assert len(record.held_out[0]) == 2


def test_renamed_photographs_are_resumed_to_the_same_bits(whole, tmp_path, capsys):
    _, folder, results = whole
    config = config_of(tmp_path / "data")
    interrupt(config, tmp_path / "run")
    for path in sorted((tmp_path / "data/train/good").iterdir()):
        path.rename(path.with_name(f"{99 - int(path.stem)}.png"))
    again = run(config, tmp_path / "run")
    assert "10 images were renamed" in capsys.readouterr().err
    assert again["members"] == results["members"]
    assert "changed_data" not in again
    one, other = variables(config, folder), variables(config, tmp_path / "run")
    for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_changed_run_is_refused_and_goes_on_when_asked(whole, tmp_path, capsys):
    config, folder = config_of(tmp_path / "data"), tmp_path / "run"
    config.stage_cache = str(tmp_path / "stages")
    interrupt(config, folder)
    paint(tmp_path / "data/train/good/new.png", 700)
    before = (folder / "data.json").read_bytes()
    with pytest.raises(UserError, match=r"1 image was added \(train/good/new\.png\) since"):
        run(config, folder)
    assert (folder / "data.json").read_bytes() == before
    results = run(config, folder, **ACCEPT)
    assert results["changed_data"] == ["1 image was added (train/good/new.png)"]
    assert results["trained_on"]["images"] == 11
    assert not (tmp_path / "stages").exists()  # no other run may take it for its own
    assert "its training images changed after" in reports.console_table([reports.read_run(folder)])
    # It has been trained on the image now, which therefore is nothing new, and says so for ever.
    again = run(config, folder, train=False)
    assert again["changed_data"] == results["changed_data"]
    assert again["members"] == results["members"]


def test_a_changed_run_is_evaluated_when_asked_only(tmp_path, capsys):
    config, folder = config_of(tmp_path / "data"), tmp_path / "run"
    first = run(config, folder)
    names = workdir.read_data(folder).held_out[0]
    trained = next(n for n in workdir.read_data(folder).contents.files if n not in names)
    (tmp_path / "data" / trained).unlink()
    paint(tmp_path / "data/train/good/a.png", 700)
    stored = (folder / "results.json").read_bytes()
    says = r"1 image was added \(train/good/a\.png\), 1 removed"
    with pytest.raises(UserError, match=says):
        run(config, folder, train=False)
    assert (folder / "results.json").read_bytes() == stored
    load_detector(folder)  # which needs no training data
    capsys.readouterr()
    second = run(config, folder, train=False, **ACCEPT)
    said = capsys.readouterr().err.splitlines()
    assert [line.startswith(f"{folder}: 1 image was added") for line in said] == [True]
    # What is held out is what was, so every number is what it was.
    assert second["members"] == first["members"]
    assert second["trained_on"] == first["trained_on"]
    assert len(second["changed_data"]) == 1
    page = (folder / "report.html").read_text()
    assert "its training images changed after training had begun, which was accepted" in page
    (tmp_path / "data" / names[0]).unlink()
    third = run(config, folder, train=False, **ACCEPT)
    assert third["members"][0]["thresholds"] != first["members"][0]["thresholds"]
    assert workdir.read_data(folder).held_out[0] == names


def test_other_test_images_are_told_in_tables(whole, tmp_path):
    _, folder, results = whole
    config = config_of(tmp_path / "data")
    config.seed = 1
    paint(tmp_path / "data/test/dent/7.png", 70)
    other = run(config, tmp_path / "run")
    assert other["trained_on"] == results["trained_on"]
    assert other["tested_on"] != results["tested_on"]
    runs = [reports.read_run(path) for path in (folder, tmp_path / "run")]
    assert "Not all numbers are of the same test images" in reports.console_table(runs)
    assert "Not all numbers" not in reports.console_table(runs[:1])
    (tmp_path / "data/test/dent/7.png").unlink()
    again = run(config, tmp_path / "run", train=False)
    assert again["tested_on"] == results["tested_on"]
    runs = [reports.read_run(path) for path in (folder, tmp_path / "run")]
    assert "Not all numbers" not in reports.console_table(runs)


def test_a_run_of_an_earlier_version_is_evaluated_as_before(whole, tmp_path, capsys):
    config, folder, results = whole
    copy = shutil.copytree(folder, tmp_path / "run")
    (copy / "data.json").unlink()
    again = run(config, copy, train=False)
    assert again["members"] == results["members"]
    assert "trained_on" not in again
    assert again["tested_on"] == results["tested_on"]
    assert "nothing is known of the images that this run was trained on" in capsys.readouterr().err
    assert not (copy / "data.json").exists()


def test_stages_trained_on_other_images_are_not_found(tmp_path):
    config = config_of(tmp_path / "data")
    config.stage_cache = str(tmp_path / "stages")
    first = run(config, tmp_path / "one")
    same = run(config, tmp_path / "two")
    assert "cached" in same["stages"][0]
    paint(tmp_path / "data/train/good/0.png", 700)
    other = run(config, tmp_path / "three")
    assert "cached" not in other["stages"][0]
    assert other["trained_on"] != first["trained_on"]
    entries = [p / "record.json" for p in (tmp_path / "stages").iterdir() if p.name[0] != "."]
    known = {json.loads(path.read_text())["content"] for path in entries}
    assert known == {r["trained_on"]["digest"] for r in (first, other)}


def test_changed_data_are_accepted_on_request_only(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        experiment,
        "train_and_evaluate",
        lambda *_, accept_changed_data, **__: asked.append(accept_changed_data),
    )
    monkeypatch.setattr(cli, "show_run", lambda _: 0)
    monkeypatch.setattr(workdir, "read_config", lambda _: None)
    config = mnist.get_config("ae,smoke")
    for accept in (False, True):
        given = {"workdir": str(tmp_path / "run"), "accept_changed_data": accept}
        cli.train(types.SimpleNamespace(config=config, **given))
        cli.evaluate(types.SimpleNamespace(config=None, **given))
    assert asked == [False, False, True, True]
