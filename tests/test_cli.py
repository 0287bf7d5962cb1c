"""Whatever is wrong with a command is said in one line, with exit code 2, before any work."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from adjax import flags
from adjax.command import MODES
from adjax.errors import UserError

CONFIG = "--config=configs/mnist.py:ae,smoke"
SEARCH = ["--mode=search", "--config=configs/search.py:ae,smoke", "--workdir=x"]


# Imports take a command most of its time: one process has done them, and each command is a fork of
# it, made before JAX has a backend. It answers with the exit code; outputs go to files.
COMMANDS = """
import json, os, sys
import jax, optax, orbax.checkpoint, tensorflow, tensorflow_datasets
import launch
for line in sys.stdin:
    arguments, stdout, stderr = json.loads(line)
    pid = os.fork()
    if not pid:
        for path, number in ((stdout, 1), (stderr, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv = ["launch.py", *arguments]
        code = launch.main(sys.argv)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def launch(repository, tmp_path_factory):
    """`*arguments -> (exit code, stdout, stderr)` of launch.py."""
    folder = tmp_path_factory.mktemp("outputs")
    paths = folder / "stdout", folder / "stderr"
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", COMMANDS],
        cwd=repository,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"XLA_FLAGS": ""},
    )

    def run(*arguments):
        server.stdin.write(json.dumps([arguments, *map(str, paths)]) + "\n")
        server.stdin.flush()
        return Done(int(server.stdout.readline()), *(path.read_text() for path in paths))

    with server:
        yield run
        server.stdin.close()


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--workdir=x"], "--mode=train needs --config"),
        ([CONFIG], "--mode=train needs --workdir"),
        ([CONFIG, "surprise"], "unexpected argument 'surprise'"),
        (["--confg=x"], "Unknown command line flag 'confg'"),
        (["--mode=fly"], "--mode=fly: value should be one of <train|"),
        (["--config.seed=3"], "give --config=FILE too"),
        (["--config=configs/nothing.py"], "--config=configs/nothing.py: no such config file"),
        (["--config=configs/mnist.py:vgg"], "'vgg' is none of ae, sdn, oe_sdn, "),
        (["--config=configs/mnist.py:ae,huge"], "'huge' is none of light, faithful, smoke"),
        ([CONFIG, "--config.teacher.stps=3"], "no such key; is it 'steps'?"),
        ([CONFIG, "--config.seed=x"], "--config.seed=x: give a whole number"),
        (
            [CONFIG, "--config.teacher=3"],
            "--config.teacher=3: it is a section, give one of its keys",
        ),
        ([CONFIG, "--config.teacher.learning_rate=x"], "learning_rate=x: give a number"),
        ([CONFIG, "--dry_run=maybe"], "--dry_run=maybe: give true or false"),
        (["--repeats=1.5"], "--repeats=1.5: give a whole number"),
        (["--mode=predict", "--threshold=high"], "--threshold=high: give a number"),
        (["--mode=evaluate", "--config.seed=3"], "config from --workdir: leave --config.seed out"),
        (["--mode=prepare_data", "--config.seed=3"], "does not read --config.seed, which is for"),
        (
            [CONFIG, "--config.techer.steps=3"],
            "--config.techer.steps=3: the config has no such key",
        ),
        ([CONFIG, "--config.techer.steps=3"], "no such key; is it 'teacher'?"),
        ([CONFIG, "--config.nothing.x=3"], "--config.nothing.x=3: the config has no such key"),
        (
            [CONFIG, "--config.teacher.steps=3", "--config.precision.more=a.b"],
            "--config.precision.more=a.b: the config has no such key",
        ),
        ([CONFIG, "--config.seed.more=3"], "--config.seed.more=3: the config has no such key"),
        (["--mode=prepare_data"], "--mode=prepare_data needs --dataset"),
        (["--mode=evaluate"], "--mode=evaluate needs --workdir"),
        (["--mode=report"], "--mode=report needs --workdir"),
        (["--mode=report", "--workdir=nothing"], "nothing has no finished run to report"),
        (["--mode=report", "--workdir=a,,b"], "--workdir='' is blank: give a path"),
        (["--mode=report", "--workdir=a", "--workdir=b"], "--workdir is given 2 times"),
        ([CONFIG, "--workdir= "], "--workdir=' ' is blank: give a path"),
        ([CONFIG, "--workdir=" + 256 * "x"], "File name too long"),
        (
            [CONFIG, "--workdir=x", "--shard=5/2"],
            "--mode=train does not read --shard, which is for",
        ),
        (["--mode=sweep", CONFIG, "--workdir=x", "--cpus_per_task=2"], "goes with --engine=ray"),
        ([CONFIG, "--workdir=x", "--num_processes=2"], "goes with --coordinator"),
        ([*SEARCH, "--scheduler=none", "--rungs=2"], "goes with --scheduler=asha or median"),
        ([*SEARCH, "--objective=oracle_image_auroc"], "give --scheduler=none too"),
        ([*SEARCH, "--config.teacher.learning_rate=1"], "learning_rate: it is drawn from log"),
        (["--mode=search", CONFIG, "--workdir=x"], "has no runs for the argument"),
        (
            ["--mode=export", "--workdir=x", "--output=a\n[1]"],
            "--output=a\\n[1]: TensorFlow cannot",
        ),
        (["--mode=gallery", "--workdir=x"], "--mode=gallery needs --output"),
        (["--mode=gallery", "--workdir=x", "--output=a.jpg"], "--output=a.jpg: give a PNG"),
        (["--mode=gallery", CONFIG, "--workdir=x"], "leave --config out"),
        (["--mode=predict", "--workdir=x"], "--mode=predict needs --images"),
        (["--mode=predict", CONFIG, "--workdir=x"], "leave --config out"),
        (["--mode=predict", "--workdir=x", "--images=y"], "--mode=predict needs --output"),
        (["--mode=export", "--workdir=x"], "--mode=export needs --output"),
        (
            ["--mode=predict", "--workdir=x", "--accept_changed_data"],
            "does not read --accept_changed_data, which is for train, evaluate: leave it out",
        ),
        (["--mode=check_data"], "--mode=check_data needs --config"),
        (["--mode=check_data", CONFIG], "is for folders of images, not for mnist"),
    ],
)
def test_wrong_flags(launch, arguments, says):
    done = launch(*arguments)
    assert says in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["--config.teacher.steps=0"], "config.teacher.steps=0: must be at least 1"),
        (["--config.seed=-1"], "config.seed=-1: must not be negative"),
        (["--config.parallel=gpu"], "config.parallel='gpu': choose one of shard_map, pmap"),
        (["--config.checkpoint_every=7"], "make it a multiple of log_every"),
        (["--config.distance.window=4"], "config.distance.window=4: use an odd number"),
        (["--config.method=gan"], "config.method='gan': choose one of ae, sdn, oe_sdn, "),
        (["--config.method=vae"], "choose the method by the argument, --config=FILE.py:vae"),
        (["--config.data.normal_class=12"], "config.data.normal_class=12 is not a class"),
        (["--config.data.name=nothing"], "dataset 'nothing' is not prepared in 'data'"),
        (["--config.data.test_split=test[:1]"], "no images of normal_class 3"),
        (["--config.image_score=max"], "config.image_score='max': choose one of d, mse, mae"),
        (["--config.data.train_split=test"], "config.data.train_split='test': holds images of"),
        (["--config.mesh.data=3"], "config.mesh=1 x 3 needs 3 devices"),
        (["--config.mesh.member=2"], "config.mesh=2 x 1 needs 2 devices"),
        (["--config.mesh.data=-1"], "config.mesh.data=-1: must not be negative"),
        (["--config.distance.window=31"], "config.teacher does not fit images of (28, 28, 1)"),
        (["--config.teacher.widths=(8,8,8,8)"], "config.teacher does not fit images of"),
        (["--config.teacher.widths=(8,)"], "give at least two positive widths"),
        (["--config.teacher.learning_rate=-1.0"], "must be positive, at least 1e-10"),
        (
            ["--config.members=({'seed': 1.5},)"],
            "config.members[0]['seed']=1.5: give a whole number",
        ),
        (["--config.members=({'data.normal_class': 7.5},)"], "give a whole number"),
        (["--config.members=({}, {})"], "two members are equal"),
        (["--config.evaluation.batch_size=1000000000"], "must be at least 1 and at most 65536"),
        (
            ["--config.teacher.batch_size=65536", "--config.teacher.widths=(65536, 8)"],
            "config.teacher.batch_size: 65536 images at once need at least",
        ),
        (["--config.members=({'data.name': 'x'},)"], "'data.name' cannot differ within"),
    ],
)
def test_wrong_values(launch, tmp_path, overrides, says):
    workdir = tmp_path / "run"
    done = launch(CONFIG, f"--workdir={workdir}", *overrides)
    assert says in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 2
    assert not workdir.exists()  # the corrected command may use it


def test_auxiliary_images_that_are_the_images_themselves(launch, tmp_path):
    done = launch(
        "--config=configs/mnist.py:oe_sdn,smoke",
        f"--workdir={tmp_path / 'run'}",
        "--config.student.auxiliary=svd_blurring",
        "--config.auxiliary.svd_blurring.rank=28",
    )
    assert "config.auxiliary.svd_blurring leaves images of (28, 28, 1) as they are" in done.stderr
    assert (done.returncode, (tmp_path / "run").exists()) == (2, False)


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        ([CONFIG, "--workdir={}"], "--workdir={}"),
        ([CONFIG, "--workdir=run", "--config.stage_cache={}"], "config.stage_cache={}"),
        (["--mode=sweep", "--config=configs/mnist.py:demo", "--workdir={}"], "--workdir={}"),
        (["--mode=report", "--workdir={}"], "--workdir={}"),
        (["--mode=gallery", "--workdir=run", "--output={}/a.png"], "--output={}/a.png"),
        (["--mode=predict", "--workdir=run", "--images=x", "--output={}"], "--output={}"),
        (["--mode=export", "--workdir=run", "--output={}"], "--output={}"),
        (["--mode=prepare_data", "--dataset=emnist", "--data_dir={}"], "--data_dir={}"),
    ],
)
def test_place_that_cannot_be_written_is_told_first(launch, tmp_path, arguments, flag):
    place = tmp_path / "file" / "new"
    (tmp_path / "file").touch()
    done = launch(*(argument.format(place) for argument in arguments))
    assert done.stderr == f"error: cannot write to {flag.format(place)}: Not a directory\n"
    assert done.returncode == 2


def test_folder_that_cannot_be_made(launch, tmp_path):
    (tmp_path / "file").touch()
    done = launch(CONFIG, f"--workdir={tmp_path / 'file' / 'run'}")
    assert f"cannot write to --workdir={tmp_path / 'file' / 'run'}" in done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--shard=2/2"], "--shard=2/2: give i/n with i from 0 to n - 1"),
        (["--shard=3/4"], "--shard=3/4: the sweep has 3 runs only"),
        (["--engine=slurm"], "--engine=slurm: value should be one of <inline|ray>"),
        (["--max_population=-1"], "max_population"),
        (
            ["--config.data.normal_class=12"],
            "run 'ae' of the sweep: config.data.normal_class=12 is not a class",
        ),
        (["--config=configs/mnist.py:ae,smoke"], "its sweep has no runs for the argument"),
    ],
)
def test_wrong_sweeps(launch, tmp_path, arguments, says):
    workdir = tmp_path / "sweep"
    config = (
        [] if arguments[0].startswith("--config=") else ["--config=configs/mnist.py:demo,smoke"]
    )
    done = launch("--mode=sweep", *config, f"--workdir={workdir}", *arguments)
    assert says in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 2
    assert not workdir.exists()


def all_flags():
    return {flag.name for group in flags.GROUPS.values() for flag in group}


def test_every_flag_is_read_by_a_mode():
    assert all_flags() == {name for mode in MODES.values() for name in mode.flags}


def given(mode, *names, **values):
    """Flags of which these are given, as absl holds them."""
    kept = {name: SimpleNamespace(present=0, value=None) for name in all_flags()}
    kept |= {name: SimpleNamespace(present=1, value=values.get(name)) for name in names}

    class Flags(SimpleNamespace):
        def __getitem__(self, name):
            return kept[name]

    return Flags(mode=mode, **{name: flag.value for name, flag in kept.items()})


@pytest.mark.parametrize("mode", MODES)
def test_flags_of_other_modes_are_refused(mode):
    alone = {"distributed", "coordinator"}  # refused when the processes join
    for name in sorted(all_flags() - alone):
        engine = {"engine": "ray"} if name in ("ray_address", "cpus_per_task") else {}
        others = {"coordinator": "a:1"} if name in ("num_processes", "process_id") else {}
        given_flags = given(mode, name, *others, **others)
        given_flags.engine = engine.get("engine", "inline")
        if name in MODES[mode].flags:
            flags.check_flags(given_flags)
            continue
        with pytest.raises(UserError, match=rf"--mode={mode} .*--?{name}\b.*leave .*out|--workdir"):
            flags.check_flags(given_flags)


def test_command_alone_says_the_same(repository):
    command = [sys.executable, "launch.py", CONFIG, "--config.seed=-1", "--workdir=runs/x"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.stderr == "error: config.seed=-1: must not be negative\n"
    assert done.returncode == 2


FULL_DISK = """
import errno, os, sys
from adjax import files
import launch

def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

files.write_arrays = full
sys.exit(launch.main(["launch.py", *sys.argv[1:]]))
"""


def test_full_disk_is_said_in_one_line(repository, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, CONFIG, f"--workdir={tmp_path}"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"XLA_FLAGS": ""},
    )
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith("error: the disk is full; finished results are kept")
    assert "Traceback" not in done.stderr
