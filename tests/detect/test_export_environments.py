"""The lines of an export's README run where nothing is installed but what it names."""

import re
import shutil
import subprocess
import sys
import venv

import pytest
from detector_helpers import trained
from PIL import Image

from adjax.datasets.industrial import resize_image
from adjax.detect.detector import load_detector
from adjax.detect.export import export


def run(*argv, cwd):
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """An export with a photograph beside it, and the photograph's score."""
    folder = export(trained(), tmp_path_factory.mktemp("export") / "made")
    photo = Image.effect_noise((50, 40), 60)
    photo.save(folder / "photo.png")
    detector = load_detector(trained())
    image = resize_image(photo, detector.image_size, detector.channels)[None]
    return folder, detector.score(image)["image_score"][0]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Skip where pip finds no index; what an index does not have is a fault all the same."""
    folder = tmp_path_factory.mktemp("index")
    found = run(sys.executable, "-m", "pip", "download", "--no-deps", "packaging", cwd=folder)
    if found.returncode:
        pytest.skip(f"no package index: {found.stderr.strip().splitlines()[-1]}")


@pytest.fixture
def python(tmp_path):
    """The interpreter of an environment in which nothing is installed, afterwards removed."""
    venv.create(tmp_path / "environment", with_pip=True)
    yield tmp_path / "environment" / "bin" / "python"
    shutil.rmtree(tmp_path / "environment")


@pytest.mark.slow
@pytest.mark.timeout(1800)  # TensorFlow is large
@pytest.mark.parametrize("form", ["ONNX", "StableHLO", "TensorFlow"])
def test_lines_of_the_readme_run_in_a_fresh_environment(form, index, exported, python):
    folder, score = exported
    first, *sections = re.split(r"^## ", (folder / "README.md").read_text(), flags=re.MULTILINE)
    (section,) = (section for section in sections if section.startswith(f"{form}\n"))
    ((_, *install),) = [
        line.split() for line in re.findall(r"```sh\n(.*)\n```", section) if "pip" in line
    ]
    done = run(python, "-I", "-m", "pip", "--disable-pip-version-check", *install, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    code = re.findall(r"```python\n(.*?)```", first + section, re.DOTALL)
    done = run(python, "-I", "-c", "\n".join(code), cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    (printed,) = re.findall(r"\[(\d[\d.e-]+)\]", done.stdout)
    assert float(printed) == pytest.approx(score, abs=1e-5)
