"""The reverse protocol, one class abnormal and all others normal, from config to report."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from adjax import experiment, reports
from adjax.datasets.tables import load_table
from adjax.run import prepare
from configs import mnist

MEMBERS = ({"seed": 0}, {"seed": 4, "data.normal_class": 7})
SPLITS = ("train[:1000]", "test[:200]")


def reverse_config(**values):
    config = mnist.get_config("ae,smoke")
    config.data.update(train_split=SPLITS[0], test_split=SPLITS[1], protocol="leave_one_out")
    config.update_from_flattened_dict({"members": MEMBERS, **values})
    return config


@pytest.fixture(scope="module")
def label():
    """Of the pooled images."""
    return np.concatenate([load_table("mnist", split, "data").label for split in SPLITS])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, experiment.train_and_evaluate(reverse_config(), folder)


def test_every_image_is_trained_on_or_tested(label, tmp_path):
    run = prepare(reverse_config(), tmp_path)
    images, tested = run.population.images, run.tested
    for p, member in enumerate(run.members.settings):
        abnormal = label == member["data.normal_class"]
        trained = [*images.streams[p].rows, *images.validation_rows[p]]
        assert len(trained) == int(0.8 * (~abnormal).sum())
        assert not abnormal[trained].any()
        own = np.delete(np.arange(1200), trained)
        counted = tested.counted[p]
        np.testing.assert_array_equal(tested.table.label[counted], label[own])
        np.testing.assert_array_equal(tested.anomalous[p][counted], abnormal[own])
        assert tested.anomalous[p][counted].sum() == abnormal.sum()


def test_image_of_a_single_member_is_scored_once(label, tmp_path):
    tested = prepare(reverse_config(members=()), tmp_path).tested
    assert tested.counted.all()
    normal = int((label != 3).sum())
    assert len(tested.table.image) == 1200 - int(0.8 * normal)


def test_auroc_is_of_each_member_s_own_test_images(run, label):
    folder, results = run
    with np.load(folder / "scores.npz") as scores:
        for p, member in enumerate(results["members"]):
            assert member["normal_class"] == (3, 7)[p]
            counted = scores["counted"][p]
            abnormal = scores["label"][counted] == member["normal_class"]
            assert abnormal.sum() == (label == member["normal_class"]).sum()
            for name, value in member["image_auroc_by_score"].items():
                own = scores[f"image_score/{name}"][p][counted]
                assert value == pytest.approx(roc_auc_score(abnormal, own), abs=1e-9)
    with np.load(folder / "examples.npz") as examples:
        abnormal = examples["class_label"] == np.array([[3], [7]])
        np.testing.assert_array_equal(examples["anomalous"], abnormal)
        assert abnormal[0].tolist() == [False] * 8 + [True] * 8


def test_an_oracle_chooses_among_the_images_that_a_member_is_tested_on(label, tmp_path):
    config = mnist.get_config("ocsvm_oracle,smoke")
    config.data.update(train_split=SPLITS[0], test_split=SPLITS[1], protocol="leave_one_out")
    config.ocsvm_oracle.support_vectors = 1024
    config.members = MEMBERS
    results = experiment.train_and_evaluate(config, tmp_path)
    images = prepare(config, tmp_path).population.images
    with np.load(tmp_path / "scores.npz") as arrays:
        scores = dict(arrays)
    for p, member in enumerate(results["members"]):
        tested = len(label) - len(images.streams[p].rows) - len(images.validation_rows[p])
        judged = scores["counted"][p]
        assert member["oracle"]["images"] == int(0.1 * tested)
        assert judged.sum() == tested - member["oracle"]["images"]
        value = scores[f"image_score/{member['oracle']['chosen']}"][p][judged]
        expected = roc_auc_score(scores["anomalous"][p][judged], value)
        assert member["image_auroc"] == pytest.approx(expected, abs=1e-9)


def test_reports_see_what_is_anomalous_and_say_what_the_class_is(run):
    folder, results = run
    found = reports.read_run(folder)
    for (scores, anomalous), member in zip(found.tested, results["members"], strict=True):
        assert member["image_auroc"] == pytest.approx(roc_auc_score(anomalous, scores))
    text = reports.console_table([found])
    assert "abnormal class" in text
    assert "one class left out" in text
    page = (folder / "report.html").read_text()
    assert "abnormal classes 3 and 7" in page
    assert "images of all classes but one" in page
    assert json.loads((folder / "config.json").read_text())["data"]["protocol"] == "leave_one_out"
