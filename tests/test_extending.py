"""docs/extending.md is executed: its files and changes in a copy of the project, its commands."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

BLOCK = re.compile(r"```(python|diff) (\S+)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^    (adjax .*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def sections(repository):
    """Heading -> text."""
    text = (repository / "docs" / "extending.md").read_text()
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.fixture
def copy(repository, tmp_path):
    """A copy of the project, with a few data."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("adjax", "configs"):
        shutil.copytree(repository / name, tmp_path / name, symlinks=True, ignore=ignore)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mnist").symlink_to(repository / "data" / "mnist")
    return tmp_path


def write_images(folder, count, bright=False):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(count)
    for number in range(count):
        image = rng.integers(90, 130, (40, 40, 3), np.uint8)
        image[10:20, 10:20] += 90 * bright
        Image.fromarray(image).save(folder / f"{number}.png")


def change(path, text):
    """Apply a change whose kept and removed lines stand together once in the file."""
    lines = text.splitlines()
    before, after = (
        "\n".join(ln[1:] for ln in lines if ln[:1] in ("", " ", sign)) for sign in "-+"
    )
    content = path.read_text()
    assert content.count(before) == 1, (path, before)
    path.write_text(content.replace(before, after))


def apply(text, root):
    """Write and change the files of a section; returns their names."""
    for kind, name, content in BLOCK.findall(text):
        path = root / name
        if kind == "diff":
            change(path, content)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    return {name for _, name, _ in BLOCK.findall(text)}


def execute(text, root):
    """Run the commands of a section as a shell would."""
    commands = COMMAND.findall(BLOCK.sub("", text))
    assert commands
    for command in commands:
        command, _, code = command.partition("  # exit code ")
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"XLA_FLAGS": "", "PYTHONPATH": str(root)},
        )
        assert done.returncode == int(code or 0), f"{command}\n{done.stderr[-3000:]}"


def member(root, run):
    return json.loads((root / "runs" / run / "results.json").read_text())["members"][0]


def rooms(names):
    return {"/".join(name.split("/")[:2]) for name in names if not name.startswith("configs/")}


def test_method(sections, copy):
    write_images(copy / "photographs" / "train" / "good", 10)
    write_images(copy / "photographs" / "test" / "good", 3)
    write_images(copy / "photographs" / "test" / "spot", 2, bright=True)
    names = apply(sections["A method"], copy)
    assert rooms(names) == {"adjax/methods", "adjax/models"}
    execute(sections["A method"], copy)
    assert 0.5 < member(copy, "linear")["image_auroc"] <= 1
    assert "Linear AE" in (copy / "runs" / "table" / "report.html").read_text()
    with (copy / "predictions" / "predictions.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 5
    assert (copy / "detector" / "detector.stablehlo").is_file()


@pytest.mark.slow
def test_data_sets(sections, copy):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 80), ("test", 60)):
        label = np.arange(count) % 2
        image = rng.integers(0, 60, (count, 28, 28), np.uint8)
        image[label == 1, 8:20, 8:20] += 150
        arrays |= {f"x_{split}": image, f"y_{split}": label}
    np.savez(copy / "shapes.npz", **arrays)
    write_images(copy / "camera" / "ok", 15)
    write_images(copy / "camera" / "nok", 3, bright=True)
    names = apply(sections["A data set"], copy)
    assert rooms(names) == {"adjax/datasets"}
    execute(sections["A data set"], copy)
    assert "image_auroc" in member(copy, "shapes")
    assert member(copy, "camera")["class_name"] == "line_camera"


@pytest.mark.slow
def test_auxiliary_set(sections, copy):
    names = apply(sections["An auxiliary set"], copy)
    assert rooms(names) == {"adjax/corruptions"}
    execute(sections["An auxiliary set"], copy)
    assert (copy / "sets.png").is_file()
    assert "OE-SDN with inversion" in (copy / "runs" / "inversion" / "report.html").read_text()


def test_corruption(sections, copy):
    write_images(copy / "photographs", 10)
    names = apply(sections["A corruption"], copy)
    assert rooms(names) == {"adjax/corruptions"}
    execute(sections["A corruption"], copy)
    assert "image_threshold" in member(copy, "band")


def test_metric(sections, copy):
    names = apply(sections["A metric"], copy)
    assert rooms(names) == {"adjax/evaluation"}
    execute(sections["A metric"], copy)
    assert 0 < member(copy, "metric")["image_ap"] < 1
    assert "image AP" in (copy / "runs" / "metric" / "report.html").read_text()
