"""A detector restored from a folder scores and decides as the run that trained it."""

import dataclasses
import json

import numpy as np
import pytest
from detector_helpers import random_images, trained, uncertain
from PIL import Image

from adjax import workdir
from adjax.config.layout import check
from adjax.datasets.industrial import resize_image
from adjax.datasets.tasks import create_task
from adjax.detect.detector import load_detector
from adjax.errors import UserError

RUNS = {"trained": trained, "uncertain": uncertain}


@pytest.fixture(params=RUNS)
def detector(request):
    return load_detector(RUNS[request.param]())


def test_scores_are_those_of_the_run():
    folder = trained()
    settings = check(workdir.read_config(folder))
    images = create_task(settings.data).tested([{"data.normal_class": "", "seed": 0}]).table.image
    found = load_detector(folder).score(images)
    with np.load(folder / "scores.npz") as scores:
        np.testing.assert_allclose(found["image_score"], scores["image_score/l2"][0], atol=1e-6)


def test_maps_are_those_of_the_run():
    with np.load(trained() / "examples.npz") as examples:
        image = np.round(examples["image"][0] * 255).astype(np.uint8)
        found = load_detector(trained()).score(image)
        np.testing.assert_allclose(
            found["anomaly_map"], examples["anomaly_map"][0], rtol=1e-4, atol=1e-6
        )


def test_member_has_its_own_variables_thresholds_and_draws():
    folder = uncertain()
    entries = json.loads((folder / "results.json").read_text())["members"]
    image = random_images(load_detector(folder), 2)
    maps = []
    for member, entry in enumerate(entries):
        detector = load_detector(folder, member)
        assert detector.image_threshold == entry["image_threshold"]["threshold"]
        rules = {row["rule"]: row["threshold"] for row in entry["thresholds"]}
        assert detector.pixel_threshold == rules["quantile"]
        maps.append(detector.score(image)["anomaly_map"])
    assert np.abs(maps[0] - maps[1]).max() > 0


def test_rule_of_the_config_decides():
    detector = load_detector(trained())
    assert (detector.pixel_threshold, detector.image_threshold) == (0.3, 0.2)


def test_decisions_are_comparisons(detector):
    image = random_images(detector, 5)
    found = detector.score(image)
    assert {name: (value.dtype, value.shape) for name, value in found.items()} == {
        "anomaly_map": (np.float32, image.shape[:3]),
        "image_score": (np.float32, (5,)),
        "mask": (bool, image.shape[:3]),
        "is_anomalous": (bool, (5,)),
    }
    np.testing.assert_array_equal(
        found["mask"], found["anomaly_map"] >= np.float32(detector.pixel_threshold)
    )
    expected = found["image_score"] >= np.float32(detector.image_threshold)
    np.testing.assert_array_equal(found["is_anomalous"], expected)


def test_result_does_not_depend_on_the_batch(detector):
    image = random_images(detector, 5)
    together = detector.score(image)
    assert together["anomaly_map"].std() > 0
    alone = detector.score(image[3:4])
    for name in ("anomaly_map", "image_score"):
        np.testing.assert_allclose(together[name][3:4], alone[name], rtol=1e-4, atol=1e-7)


def test_batches_have_one_size_and_type():
    detector = load_detector(trained())
    message = r"takes uint8 images \[B, 32, 32, 1\], not float32 \[1, 32, 32, 1\]"
    with pytest.raises(UserError, match=message):
        detector.score_batch(np.zeros((1, 32, 32, 1), np.float32))
    with pytest.raises(UserError, match=r"not uint8 \[1, 32, 28, 1\]"):
        detector.score_batch(np.zeros((1, 32, 28, 1), np.uint8))


def test_photographs_are_squeezed_as_those_trained_on(detector, tmp_path):
    size, channels = detector.image_size, detector.channels
    pixels = np.random.default_rng(0).integers(0, 256, (50, 41, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    expected = detector.score_batch(resize_image(Image.fromarray(pixels), size, channels)[None])
    for photo in (pixels, pixels / 255, Image.fromarray(pixels), tmp_path / "photo.png", tmp_path):
        found = detector.score(photo)
        assert found.keys() == expected.keys()
        for name, value in found.items():
            np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_photograph_that_cannot_be_read_is_told(detector, tmp_path):
    (tmp_path / "photo.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"photo\.png: damaged, or not a PNG"):
        detector.score(tmp_path)


def test_without_thresholds_nothing_is_decided():
    detector = load_detector(trained())
    without = dataclasses.replace(detector, pixel_threshold=None, image_threshold=None)
    image = random_images(detector, 2)
    expected = detector.score(image)
    found = without.score(image)
    assert found.keys() == {"image_score", "anomaly_map"}
    np.testing.assert_array_equal(found["image_score"], expected["image_score"])
    assert repr(without).endswith("32 x 32 x 1, no threshold>")
    assert repr(detector).endswith("32 x 32 x 1, image threshold 0.2>")
    with pytest.raises(UserError, match="folder run hold no thresholds to decide by"):
        without.require_thresholds()


def test_folder_without_a_detector_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"is --workdir=.* the folder of a run"):
        load_detector(tmp_path)
    folder = trained()
    with pytest.raises(UserError, match="members are numbered from 0 to 0, not 1"):
        load_detector(folder, 1)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(UserError, match=r"has no results\.json: finish the run"):
        load_detector(tmp_path)
    results = json.loads((folder / "results.json").read_text())
    (tmp_path / "results.json").write_text(json.dumps(results))
    with pytest.raises(UserError, match="stage autoencoder stopped at step 0 of 8"):
        load_detector(tmp_path)


def test_member_that_diverged_is_refused(tmp_path):
    folder = uncertain()
    results = json.loads((folder / "results.json").read_text())
    results["members"] = results["members"][1:]
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "checkpoints").symlink_to(folder / "checkpoints")
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "failed.json").write_text(json.dumps({"failed": [{"member": 0}]}))
    with pytest.raises(UserError, match="member 0 diverged"):
        load_detector(tmp_path, 0)
    expected = results["members"][0]["image_threshold"]["threshold"]
    assert load_detector(tmp_path, 1).image_threshold == expected
    (tmp_path / "failed.json").unlink()
    (tmp_path / "results.json").write_text(json.dumps(results | {"failed": [{"member": 0}]}))
    with pytest.raises(UserError, match="member 0 diverged"):
        load_detector(tmp_path, 0)
    assert load_detector(tmp_path, 1).image_threshold == expected
