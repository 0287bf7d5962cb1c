"""A run from config to report, on real images."""

import json
import shutil

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from adjax import experiment, reports, workdir
from adjax.errors import UserError
from configs import mnist


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The smoke run of OE-SDN with the fast student and two members: its folder and its results."""
    folder = tmp_path_factory.mktemp("run")
    config = small()
    return config, folder, experiment.train_and_evaluate(config, folder, command="the command")


def small():
    config = mnist.get_config("oe_sdn_fast,smoke")
    config.members = ({"seed": 0}, {"seed": 4, "data.normal_class": 7})
    config.teacher.steps = 10
    return config


def test_folder_holds_what_the_contract_names(run):
    _, folder, results = run
    names = {p.name for p in folder.iterdir()}
    assert names == {
        ".lock",
        "config.json",
        "data.json",
        "metrics.jsonl",
        "results.json",
        "scores.npz",
        "examples.npz",
        "checkpoints",
        "tensorboard",
        "figures",
        "report.html",
    }
    assert workdir.read_results(folder) == json.loads(json.dumps(results))
    assert results["method"] == "oe_sdn_fast"
    assert results["command"] == "the command"
    assert [m["normal_class"] for m in results["members"]] == [3, 7]
    assert [s["name"] for s in results["stages"]] == ["teacher", "student"]
    assert results["throughput"].keys() == {
        "train_images_per_second",
        "compile_seconds",
        "score_images_per_second",
    }


def test_auroc_is_scikit_learns_on_the_written_scores(run):
    _, folder, results = run
    with np.load(folder / "scores.npz") as scores:
        for p, member in enumerate(results["members"]):
            anomalous = scores["label"] != member["normal_class"]
            for name, value in member["image_auroc_by_score"].items():
                expected = roc_auc_score(anomalous, scores[f"image_score/{name}"][p])
                assert value == pytest.approx(expected, abs=1e-9)
        assert member["image_auroc"] == member["image_auroc_by_score"]["d"]


def test_examples_have_the_scores_of_the_test_split(run):
    _, folder, _ = run
    with np.load(folder / "scores.npz") as scores, np.load(folder / "examples.npz") as examples:
        for p in range(2):
            for value in examples["image_score"][p]:
                assert np.isclose(scores["image_score/d"][p], value, rtol=1e-4).any()
        shown = np.abs(examples["reconstruction/student"] - examples["reconstruction/AE"])
        np.testing.assert_allclose(examples["anomaly_map"], shown.mean(-1), atol=1e-6)


def test_evaluating_again_gives_the_same_results(run):
    config, folder, results = run
    again = experiment.train_and_evaluate(config, folder, train=False)
    assert again["members"] == results["members"]


def test_finished_run_is_recognised(run, tmp_path):
    config, folder, results = run
    assert workdir.finished_results(config, folder)["members"] == results["members"]
    assert workdir.finished_results(config, tmp_path) is None
    config = small()
    config.student.learning_rate = 1.0
    with pytest.raises(UserError, match=r"holds another run: its config.student.learning_rate"):
        workdir.finished_results(config, folder)


def test_members_that_differ_in_a_hyper_parameter_get_columns_of_their_own(tmp_path):
    config = mnist.get_config("ae,smoke")
    config.members = ({"seed": 0}, {"seed": 0, "teacher.learning_rate": 0.01})
    experiment.train_and_evaluate(config, tmp_path)
    text = reports.console_table([reports.read_run(tmp_path)])
    assert "AE (learning_rate 0.001)" in text
    assert "AE (learning_rate 0.01)" in text


def test_report_lost_to_a_kill_is_made_again(run):
    config, folder, _ = run
    page = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    assert workdir.finished_results(config, folder) is not None
    reports.renew_report(folder)
    assert page == (folder / "report.html").read_bytes()


def test_evaluation_starts_again_without_results(run):
    config, folder, results = run
    (folder / "results.json").unlink()
    assert workdir.finished_results(config, folder) is None
    again = experiment.train_and_evaluate(config, folder, train=False, report=False)
    assert again["members"] == results["members"]
    assert workdir.finished_results(config, folder) is not None


def test_test_split_smaller_than_a_batch_on_many_devices(tmp_path):
    config = mnist.get_config("ae,smoke")
    config.data.test_split = "test[:90]"
    config.mesh.data = 8
    experiment.train_and_evaluate(config, tmp_path)
    with np.load(tmp_path / "scores.npz") as scores:
        assert scores["image_score/d"].shape == (1, 90)


def test_evaluating_an_unfinished_run_says_so(tmp_path):
    config = small()
    with pytest.raises(UserError, match="stage teacher stopped at step 0 of 10"):
        experiment.train_and_evaluate(config, tmp_path, train=False)


def test_score_counts_every_test_image_once_on_any_number_of_devices(run, tmp_path):
    _, folder, _ = run
    again = shutil.copytree(folder, tmp_path / "again")
    (again / "scores.npz").unlink()
    config = small()
    config.mesh.update(member=1, data=4)
    config.evaluation.batch_size = 36
    experiment.train_and_evaluate(config, again, train=False)
    with np.load(folder / "scores.npz") as a, np.load(again / "scores.npz") as b:
        assert a["label"].shape == (400,)
        np.testing.assert_allclose(a["image_score/d"], b["image_score/d"], rtol=1e-4)
