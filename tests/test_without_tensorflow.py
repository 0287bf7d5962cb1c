"""Without TensorFlow all runs but sets of TFDS, pipelines of tf.data and SavedModels."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from adjax.errors import missing_package

# As where these are not installed: an import of one fails.
WITHOUT = """
import sys
for name in ("tensorflow", "tensorflow_datasets", "keras"):
    sys.modules[name] = None
"""
# A run from config to report on images that are an array in memory.
RUN = """
import sys
from adjax import experiment
from configs import folder
config = folder.get_config("aesc_residual,smoke")
config.update_from_flattened_dict({
    "data.dir": sys.argv[1], "data.channels": 1, "input": "device",
    "autoencoder.corruption": "gaussian",
    "autoencoder.depth": 2, "autoencoder.kernel": 3, "autoencoder.steps": 4,
    "mesh.member": 1, "mesh.data": 1,
})
results = experiment.train_and_evaluate(config, sys.argv[2])
experiment.train_and_evaluate(config, sys.argv[2])  # evaluates what is trained
from adjax.detect.predict import predict
predict(sys.argv[2], sys.argv[1] + "/test", sys.argv[2] + "/predicted")
loaded = {name.partition(".")[0] for name, module in sys.modules.items() if module}
assert not loaded & {"tensorflow", "tensorflow_datasets"}, loaded
"""


@pytest.fixture
def without(repository):
    """`(code, *arguments) -> the finished process` that ran it without TensorFlow."""

    def run(code, *arguments):
        return subprocess.run(
            [sys.executable, "-c", WITHOUT + code, *map(str, arguments)],
            cwd=repository,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def write_images(folder):
    rng = np.random.default_rng(0)
    for part, count in {"train/good": 10, "test/good": 3, "test/bad": 3}.items():
        (folder / part).mkdir(parents=True)
        for number in range(count):
            image = rng.integers(60, 120, (64, 64), np.uint8)
            if part == "test/bad":
                image[20:40, 20:40] = 255
            Image.fromarray(image).save(folder / part / f"{number}.png")


def test_a_run_of_an_array_in_memory_needs_no_tensorflow(without, tmp_path):
    write_images(tmp_path / "photos")
    done = without(RUN, tmp_path / "photos", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert 0 <= results["members"][0]["image_auroc"] <= 1
    assert (tmp_path / "run" / "report.html").is_file()
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_what_needs_tensorflow_says_so_in_one_line(without, tmp_path):
    code = 'import launch; sys.exit(launch.main(["launch.py", *sys.argv[1:]]))'
    asked = "--config=configs/mnist.py:ae", f"--workdir={tmp_path / 'run'}"
    for flags in (asked, ("--mode=prepare_data", "--dataset=mnist", f"--data_dir={tmp_path}")):
        done = without(code, *flags)
        assert done.returncode == 2, done.stderr
        assert done.stderr.splitlines()[-1] == (
            "error: this needs TensorFlow Datasets, which is not installed: "
            "pip install tensorflow-datasets"
        )


def test_other_packages_are_not_explained():
    assert missing_package(ModuleNotFoundError("No module named 'x'", name="x")) is None
    line = missing_package(ModuleNotFoundError("", name="tensorflow.io"))
    assert line.endswith("not installed: pip install tensorflow-cpu")
