"""adjax in Python: the same runs as the commands', any images, figures, data frames."""

import os
import re
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from PIL import Image

import adjax
from adjax import library, reports, workdir
from adjax.datasets.tables import load_table
from adjax.detect.export import export
from adjax.detect.predict import predict
from adjax.errors import UserError

TINY = {"teacher.steps": 10, "log_every": 5, "checkpoint_every": 10, "mesh.member": 1}
TINY |= {"mesh.data": 1, "data.test_split": "test[:60]", "data.train_split": "train[:400]"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on digits with two members."""
    folder = tmp_path_factory.mktemp("library") / "run"
    members = ({"seed": 0}, {"seed": 1, "data.normal_class": 7})
    return adjax.train("mnist.py:ae,smoke", folder, members=members, **TINY)


@pytest.fixture(scope="module")
def images():
    """The test images of the run, uint8 [60, 28, 28, 1]."""
    return load_table("mnist", "test[:60]", "data").image


@pytest.fixture(autouse=True)
def _figures():
    yield
    plt.close("all")


def test_import_is_instant_and_names_are_there():
    code = "import sys, adjax; print(dir(adjax)); print('numpy' in sys.modules, len(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, facts = done.stdout.splitlines()
    assert all(repr(name) in names for name in adjax.__all__)
    assert facts.startswith("False ")
    assert all(callable(getattr(adjax, name)) for name in adjax.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        _ = adjax.trian


def test_run_is_that_of_the_command(run, monkeypatch):
    assert workdir.recorded_command(run.folder).startswith("adjax.train('mnist.py:ae,smoke', ")
    assert reports.open_run(run.folder).members == run.members
    monkeypatch.setattr("adjax.experiment.train_and_evaluate", None)  # it is finished
    again = adjax.train("mnist.py:ae,smoke", run.folder, members=run.config.members, **TINY)
    assert again.members == run.members
    assert adjax.load(run.folder).members == run.members
    with pytest.raises(UserError, match=r"its config\.members is .*, not \[\]"):
        adjax.train("mnist.py:ae,smoke", run.folder, **TINY)


def test_short_words(run):
    assert repr(run) == (
        f"<TrainedRun AE, 2 members, image AUROC {run.results.image_auroc.mean():.3f}, "
        f"in {run.folder}>"
    )
    assert repr(run.detector(1)) == "<Detector AE, mnist class 7, 28 x 28 x 1, no threshold>"
    page = run._repr_html_()
    assert "<table" in page
    assert 'src="data:image/png;base64,' in page
    assert len(page) < 500_000


def test_scores_are_those_of_the_run(run, images):
    for member in (0, 1):
        found = run.score(images, member)
        assert found.keys() == {"image_score", "anomaly_map"}
        np.testing.assert_allclose(
            found["image_score"], run.scores["image_score/d"][member], atol=1e-6
        )
    with pytest.raises(UserError, match="members are numbered from 0 to 1, not 2"):
        run.score(images, member=2)


def forms_of(images, folder):
    """The same images as a caller may have them."""
    paths = [folder / f"{number:02}.png" for number in range(len(images))]
    pictures = [Image.fromarray(image[..., 0]) for image in images]
    for path, picture in zip(paths, pictures, strict=True):
        picture.save(path)
    return {
        "grey": images[..., 0],
        "floats": images / np.float32(255),
        "doubles in a list": list(images / 255),
        "colour": images.repeat(3, -1),
        "pictures": pictures,
        "pictures in colour": [picture.convert("RGBA") for picture in pictures],
        "an iterator": (image[..., 0] for image in images),
        "paths": map(str, paths),
        "a folder": folder,
        "larger, each pixel twice": images.repeat(2, 1).repeat(2, 2),
    }


def test_images_may_have_any_form(run, images, tmp_path):
    some = images[:7]
    expected = run.score(some)
    for name, form in forms_of(some, tmp_path).items():
        found = run.score(form)
        assert found["image_score"].shape == (7,), name
        tolerance = 0.05 if name.startswith("larger") else 1e-6  # it is smoothed
        np.testing.assert_allclose(
            found["image_score"], expected["image_score"], atol=tolerance, err_msg=name
        )
    for one in (some[0], some[0, ..., 0], Image.fromarray(some[0, ..., 0]), tmp_path / "00.png"):
        np.testing.assert_allclose(
            run.score(one)["image_score"], expected["image_score"][:1], atol=1e-6
        )


def test_result_does_not_depend_on_the_batches(run, images):
    whole, parts = run.score(images[:7]), run.detector().score(images[:7], batch_size=3)
    for name in whole:
        np.testing.assert_allclose(parts[name], whole[name], atol=1e-6)
    assert [len(part["image_score"]) for part in run.detector().stream(images[:7], 3)] == [3, 3, 1]


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((2, 28, 28, 4), np.uint8), r"an array \[2, 28, 28, 4\] holds no images"),
        (np.zeros(28, np.uint8), r"an array \[28\] holds no images"),
        (np.zeros((0, 5), np.uint8), r"an array \[0, 5\] holds no images"),
        (np.full((28, 28), 2.0), r"values from 0 to 2: give uint8, or floats in \[0, 1\]"),
        (np.full((28, 28), -0.1), "values from -0.1 to 0: give uint8"),
        (np.full((28, 28), np.nan), "values from nan to nan: give uint8"),
        (np.zeros((28, 28), np.int64), "images of int64: give uint8"),
        (np.zeros((28, 28), bool), "images of bool: give uint8"),
        (Image.new("RGBA", (28, 28)), "an image has transparent pixels"),
        (Image.new("F", (28, 28)), "an image has the mode F"),
        ([], "there are no images to score"),
        (np.zeros((0, 28, 28, 1), np.uint8), "there are no images to score"),
        ("nowhere.png", "nowhere.png does not exist"),
        (3, "int is no image"),
        ([None], "NoneType is no image"),
    ],
)
def test_what_is_no_image_is_told(run, images, says):
    with pytest.raises(UserError, match=says):
        run.score(images)


def test_a_run_without_thresholds_decides_nothing(run, images, tmp_path):
    Image.fromarray(images[0, ..., 0]).save(tmp_path / "digit.png")
    with pytest.raises(UserError, match="this mnist run hold no thresholds to decide by"):
        predict(run.folder, tmp_path, tmp_path / "found")
    with pytest.raises(UserError, match="this mnist run hold no thresholds to decide by"):
        export(run.folder, tmp_path / "detector")
    assert [path.name for path in tmp_path.iterdir()] == ["digit.png"]


def test_results_are_a_frame(run):
    assert isinstance(run.results, pd.DataFrame)
    assert list(run.results.normal_class) == [3, 7]
    assert list(run.results.image_auroc) == [member["image_auroc"] for member in run.members]


def test_figures_are_axes(run, images):
    assert all(isinstance(axes, Axes) for axes in run.plot_examples())
    assert len(run.plot_scores()) == 2
    assert "true positive rate" in run.plot_roc().get_ylabel()
    assert [axes.get_title("left") for axes in run.plot_curves()] == ["teacher"]
    assert len(run.plot_maps(images[:2])) == 4
    assert len(plt.get_fignums()) == 5  # of pyplot, so that a notebook shows them


@pytest.mark.parametrize(
    ("config", "overrides", "says"),
    [
        ("nothing.py:ae", {}, "--config=nothing.py: no such config file"),
        ("mnist.py:vgg", {}, "mnist.py:vgg: 'vgg' is none of ae, sdn, "),
        ("mnist.py:ae", {"sed": 1}, "config.sed=1: "),
        ("mnist.py:ae", {"teacher.steps": "many"}, "config.teacher.steps='many': "),
        ("mnist.py:ae", {"teacher.steps": 0}, "config.teacher.steps=0: must be at least 1"),
    ],
)
def test_wrong_configs(tmp_path, config, overrides, says):
    with pytest.raises(UserError, match=says):
        adjax.train(config, tmp_path / "run", **overrides)
    assert not (tmp_path / "run").exists()


def test_config_object_stays_as_it_is(tmp_path):
    config = library.read_config("mnist.py:ae,smoke", {})
    changed = library.read_config(config, {"seed": 4})
    assert (config.seed, changed.seed) == (0, 4)


def test_folder_without_a_run(tmp_path):
    with pytest.raises(UserError, match=r"is --workdir=.* the folder of a run"):
        adjax.load(tmp_path)


def test_sweep(tmp_path):
    argument = "mnist.py:table1,smoke,methods=ae,classes=3+7"
    done = adjax.sweep(argument, tmp_path, **TINY)
    assert repr(done) == f"<TrainedSweep of 2 runs, in {tmp_path}>"
    assert list(done.results.run) == ["ae/class3/seed0", "ae/class7/seed0"]
    assert done["ae/class7/seed0"].members[0]["normal_class"] == 7
    assert [run.folder for run in done] == [tmp_path / name for name in done.results.run]
    assert done.failures == []
    assert "<table" in done._repr_html_()
    parquet = pd.read_parquet(tmp_path / "results.parquet")
    assert list(parquet.image_auroc) == list(done.results.image_auroc)
    again = adjax.sweep(argument, tmp_path, **TINY)
    assert list(again.results.date) == list(done.results.date)


@pytest.mark.slow
def test_lines_of_the_cookbook_run(repository, tmp_path, images):
    text = (repository / "docs" / "cookbook.md").read_text()
    section = text.partition("\n## In Python\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 3
    (tmp_path / "photographs").mkdir()
    Image.fromarray(images[0, ..., 0]).save(tmp_path / "photographs" / "digit.png")
    lines = "".join(blocks) + "assert list(detector.predict(bright)) == [-1, -1, -1]\n"
    done = subprocess.run(
        [sys.executable, "-c", lines],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ
        | {"XLA_FLAGS": "", "MPLBACKEND": "agg", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "runs" / "two_digits" / "results.parquet").is_file()
