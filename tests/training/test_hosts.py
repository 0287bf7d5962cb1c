"""Several processes, as on several hosts, compute what one does, and none outlives another."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from training_helpers import (
    ROUNDING,
    assert_trees_close,
    method_of,
    timeless_records,
    tiny_config,
    tiny_values,
    train,
)

from adjax.config.layout import check
from adjax.errors import UserError
from adjax.experiment import train_and_evaluate
from adjax.training import Execution

ONE_PAIR = 1 / 90  # of a normal and an anomalous image in another order, at most
ACROSS = ["--config.mesh.member=1", "--config.mesh.data=4"]  # a batch is shared by all processes
TWO_MEMBERS = ({"seed": 0}, {"seed": 1})
TWO_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}


def by_flags():
    """Flags and environment of two processes that are told of each other."""
    flags = [f"--coordinator=localhost:{free_port(range(20000, 60000))}", "--num_processes=2"]
    return [([*flags, f"--process_id={number}"], {}) for number in range(2)]


def by_slurm():
    """Flags and environment of two processes as `srun` starts them."""
    first = 65536 - 2**12  # JAX makes the coordinator's port of the job's number
    job = {
        "SLURM_JOB_ID": f"{free_port(range(first, 65536)) - first}",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
    }
    ranks = [{"SLURM_PROCID": f"{number}", "SLURM_LOCALID": f"{number}"} for number in range(2)]
    return [(["--distributed"], job | rank) for rank in ranks]


def free_port(ports):
    while True:
        port = random.choice(ports)
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", port)):  # nobody answers
                return port


@pytest.fixture
def start(repository):
    """Start two processes of two devices each with the given flags; kills what is left of them."""
    processes = []

    def start_two(*flags, each=((), ()), joining=by_flags):
        joined = joining()
        processes[:] = [
            subprocess.Popen(
                [sys.executable, "launch.py", *flags, *each[number], *joined[number][0]],
                cwd=repository,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | TWO_DEVICES | joined[number][1],
            )
            for number in range(2)
        ]
        return processes

    yield start_two
    for process in processes:
        process.kill()
        process.communicate()


def finish(processes):
    """Wait for processes; their standard outputs and errors."""
    said = [process.communicate(timeout=500) for process in processes]
    return [out for out, _ in said], [error for _, error in said]


def tiny_flags(method):
    """The flags that make a command's config that of `tiny_config`."""
    values = tiny_values(method).items()
    return [f"--config=configs/mnist.py:{method},smoke", *(f"--config.{k}={v}" for k, v in values)]


def assert_same_run(actual, desired):
    """The files of two workdirs tell of the same numbers."""
    mine, theirs = (json.loads((w / "results.json").read_text()) for w in (actual, desired))
    for a, b in zip(mine["members"], theirs["members"], strict=True):
        assert a["image_auroc"] == pytest.approx(b["image_auroc"], abs=3 * ONE_PAIR)
        assert {k: v for k, v in a.items() if "auroc" not in k} == {
            k: v for k, v in b.items() if "auroc" not in k
        }
    for key in ("name", "steps", "parameters", "members"):
        assert [s[key] for s in mine["stages"]] == [s[key] for s in theirs["stages"]]
    for name in ("scores.npz", "examples.npz"):
        with np.load(actual / name) as a, np.load(desired / name) as b:
            assert a.files == b.files
            for array in b.files:
                np.testing.assert_allclose(a[array], b[array], rtol=0, atol=ROUNDING, err_msg=array)
    mine, theirs = timeless_records(actual), timeless_records(desired)
    assert [(r["stage"], r["step"], *r) for r in mine] == [
        (r["stage"], r["step"], *r) for r in theirs
    ]
    for a, b in zip(mine, theirs, strict=True):
        for name in a.keys() - {"stage"}:
            np.testing.assert_allclose(a[name], b[name], rtol=ROUNDING, atol=ROUNDING, err_msg=name)


@pytest.mark.parametrize(
    ("method", "source"),
    [
        ("ae", "tfdata"),
        pytest.param("ae", "device", marks=pytest.mark.slow),
        pytest.param("oe_sdn", "tfdata", marks=pytest.mark.slow),
    ],
)
def test_two_processes_equal_one(start, tmp_path, method, source):
    flags = [*tiny_flags(method), *ACROSS, f"--config.input={source}"]
    processes = start(*flags, f"--workdir={tmp_path / 'two'}")
    outputs, errors = finish(processes)
    assert [process.returncode for process in processes] == [0, 0], errors
    assert "MNIST, image AUROC" in outputs[0]
    assert "AUROC" not in outputs[1]  # the first process speaks for all
    for devices in (1, 4):
        config = tiny_config(method, **{"mesh.member": 1, "mesh.data": devices})
        train_and_evaluate(config, tmp_path / f"{devices}", method=method_of(config))
        assert_same_run(tmp_path / "two", tmp_path / f"{devices}")
        # One process reads what two have written.
        variables = [train(config, tmp_path / name) for name in ("two", f"{devices}")]
        assert_trees_close(*variables, ROUNDING)


@pytest.mark.parametrize("joining", [by_flags, by_slurm])
def test_different_commands_are_refused_by_all(start, tmp_path, joining):
    flags = [*tiny_flags("ae"), f"--workdir={tmp_path}"]
    processes = start(*flags, each=(["--config.seed=1"], ["--config.seed=2"]), joining=joining)
    _, errors = finish(processes)
    assert [process.returncode for process in processes] == [2, 2]
    assert all("the processes were given different --mode, --config or" in e for e in errors)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--distributed"], "no scheduler that JAX knows started this process"),
        (["--coordinator=host0"], "--coordinator=host0: give host:port"),
        (["--coordinator=host0:1"], "--coordinator needs --num_processes=N and --process_id=i"),
        (
            ["--coordinator=host0:1", "--num_processes=2", "--process_id=2"],
            "with i from 0 to N - 1",
        ),
        (["--mode=sweep", "--distributed"], "give every process its own --shard=i/n"),
        (["--mode=benchmark", "--coordinator=host0:1"], "--mode=benchmark runs in one process"),
    ],
)
def test_processes_that_cannot_be_joined(repository, tmp_path, flags, says):
    command = [sys.executable, "launch.py", "--config=configs/mnist.py:ae,smoke", *flags]
    done = subprocess.run(
        command if "--mode=benchmark" in flags else [*command, f"--workdir={tmp_path}"],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"parallel": "pmap"}, "'pmap' runs in one process"),
        ({"mesh.member": 1, "mesh.data": 4}, "1 x 4 leaves devices of some process out: use all 8"),
        ({"mesh.member": 2, "mesh.data": 4}, "mesh.data=4 does not fit processes of 3 devices"),
    ],
)
def test_meshes_that_processes_cannot_share(monkeypatch, overrides, says):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "local_device_count", lambda: 3)
    with pytest.raises(UserError, match=says):
        Execution.create(check(tiny_config("ae", **overrides)), members=2)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kill_9_of_one_process_and_restart_of_both(start, tmp_path):
    """Members lie on different processes; stages come from a cache when a third run wants them."""
    flags = [*tiny_flags("oe_sdn"), f"--config.members={TWO_MEMBERS}"]
    flags += ["--config.teacher.steps=400", "--config.checkpoint_every=40"]
    cached = [*flags, f"--config.stage_cache={tmp_path / 'stages'}"]
    cut, log = tmp_path / "cut", tmp_path / "cut" / "metrics.jsonl"
    for victim in (1, 0):
        before = log.read_text() if log.exists() else ""
        processes = start(*cached, f"--workdir={cut}")
        while not log.exists() or log.read_text() in (before, ""):
            assert all(process.poll() is None for process in processes)
            time.sleep(0.01)  # until they train
        time.sleep(1)
        processes[victim].send_signal(signal.SIGKILL)
        finish(processes)  # the other one does not wait for ever
        assert processes[1 - victim].returncode not in (0, None)
    for command in (
        [*flags, f"--workdir={tmp_path / 'whole'}"],
        [*cached, f"--workdir={cut}"],
        [*cached, f"--workdir={tmp_path / 'again'}"],
        ["--mode=evaluate", f"--workdir={cut}"],
    ):
        processes = start(*command)
        _, errors = finish(processes)
        assert [process.returncode for process in processes] == [0, 0], errors
    for name in ("cut", "again"):
        assert timeless_records(tmp_path / name) == timeless_records(tmp_path / "whole")
        assert_same_run(tmp_path / name, tmp_path / "whole")
    stages = json.loads((tmp_path / "again" / "results.json").read_text())["stages"]
    assert all(stage["cached"] for stage in stages)
    assert json.loads((cut / "results.json").read_text())["hardware"]["processes"] == 2
