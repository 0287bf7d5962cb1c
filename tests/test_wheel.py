"""The wheel as a newcomer has it: in an environment of its own, in a folder with nothing in it."""

import os
import site
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from adjax.config import shipped

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(repository, tmp_path_factory):
    """The wheel, built from a copy, so that no earlier build is in it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    names = ("adjax", "configs", "data/mnist", "pyproject.toml", "README.md", "LICENSE")
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *names],
        cwd=repository,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, files.split("\0")):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (repository / name).is_symlink():
            target.symlink_to((repository / name).readlink())
        else:
            target.write_bytes((repository / name).read_bytes())
    build = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-w", str(folder), str(source)], check=True)
    (path,) = folder.glob("adjax-*.whl")
    return path


@pytest.fixture(scope="module")
def adjax(wheel, tmp_path_factory):
    """`*arguments -> what the command of the wheel said`, in an empty folder.

    The environment is new and holds adjax by the wheel alone. What adjax depends on is taken from
    the environment of the tests, behind its own: an index is not everywhere.
    """
    folder = tmp_path_factory.mktemp("newcomer")
    environment = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "--quiet", "install", "--no-deps", wheel], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    subprocess.run([python, "-m", "pip", "--quiet", "check"], check=True)
    work = folder / "work"
    work.mkdir()
    kept = {"PATH", "HOME", "TMPDIR", "LANG", "JAX_COMPILATION_CACHE_DIR"}
    own = {name: value for name, value in os.environ.items() if name in kept}

    def run(*arguments, code=0):
        done = subprocess.run(
            [environment / "bin" / "adjax", *arguments],
            cwd=work,
            capture_output=True,
            text=True,
            check=False,
            env=own | {"JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(folder / "cache")},
        )
        assert done.returncode == code, f"{arguments}\n{done.stderr[-3000:]}"
        return done.stdout

    run.folder, run.python = work, python
    return run


def write_photographs(folder, count):
    folder.mkdir(parents=True)
    draw = np.random.default_rng(count)
    for number in range(count):
        Image.fromarray(draw.integers(90, 130, (40, 40, 3), np.uint8)).save(
            folder / f"{number}.png"
        )


def test_wheel_holds_what_it_needs_and_nothing_else(wheel, repository):
    names = set(zipfile.ZipFile(wheel).namelist())
    own = {name.split("/")[1] for name in names if name.startswith("adjax/")}
    assert {"configs", "data", "py.typed"} <= own
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"adjax"}
    configs = {path.name for path in shipped.FOLDER.glob("*.py")}
    assert {f"adjax/configs/{name}" for name in configs} <= names
    mnist = {path.name for path in (repository / "data/mnist/3.0.1").iterdir()}
    assert {f"adjax/data/mnist/3.0.1/{name}" for name in mnist} <= names
    assert not [name for name in names if "__pycache__" in name or "cifar" in name.lower()[11:16]]


def test_from_installation_to_a_report(adjax):
    assert "Train, evaluate and report one run." in adjax("--help")
    assert "One-class MNIST" in adjax("configs")
    said = adjax("train", "--config=mnist.py:ae,smoke", "--workdir=run")
    assert "image AUROC" in said
    assert "report: run/report.html" in said
    assert adjax("report", "--workdir=run", "--output=run.csv") == "table: run.csv\n"
    assert "image AUROC" in adjax("report", "--workdir=run")
    stored = (adjax.folder / "run" / "results.json").read_text()
    assert '"adjax train --config=mnist.py:ae,smoke --workdir=run"' in stored


def test_from_photographs_to_decisions(adjax):
    write_photographs(adjax.folder / "photos", 10)
    write_photographs(adjax.folder / "new", 2)
    config = ("--config=folder.py:aesc_residual,smoke", "--config.data.dir=photos")
    assert "10" in adjax("check_data", *config)
    adjax("train", *config, "--workdir=mine")
    said = adjax("predict", "--workdir=mine", "--images=new", "--output=found")
    assert said.startswith("2 images, ")
    assert (adjax.folder / "found" / "index.html").is_file()


def test_a_sweep_of_a_shipped_file(adjax):
    config = "--config=mnist.py:demo,smoke"
    said = adjax("sweep", config, "--workdir=sweep", "--dry_run")
    assert "3 runs" in said


def test_it_is_adjax_of_the_wheel(adjax):
    where = "import adjax, pathlib; print(pathlib.Path(adjax.__file__).parent)"
    done = subprocess.run(
        [adjax.python, "-c", where], cwd=adjax.folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().startswith(str(adjax.python.parents[1]))
