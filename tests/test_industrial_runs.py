"""Runs on industrial images from config to report: small generated folders of every kind."""

import itertools
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from adjax import experiment, results, workdir
from adjax.datasets import category
from adjax.datasets.industrial import resize_image
from adjax.detect.detector import load_detector
from adjax.detect.predict import predict
from adjax.errors import UserError
from adjax.evaluation.thresholds import choose_thresholds
from adjax.reports.prediction_table import read_rows
from adjax.run import check_run, prepare
from adjax.training import score_program
from configs import folder, mvtec_ad

SIZE = 64
MEMBERS = {"seed": 0}, {"seed": 1}  # of all runs, so that they share their programs


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def picture(seed, defect=""):
    """Waves with a little noise; a defect is a bright spot or a dark bar. Image and mask."""
    rng = np.random.default_rng(seed)
    wave = 128 + 40 * np.sin(np.arange(SIZE) / 5 + rng.uniform(0, 1))
    image = wave[:, None] + rng.normal(0, 4, (SIZE, SIZE))
    mask = np.zeros((SIZE, SIZE), bool)
    row, column = rng.integers(4, 40, 2)
    shape = {"": (0, 0), "spot": (12, 12), "bar": (4, 30)}[defect]
    mask[row : row + shape[0], column : column + shape[1]] = True
    image[mask] = 250 if defect == "spot" else 10
    return image.clip(0, 255).astype(np.uint8), mask


def write_mvtec(root, *, masks=True, good=3, defects=("bar", "spot"), validation=0):
    """The official layout: ten images to train on, two of each defect to test."""
    for split, count, first in (
        ("train", 10, 0),
        ("validation", validation, 50),
        ("test", good, 80),
    ):
        for number in range(count):
            write(root / split / f"good/{number:03d}.png", picture(first + number)[0])
    for defect, number in itertools.product(defects, range(2)):
        image, mask = picture(100 + 10 * len(defect) + number, defect)
        write(root / f"test/{defect}/{number:03d}.png", image)
        if masks:
            truth = root / f"ground_truth/{defect}/{number:03d}_mask.png"
            write(truth, mask.astype(np.uint8) * 255)


def config_of(directory, argument="aesc_residual,smoke", **values):
    config = mvtec_ad.get_config(argument)
    config.update_from_flattened_dict(
        {
            "data.dir": str(directory),
            "data.normal_class": "part",
            "members": MEMBERS,
            "autoencoder.depth": 2,
            "mesh.member": 1,
            "mesh.data": 1,
            **values,
        }
    )
    return config


@pytest.fixture(scope="module")
def method():
    """One for all runs of a kind, so that they share their programs."""
    made = {}

    def of(config, directory):
        return made.setdefault(config.method + config.data.crops, check_run(config, directory)[1])

    return of


@pytest.fixture
def run(tmp_path, method):
    """`config -> the results` of a run in `tmp_path / "run"`."""

    def get(config):
        directory = tmp_path / "run"
        results = experiment.train_and_evaluate(config, directory, method=method(config, directory))
        assert workdir.read_results(directory) == results
        assert (directory / "report.html").exists()
        return results["members"][0]

    return get


OF_EVERY_RUN = {"normal_class", "class_name", "seed", "image_threshold", "thresholds"}
OF_BOTH_KINDS = {"image_auroc", "image_auroc_by_score"}
OF_MASKS = {"pixel_auroc", "pixel_ap", "aupro", "f1", "f1_oracle", "stability"}
RATES = {"autoencoder.learning_rate", "autoencoder.weight_decay"}


@pytest.fixture(scope="module")
def measured(tmp_path_factory, method):
    """The run with everything, of two members: config, folder, results and recomputed maps."""
    data, directory = (tmp_path_factory.mktemp(name) for name in ("data", "run"))
    write_mvtec(data / "part")
    config = config_of(data)
    config.evaluation.robustness = True
    found = experiment.train_and_evaluate(config, directory, method=method(config, directory))
    made = prepare(config, directory, method(config, directory))
    variables, _ = experiment.train_stages(made)
    program = score_program(made.method, made.execution, with_maps=True)
    test, members = made.tested.table, made.members.arrays
    parts = [
        np.asarray(program(variables, image / np.float32(255), members)["anomaly_map"])
        for image in (test.image[:4], test.image[3:])
    ]
    maps = np.concatenate([parts[0], parts[1][:, 1:]], 1)
    return config, directory, found, test, maps, results.score_normal(made, variables)


def test_results_hold_what_the_contract_names(measured):
    _, directory, results, _, _, _ = measured
    assert len(results["members"]) == 2
    for seed, member in enumerate(results["members"]):
        assert member.keys() == OF_EVERY_RUN | OF_BOTH_KINDS | OF_MASKS | RATES | {"robustness"}
        assert (member["class_name"], member["normal_class"]) == ("part", 15)
        assert member["seed"] == seed
    assert results["members"][0]["thresholds"] != results["members"][1]["thresholds"]
    names = {path.name for path in directory.iterdir()}
    assert names == {
        *("config.json", "metrics.jsonl", "results.json", "scores.npz", "examples.npz"),
        *("data.json", ".lock", "checkpoints", "tensorboard", "figures", "report.html"),
    }
    figures = {path.stem for path in (directory / "figures").iterdir()}
    assert {"examples", "histograms", "roc", "thresholds", "losses"} <= figures


def test_pixel_metrics_are_scikit_learns_on_maps_scored_anew(measured):
    _, _, results, test, maps, _ = measured
    truth = test.mask.ravel()
    for member, of_member in zip(results["members"], maps, strict=True):
        score = of_member.ravel()
        assert member["pixel_auroc"] == pytest.approx(roc_auc_score(truth, score), abs=1e-5)
        assert member["pixel_ap"] == pytest.approx(average_precision_score(truth, score), abs=1e-5)
        rules = {rule["rule"]: rule for rule in member["thresholds"]}
        assert list(rules) == ["quantile", "k_sigma", "minimum_area", "oracle_best_f1"]
        for rule in rules.values():
            expected = f1_score(truth, score >= np.float32(rule["threshold"]))
            assert rule["f1"] == pytest.approx(expected, abs=2e-3)
        assert member["f1"] == rules["quantile"]["f1"]
        assert member["f1_oracle"] == pytest.approx(rules["oracle_best_f1"]["f1"], abs=1e-9)
        assert member["f1_oracle"] >= max(rule["f1"] for rule in rules.values())


def test_thresholds_are_those_of_held_out_normal_images(measured):
    _, directory, results, _, _, (maps, scores) = measured
    assert maps.shape == (2, 2, SIZE, SIZE)
    assert scores.shape == (2, 2)
    with np.load(directory / "scores.npz") as written:
        test_scores, label = written["image_score/l2"], written["label"]
    for row, member in enumerate(results["members"]):
        expected = choose_thresholds(maps[row], q=0.995, k=3.0, area=25)
        for rule in member["thresholds"][:-1]:
            assert rule["threshold"] == pytest.approx(expected[rule["rule"]], rel=1e-5)
        flagged = (maps[row] >= np.float32(member["thresholds"][0]["threshold"])).mean()
        assert 0.003 < flagged < 0.007  # 1 - 0.995
        found = member["image_threshold"]
        assert found["rule"] == "quantile 0.95"
        # Of two images neither is to be flagged.
        assert found["threshold"] == pytest.approx(scores[row].max(), rel=1e-5)
        flagged = test_scores[row] >= found["threshold"]
        assert found["false_positive_rate"] == flagged[label == 0].mean()
        assert found["true_positive_rate"] == flagged[label != 0].mean()
        expected = roc_auc_score(label != 0, test_scores[row])
        assert member["image_auroc"] == pytest.approx(expected, abs=1e-9)


def test_curves_of_f1_hold_the_oracle(measured):
    _, directory, results, _, _, _ = measured
    with np.load(directory / "scores.npz") as scores:
        f1, threshold = scores["f1_curve/f1"], scores["f1_curve/threshold"]
    assert f1.shape == threshold.shape
    assert len(f1) == 2
    assert (np.diff(threshold) >= 0).all()
    for row, member in enumerate(results["members"]):
        assert f1[row].max() == pytest.approx(member["f1_oracle"], abs=1e-9)


def test_robustness_starts_from_what_was_measured(measured):
    _, _, results, _, _, _ = measured
    for member in results["members"]:
        first, *changed = member["robustness"]
        assert (first["change"], first["strength"]) == ("none", 0)
        assert first["pixel_auroc"] == pytest.approx(member["pixel_auroc"], abs=1e-6)
        for rule in member["thresholds"][:-1]:
            assert first["f1"][rule["rule"]] == pytest.approx(rule["f1"], abs=1e-3)
        changes = [row["change"] for row in changed]
        assert list(dict.fromkeys(changes)) == ["brightness", "contrast", "gradient", "noise"]
        assert len(changed) == 14
        assert len({tuple(row["f1"].values()) for row in changed}) > 10


def test_examples_have_masks_and_names(measured):
    _, directory, _, test, _, _ = measured
    with np.load(directory / "examples.npz") as examples:
        assert examples["mask"].shape == examples["anomaly_map"].shape == (2, 7, SIZE, SIZE)
        assert examples["class_name"][0].tolist() == [*["good"] * 3, "bar", "spot", "bar", "spot"]
        assert examples["anomalous"][0].tolist() == [False] * 3 + [True] * 4
        assert (examples["mask"].any((2, 3)) == examples["anomalous"]).all()
    assert test.class_names == ("good", "bar", "spot")


def test_evaluating_again_gives_the_same_results(measured, method):
    config, directory, results, _, _, _ = measured
    again = experiment.train_and_evaluate(
        config, directory, train=False, method=method(config, directory)
    )
    assert again["members"] == results["members"]


def test_streamed_images_train_the_same_network(measured, tmp_path, method, monkeypatch):
    config, _, results, _, _, _ = measured
    monkeypatch.setattr(category, "IN_MEMORY", 0)
    category._load_category.cache_clear()
    streamed = experiment.train_and_evaluate(config, tmp_path, method=method(config, tmp_path))
    category._load_category.cache_clear()
    assert streamed["members"] == results["members"]


def test_a_camera_of_12_bits_is_the_same_to_a_run_that_is_told(measured, tmp_path, method):
    config, _, results, test, _, _ = measured
    write_mvtec(tmp_path / "data/part")
    for path in (tmp_path / "data/part").rglob("*.png"):
        if "ground_truth" not in path.parts:
            levels = np.asarray(Image.open(path)) * (4095 / 255)
            write(path, levels.round().astype(np.uint16))
    deep = config.copy_and_resolve_references()
    deep.data.dir, deep.data.bits = str(tmp_path / "data"), 12
    folder = tmp_path / "run"
    found = experiment.train_and_evaluate(deep, folder, method=method(deep, folder))
    assert found["members"] == results["members"]
    assert json.loads((folder / "config.json").read_text())["data"]["bits"] == 12
    predict(folder, tmp_path / "data/part/test", tmp_path / "found")
    rows = {row["path"]: row for _, row in read_rows(tmp_path / "found" / "predictions.csv")}
    with np.load(folder / "scores.npz") as scores:
        desired = dict(zip(test.path, scores["image_score/l2"][0], strict=True))
    assert {f"test/{path}" for path in rows} == set(desired)
    for path, row in rows.items():
        assert float(row["image_score"]) == pytest.approx(desired[f"test/{path}"], rel=1e-4)


def test_without_masks(tmp_path, run):
    write_mvtec(tmp_path / "part", masks=False)
    member = run(config_of(tmp_path))
    assert member.keys() == OF_EVERY_RUN | OF_BOTH_KINDS | RATES
    assert [rule.keys() for rule in member["thresholds"]] == [{"rule", "threshold"}] * 3


def test_normal_test_images_only(tmp_path, run):
    write_mvtec(tmp_path / "part", defects=())
    member = run(config_of(tmp_path))
    assert member.keys() == OF_EVERY_RUN | RATES
    assert member["image_threshold"].keys() == {"rule", "threshold", "false_positive_rate"}


def test_defective_test_images_only(tmp_path, run):
    write_mvtec(tmp_path / "part", good=0)
    member = run(config_of(tmp_path))
    assert member.keys() == OF_EVERY_RUN | OF_MASKS | RATES
    assert member["image_threshold"].keys() == {"rule", "threshold", "true_positive_rate"}


def test_official_validation_split_chooses_the_thresholds(tmp_path, run):
    write_mvtec(tmp_path / "part", masks=False, validation=2)
    config = config_of(tmp_path, **{"data.validation_fraction": 0.0})
    assert run(config)["thresholds"][0]["threshold"] > 0


def own_images(directory, count):
    for number in range(count):
        write(directory / f"{number}.png", picture(number)[0])
    config = folder.get_config("aesc_residual,smoke")
    config.data.update(dir=str(directory), channels=1)
    config.autoencoder.depth, config.members = 2, MEMBERS
    config.mesh.update(member=1, data=1)
    return config


def test_plain_folder_of_normal_images(tmp_path, run):
    member = run(own_images(tmp_path / "mine", 10))
    assert member.keys() == OF_EVERY_RUN | RATES
    assert (member["class_name"], member["normal_class"]) == ("folder", 0)
    with np.load(tmp_path / "run/examples.npz") as examples:
        assert examples["image"].shape == (2, 2, SIZE, SIZE, 1)
        assert not examples["anomalous"].any()


def test_nothing_held_out_is_refused_before_training(tmp_path):
    says = "thresholds are chosen on held-out normal images, and of 1 none is held out"
    with pytest.raises(UserError, match=says):
        experiment.train_and_evaluate(own_images(tmp_path / "one", 1), tmp_path / "run")
    write_mvtec(tmp_path / "part")
    config = config_of(tmp_path, **{"data.validation_fraction": 0.0})
    with pytest.raises(UserError, match=r"^config\.data\.validation_fraction=0\.0: thresholds"):
        experiment.train_and_evaluate(config, tmp_path / "run")


@pytest.mark.parametrize(
    "argument",
    ["aesc_residual,texture,smoke", pytest.param("oe_sdn,smoke", marks=pytest.mark.slow)],
)
def test_patches_are_scored_by_windows(tmp_path, run, argument):
    write_mvtec(tmp_path / "part")
    config = config_of(tmp_path, argument)
    assert (config.data.size, config.data.patch) == (SIZE, 32)
    member = run(config)
    assert member.keys() >= OF_EVERY_RUN | OF_BOTH_KINDS | OF_MASKS
    with np.load(tmp_path / "run/examples.npz") as examples:
        assert examples["anomaly_map"].shape == (2, 7, SIZE, SIZE)


@pytest.mark.slow
@pytest.mark.parametrize("argument", ["ssim_ae,smoke", "ssim_ae,texture,smoke", "ae_l2,smoke"])
def test_networks_for_larger_patches(tmp_path, run, argument):
    write_mvtec(tmp_path / "part")
    assert run(config_of(tmp_path, argument)).keys() >= OF_BOTH_KINDS | OF_MASKS


def write_lamp(root):
    """Ten good test images, darker than ten defective ones and those trained on."""
    write_mvtec(root, masks=False, good=0, defects=())
    for number in range(10):
        dark = picture(80 + number)[0] // 2
        write(root / f"test/good/{number:03d}.png", dark)
        write(root / f"test/spot/{number:03d}.png", picture(100 + number, "spot")[0])


def test_what_a_lamp_tells_is_said_and_taken_away(tmp_path, run):
    write_lamp(tmp_path / "data/part")
    member = run(config_of(tmp_path / "data"))
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert "tells defective from good test images (AUROC 1.000)" in results["confounded"][0]
    controlled = member["controlled"]
    assert set(controlled) == OF_BOTH_KINDS | {"false_positive_rate", "true_positive_rate"}
    assert controlled["image_auroc_by_score"] != member["image_auroc_by_score"]
    page = (tmp_path / "run/report.html").read_text()
    assert "Confounded test images" in page
    assert "at one median brightness" in page


def test_a_normalised_run_scores_photographs_as_its_test_images(tmp_path, run):
    write_lamp(tmp_path / "data/part")
    member = run(config_of(tmp_path / "data", **{"data.normalise": "median"}))
    assert "controlled" not in member
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["reference_median"] > 0
    detector = load_detector(tmp_path / "run")
    paths = sorted((tmp_path / "data/part/test").rglob("*.png"))
    size = detector.image_size
    raw = np.stack([resize_image(Image.open(path), size, 1) for path in paths])
    with np.load(tmp_path / "run/scores.npz") as scores:
        desired = np.sort(scores["image_score/l2"][0])
    np.testing.assert_allclose(np.sort(detector.score(raw)["image_score"]), desired, atol=1e-6)
    del results["reference_median"], results["digest"]
    (tmp_path / "run/results.json").write_text(json.dumps(results))
    with pytest.raises(UserError, match="reference_median"):
        load_detector(tmp_path / "run")


def test_pixels_of_images_without_masks_do_not_count(tmp_path, run):
    write_mvtec(tmp_path / "data/part")
    whole = run(config_of(tmp_path / "data"))
    shutil.rmtree(tmp_path / "run")
    for number in (0, 1):
        (tmp_path / f"data/part/ground_truth/spot/{number:03d}_mask.png").unlink()
    category._load_category.cache_clear()
    part = run(config_of(tmp_path / "data"))
    assert part["without_masks"] == 2
    assert "without_masks" not in whole
    assert part["image_auroc"] == whole["image_auroc"]
    assert part["pixel_auroc"] != whole["pixel_auroc"]
    page = (tmp_path / "run/report.html").read_text()
    assert "2 defective test images without a mask that marks something" in page
