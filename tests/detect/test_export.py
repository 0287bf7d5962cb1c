"""An exported detector says what the live one says, where there is no adjax."""

import hashlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from detector_helpers import forest, random_images, trained, uncertain
from PIL import Image

from adjax.datasets.industrial import resize_image
from adjax.detect.detector import load_detector
from adjax.detect.export import export
from adjax.errors import UserError

RUNS = {"trained": trained, "forest": forest, "uncertain": uncertain}

# Runs in a folder of exports, of which each holds what the live detector was given and said.
WITHOUT_ADJAX = """
import os, sys
sys.modules["adjax"] = None  # an import of it fails
import jax, numpy as np, tensorflow as tf
from jax import export

def check(found, live, name):
    for key in ("anomaly_map", "image_score"):
        np.testing.assert_allclose(np.asarray(found[key]), live[key], 0, 1e-5, err_msg=name)
    clear = np.abs(live["anomaly_map"] - live["pixel_threshold"]) > 1e-5
    np.testing.assert_array_equal(np.asarray(found["mask"])[clear], live["mask"][clear])
    clear = np.abs(live["image_score"] - live["image_threshold"]) > 1e-5
    found, expected = np.asarray(found["is_anomalous"]), live["is_anomalous"]
    np.testing.assert_array_equal(found[clear], expected[clear])

for name in sys.argv[1:]:
    live = dict(np.load(f"{name}/live.npz"))
    with open(f"{name}/detector.stablehlo", "rb") as file:
        exported = export.deserialize(bytearray(file.read()))
    assert exported.platforms == ("cpu", "cuda", "tpu")
    check(jax.jit(exported.call)(live["image"]), live, name)
    loaded = tf.saved_model.load(f"{name}/saved_model").signatures["serving_default"]
    check(loaded(image=tf.constant(live["image"])), live, name)
os.chdir(name)
exec(open("readme.py").read())  # scores photo.png in both ways
"""


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """A folder with an export of every run."""
    folder = tmp_path_factory.mktemp("exports")
    for name, run in RUNS.items():
        assert export(run(), folder / name) == folder / name
    return folder


def test_exports_say_what_the_live_detector_says(exports):
    for name, run in RUNS.items():
        detector = load_detector(run())
        image = random_images(detector, 3)
        thresholds = {
            "pixel_threshold": detector.pixel_threshold,
            "image_threshold": detector.image_threshold,
        }
        np.savez(exports / name / "live.npz", image=image, **detector.score(image), **thresholds)
    code = re.findall(r"```python\n(.*?)```", (exports / name / "README.md").read_text(), re.DOTALL)
    (exports / name / "readme.py").write_text("\n".join(code))
    photo = Image.new("RGB", (50, 40), (90, 20, 30))
    photo.save(exports / name / "photo.png")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ADJAX, *RUNS],
        cwd=exports,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"XLA_FLAGS": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    expected = detector.score(resize_image(photo, 32, 3)[None])["image_score"][0]
    printed = [float(number) for number in re.findall(r"\[(\d[\d.e-]+)\]", done.stdout)]
    assert printed == pytest.approx([expected, expected], abs=1e-5)


def test_facts_describe_the_files(exports):
    folder = exports / "uncertain"
    facts = json.loads((folder / "detector.json").read_text())
    detector = load_detector(uncertain())
    assert facts["pixel_threshold"] == detector.pixel_threshold
    assert facts["image_threshold"] == detector.image_threshold
    assert facts["image_threshold_rule"] == "quantile 0.95"
    assert facts["pixel_threshold_rule"] == "quantile"
    assert (facts["image_size"], facts["channels"], facts["bits"]) == (32, 3, 0)
    assert "so that their full range becomes 0 to 255" in (folder / "README.md").read_text()
    assert {"detector.stablehlo", "README.md", "saved_model/saved_model.pb"} <= set(facts["sha256"])
    for name, digest in facts["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_thresholds_given_by_hand_are_exported_and_called_so(tmp_path, monkeypatch):
    exported = []
    monkeypatch.setattr("adjax.detect.export.to_stablehlo", lambda _: b"")
    monkeypatch.setattr("adjax.detect.export.write_saved_model", lambda *a: exported.append(a[0]))
    folder = export(uncertain(), tmp_path / "new", threshold=0.25, pixel_threshold=0.75)
    facts = json.loads((folder / "detector.json").read_text())
    assert (facts["image_threshold"], facts["pixel_threshold"]) == (0.25, 0.75)
    assert {facts["image_threshold_rule"], facts["pixel_threshold_rule"]} == {"given by hand"}
    (detector,) = exported
    image = random_images(detector, 4)
    found = detector.score(image)
    np.testing.assert_array_equal(found["is_anomalous"], found["image_score"] >= 0.25)
    np.testing.assert_array_equal(found["mask"], found["anomaly_map"] >= 0.75)
    with pytest.raises(UserError, match=r"^--threshold=nan: give a finite number"):
        export(uncertain(), tmp_path / "other", threshold=np.nan)
    assert not (tmp_path / "other").exists()


def test_folder_that_exists_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"exists: an export goes into a new folder"):
        export(trained(), tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write to --output"):
        export(trained(), tmp_path / "file" / "new")
