"""Kernel machines and forests through the product; an image score that test labels choose."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from training_helpers import ONE_DEVICE, assert_trees_close, member, tiny_config, train

from adjax import experiment, reports, workdir
from adjax.errors import UserError
from adjax.methods import lookup
from adjax.reports.published import published, published_mean
from adjax.run import check_run
from configs import folder

FEW = {"data.train_split": "train[:1500]", **ONE_DEVICE}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two members of the oracle: the folder and the results."""
    config = tiny_config("ocsvm_oracle", **FEW, **{"data.test_split": "test[:300]"})
    config.members = ({"seed": 0}, {"seed": 4, "data.normal_class": 7})
    directory = tmp_path_factory.mktemp("oracle")
    return directory, experiment.train_and_evaluate(config, directory, command="the command")


def test_reported_are_the_images_that_did_not_choose(run):
    directory, results = run
    with np.load(directory / "scores.npz") as arrays:
        scores = dict(arrays)
    assert results["image_score"] == "oracle"
    names = {"gamma_2^-7", "gamma_2^-5", "oracle"}
    for p, entry in enumerate(results["members"]):
        assert entry["oracle"]["images"] == 30
        chosen = scores[f"image_score/{entry['oracle']['chosen']}"][p]
        np.testing.assert_array_equal(scores["image_score/oracle"][p], chosen)
        rest = np.flatnonzero(scores["counted"][p])
        assert len(rest) == 270
        anomalous = scores["label"] != entry["normal_class"]
        expected = roc_auc_score(anomalous[rest], chosen[rest])
        assert entry["image_auroc"] == pytest.approx(expected, abs=1e-9)
        assert entry["image_auroc_by_score"].keys() == names


def test_reports_say_so_and_show_the_same(run):
    directory, results = run
    read = reports.read_run(directory)
    for entry, (image_score, anomalous) in zip(results["members"], read.tested, strict=True):
        assert image_score.shape == (270,)
        value = roc_auc_score(anomalous, image_score)
        assert value == pytest.approx(entry["image_auroc"], abs=1e-9)
    assert (
        "30 of them chose the image score by their labels"
        in (directory / "report.html").read_text()
    )
    table = reports.console_table([read])
    assert "OC-SVM (oracle)" in table
    assert "image score oracle (chosen by labels of test images, which are left out)" in table
    with np.load(directory / "examples.npz") as shown, np.load(directory / "scores.npz") as scores:
        for p in range(2):
            for value in shown["image_score"][p]:
                assert np.isclose(scores["image_score/oracle"][p], value, atol=1e-4).any()


def test_evaluating_again_chooses_the_same(run):
    directory, results = run
    config = workdir.read_config(directory)
    again = experiment.train_and_evaluate(config, directory, train=False)
    assert again["members"] == results["members"]
    assert json.loads((directory / "results.json").read_text())["members"] == again["members"]


def test_published_numbers_stand_beside_both_machines(run):
    _, results = run
    names = {results["about"]["published_as"], lookup("ocsvm").published_as or "ocsvm"}
    assert names == {"ocsvm"}
    assert published("mnist", "ocsvm", 3) == 0.881
    classes = [str(digit) for digit in range(10)]
    assert published_mean("mnist", "ocsvm", classes) == 0.913


@pytest.mark.parametrize(
    ("method", "values", "says"),
    [
        ("ocsvm", {"image_score": "oracle"}, "image_score='oracle': choose one of decision$"),
        ("ocsvm_oracle", {"image_score": "d"}, "choose one of gamma_2.-7, gamma_2.-5, oracle$"),
        (
            "ocsvm_oracle",
            {"data.test_split": "test[:15]", "data.normal_class": 7},
            "too few images to choose an image",
        ),
    ],
)
def test_what_cannot_be_chosen_is_refused(method, values, says, tmp_path):
    with pytest.raises(UserError, match=says):
        experiment.train_and_evaluate(tiny_config(method, **FEW, **values), tmp_path)


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("ocsvm_oracle", "config.method='ocsvm_oracle': is not for folder$"),
        ("ocsvm", "image_score='oracle': choose one of decision, smoothed_max, top$"),
    ],
)
def test_a_detector_may_not_choose_by_labels(tmp_path, method, says):
    config = folder.get_config("ocsvm")
    config.method, config.image_score = method, "oracle"
    with pytest.raises(UserError, match=says):
        check_run(config, tmp_path)


@pytest.mark.parametrize("method", ["ocsvm", "isolation_forest"])
def test_member_of_a_population_equals_it_alone(method, tmp_path):
    members = ({"seed": 5, "data.normal_class": 1}, {"seed": 0})
    population = train(tiny_config(method, members=members, **FEW), tmp_path / "population")
    alone = train(tiny_config(method, **FEW), tmp_path / "alone")
    assert_trees_close(member(population, 1), alone, atol=0)
    # The second time its checkpoint is found.
    assert_trees_close(train(tiny_config(method, **FEW), tmp_path / "alone"), alone, atol=0)
