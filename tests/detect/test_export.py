"""An exported detector says what the live one says, where there is no adjax."""

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

import jax
import numpy as np
import pytest
from detector_helpers import forest, random_images, trained, uncertain
from PIL import Image

from adjax.datasets.industrial import resize_image
from adjax.detect.detector import Detector, load_detector
from adjax.detect.export import export, to_onnx
from adjax.errors import UserError
from adjax.onnx import program

RUNS = {"trained": trained, "forest": forest, "uncertain": uncertain}

# Runs in a folder of exports, of which each holds what the live detector was given and said.
WITHOUT_ADJAX = """
import os, sys
sys.modules["adjax"] = None  # an import of it fails
import jax, numpy as np, onnxruntime, tensorflow as tf
from jax import export

quiet = onnxruntime.SessionOptions()
quiet.log_severity_level = 3

def in_onnx(detector, **given):
    outputs = [output.name for output in detector.get_outputs()]
    return dict(zip(outputs, detector.run(outputs, given)))

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
    onnx = onnxruntime.InferenceSession(f"{name}/detector.onnx", quiet)
    check(in_onnx(onnx, image=live["image"]), live, name)
    first = {key: value[:1] if value.ndim else value for key, value in live.items()}
    check(in_onnx(onnx, image=first["image"]), first, name)
    other = {
        "image_threshold": np.array(np.median(live["image_score"]), np.float32),
        "pixel_threshold": np.array(np.median(live["anomaly_map"]), np.float32),
    }
    changed = {
        "is_anomalous": live["image_score"] >= other["image_threshold"],
        "mask": live["anomaly_map"] >= other["pixel_threshold"],
    }
    assert changed["mask"].any() and not changed["mask"].all(), name
    check(in_onnx(onnx, image=live["image"], **other), live | changed | other, name)
os.chdir(name)
exec(open("readme.py").read())  # scores photo.png in every way
"""


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """A folder with an export of every run."""
    folder = tmp_path_factory.mktemp("exports")
    for name, run in RUNS.items():
        assert export(run(), folder / name) == folder / name
    return folder


def test_products_of_exports_are_float32(exports):
    """Also where the devices would round their operands."""
    for name in RUNS:
        exported = jax.export.deserialize(
            bytearray((exports / name / "detector.stablehlo").read_bytes())
        )
        lines = exported.mlir_module().splitlines()
        products = [
            line for line in lines if re.search("stablehlo.(dot_general|convolution)", line)
        ]
        assert products or name == "forest"
        for line in products:
            assert "HIGHEST" in line, (name, line)


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
    assert printed == pytest.approx([expected] * 3, abs=1e-5)


def test_example_serves_an_export(exports, repository, tmp_path):
    argv = [sys.executable, repository / "examples/serve_onnx.py", exports / "trained", "0"]
    detector = load_detector(trained())
    photo = Image.new("L", (50, 40), 90)
    photo.save(tmp_path / "photo.png")
    size = detector.image_size
    (score,) = detector.score(resize_image(photo, size, 1)[None])["image_score"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server.stdout.readline().strip()

            def ask(content, query=""):
                try:
                    with urllib.request.urlopen(url + query, content, timeout=60) as answer:
                        return answer.status, json.load(answer)
                except urllib.error.HTTPError as answer:
                    return answer.code, json.load(answer)

            content = (tmp_path / "photo.png").read_bytes()
            status, found = ask(content)
            assert status == 200
            assert found["image_score"] == pytest.approx(score, abs=1e-5)
            assert found["is_anomalous"] == bool(score >= detector.image_threshold)
            for threshold, is_anomalous in ((score - 1e-3, True), (score + 1e-3, False)):
                _, found = ask(content, f"?image_threshold={threshold}")
                assert found["is_anomalous"] is is_anomalous
            assert ask(content, "?pixel_threshold=-1")[1]["defective_share"] == 1
            status, found = ask(content[:50])
            assert status == 400
            assert found["error"]
            assert ask(content, "?threshold=1")[0] == 400
            assert ask(content)[0] == 200
        finally:
            server.terminate()


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
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    beside = {"detector.json", "live.npz", "photo.png", "readme.py"}  # three of them by tests here
    assert set(facts["sha256"]) == files - beside
    assert {"detector.stablehlo", "detector.onnx", "saved_model/saved_model.pb"} <= files
    for name, digest in facts["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    stated = float(facts["onnx_inputs"]["image_threshold"].split()[2].rstrip(","))
    assert stated == pytest.approx(detector.image_threshold)


@pytest.mark.parametrize("missing", [("onnx",), ("onnx", "onnxruntime")])
def test_onnx_needs_what_is_named(missing, monkeypatch):
    detector, find = load_detector(forest()), importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in missing else find(name)
    )
    with pytest.raises(UserError, match=f"needs {' and '.join(missing)}: pip install"):
        to_onnx(detector)


def test_what_cannot_be_said_in_onnx_is_noted_and_left_out(tmp_path, monkeypatch):
    def refuse(self, image, **thresholds):
        found = detect(self, image, **thresholds)
        return found | {"image_score": jax.lax.cumlogsumexp(found["image_score"])}

    detect = Detector.detect
    monkeypatch.setattr(Detector, "detect", refuse)
    notes = []
    folder = export(forest(), tmp_path / "made", note=notes.append)
    assert notes == ["no detector.onnx: isolation_forest needs the operation cumlogsumexp"]
    facts = json.loads((folder / "detector.json").read_text())
    assert not (folder / "detector.onnx").exists()
    assert "detector.onnx" not in facts["sha256"]
    assert facts["onnx_inputs"] == {}
    readme = (folder / "README.md").read_text()
    assert "onnx" not in readme
    assert "## StableHLO" in readme


def test_onnx_that_finds_something_else_is_not_written(monkeypatch):
    def shifted(function, image, defaults):
        def detect(image, **thresholds):
            found = function(image, **thresholds)
            return found | {"anomaly_map": found["anomaly_map"] + np.float32(1e-3)}

        return translate(detect, image, defaults)

    translate = program.to_onnx
    monkeypatch.setattr(program, "to_onnx", shifted)
    with pytest.raises(UserError, match=r"anomaly_map of \w+ differs by up to 0\.001"):
        to_onnx(load_detector(forest()))


def test_onnx_that_cannot_be_run_is_not_written(monkeypatch):
    monkeypatch.setattr(program, "OPSET", 10**6)
    with pytest.raises(UserError, match="onnxruntime cannot run isolation_forest: "):
        to_onnx(load_detector(forest()))


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
