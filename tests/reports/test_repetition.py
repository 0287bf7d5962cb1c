"""A finished command that is repeated shows its result at once: what trains is not imported."""

import subprocess
import sys

import matplotlib.font_manager  # noqa: F401, makes the list of fonts, which a command would announce
import pytest

from adjax import reports

# Seconds of imports, and what only training, figures and pages need.
HEAVY = ("tensorflow", "tensorflow_datasets", "jax", "flax", "optax", "orbax", "matplotlib")
HEAVY += ("tensorboard", "sklearn", "scipy", "pyarrow")
COMMAND = """
import sys
import launch
code = launch.main(["launch.py", *sys.argv[1:]])
print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}))
sys.exit(code)
"""


@pytest.fixture
def imported(repository):
    """`*arguments -> (what launch.py says, the packages that it has imported)`."""

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, *arguments],
            cwd=repository,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        said, _, packages = done.stdout.rpartition("imported:")
        return said, {*packages.split()} & {*HEAVY}

    return run


def test_a_finished_run_needs_nothing_heavy(imported, write_workdir):
    folder = write_workdir("ae", "ae")
    reports.write_report(folder)
    command = ["--config=configs/mnist.py:ae", "--config.teacher.steps=1200"]
    command += ["--config.data.dir=nowhere"]  # its data set is not read either
    said, packages = imported(*command, f"--workdir={folder}")
    assert f"{folder}: this run is finished" in said
    assert "image AUROC" in said
    assert packages == set()


def test_a_page_that_was_lost_is_drawn_without_what_trains(imported, write_workdir):
    folder = write_workdir("ae", "ae")
    command = ["--config=configs/mnist.py:ae", "--config.teacher.steps=1200"]
    _, packages = imported(*command, f"--workdir={folder}")
    assert (folder / "report.html").is_file()
    assert packages <= {"matplotlib", "sklearn", "scipy", "pyarrow"}


def test_a_finished_sweep_needs_nothing_that_trains(imported, write_workdir, tmp_path):
    for c in (3, 8):
        folder = write_workdir(f"sweep/ae/class{c}/seed0", "ae", config={"data.normal_class": c})
        reports.write_report(folder)
    command = ["--mode=sweep", "--config=configs/mnist.py:table1,methods=ae,classes=3+8"]
    command += ["--config.teacher.steps=1200", f"--workdir={tmp_path / 'sweep'}"]
    command += ["--config.data.dir=nowhere"]
    said, packages = imported(*command)
    assert "this sweep is finished" in said
    assert packages <= {"matplotlib", "sklearn", "scipy", "pyarrow"}
    assert (tmp_path / "sweep" / "results.parquet").is_file()


@pytest.mark.parametrize("arguments", [["--help"], ["--config=configs/mnist.py", "--help"]])
def test_help_needs_nothing_heavy(imported, arguments):
    if arguments == ["--help"]:  # absl ends the process after it
        command = [sys.executable, "-X", "importtime", "launch.py", "--help"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "absl.flags" in names
        assert not names & {*HEAVY}
        return
    assert imported(*arguments)[1] == set()


def test_results_as_data_need_pyarrow_alone(imported, write_workdir, tmp_path):
    write_workdir("sweep/ae", "ae")
    for suffix, packages in ((".parquet", {"pyarrow"}), (".csv", set())):
        path = tmp_path / f"table{suffix}"
        arguments = (f"--workdir={tmp_path / 'sweep'}", f"--output={path}")
        said, found = imported("--mode=report", *arguments)
        assert (said, found) == (f"table: {path}\n", packages)
        assert path.is_file()


def test_data_are_of_one_folder(repository, write_workdir, tmp_path):
    folders = ",".join(str(write_workdir(name, "ae")) for name in ("a", "b"))
    command = [sys.executable, "launch.py", "--mode=report", f"--workdir={folders}"]
    command.append(f"--output={tmp_path / 'table.csv'}")
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    path = tmp_path / "table.csv"
    assert done.stderr == f"error: --output={path}: a table of data is of one folder; give one\n"
    assert done.returncode == 2
    assert not path.exists()
