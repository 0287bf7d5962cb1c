"""Interruptions: a run that goes on is the run that was never stopped."""

import os
import random
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from training_helpers import (
    ONE_DEVICE,
    ROUNDING,
    assert_trees_close,
    member,
    records,
    timeless_records,
    tiny_config,
    train,
    train_interrupted,
)

from adjax.errors import DivergedError
from adjax.training import loop


@pytest.fixture(scope="module")
def on_all_devices(tmp_path_factory):
    """The autoencoder, one member whose batches all devices share: the folder and the variables."""
    folder = tmp_path_factory.mktemp("all")
    return folder, train(tiny_config("ae"), folder)


def test_resumed_run_equals_the_uninterrupted_one(alone, tmp_path):
    folder, variables = alone
    config = tiny_config("oe_sdn", **ONE_DEVICE)
    train_interrupted(config, tmp_path, "student")
    assert_trees_close(train(config, tmp_path), variables, atol=0)
    assert timeless_records(tmp_path) == timeless_records(folder)


def test_finished_stages_are_not_trained_again(on_all_devices, monkeypatch):
    folder, variables = on_all_devices
    monkeypatch.setattr(loop, "stage_batches", None)
    assert_trees_close(train(tiny_config("ae"), folder), variables, atol=0)


INFINITE = {"seed": 1, "teacher.learning_rate": 3e38}  # norms of its parameters are


def test_values_that_are_not_finite_stop_the_run(tmp_path):
    with pytest.raises(DivergedError, match=r"stage teacher, step 1, member 0 \(class 3 seed 1\)"):
        train(tiny_config("ae", members=(INFINITE,)), tmp_path)
    with pytest.raises(DivergedError, match=r"member 0 .*; 1 more members diverged") as error:
        train(tiny_config("ae", members=(INFINITE, INFINITE | {"seed": 2})), tmp_path / "two")
    assert [failure["member"] for failure in error.value.failed] == [0, 1]


def test_member_that_diverges_leaves_the_others_alone(alone, tmp_path):
    members = ({"seed": 0}, INFINITE, {"seed": 2}, {"seed": 3})
    config = tiny_config("oe_sdn", members=members, **ONE_DEVICE)
    together = train(config, tmp_path / "together")
    _, first = alone
    third = train(tiny_config("oe_sdn", seed=2, **ONE_DEVICE), tmp_path / "alone")
    assert_trees_close(member(together, 0), first, ROUNDING)
    assert_trees_close(member(together, 2), third, ROUNDING)
    for record in records(tmp_path / "together"):
        for name in record.keys() - {"stage", "step", "images_per_second"}:
            first, second, *others = record[name]
            assert second is None
            assert np.isfinite([first, *others]).all()

    train(config, tmp_path / "together")  # from the last checkpoints, which remember it
    with pytest.raises(AssertionError):
        assert_trees_close(member(together, 1), member(together, 0), atol=1)


def test_last_good_checkpoint_survives_divergence(on_all_devices, tmp_path, monkeypatch):
    _, whole = on_all_devices
    config = tiny_config("ae")
    batches = loop.stage_batches

    def poisoned(population, stage, steps):
        for number, batch in enumerate(batches(population, stage, steps), steps.start):
            yield {k: x * np.float32("nan") if number == 6 else x for k, x in batch.items()}

    monkeypatch.setattr(loop, "stage_batches", poisoned)
    with pytest.raises(DivergedError, match=r"step 7.*the checkpoint of step 4 is kept"):
        train(config, tmp_path)
    steps = [int(p.name) for p in (tmp_path / "checkpoints" / "teacher").iterdir()]
    assert steps == [4]
    monkeypatch.setattr(loop, "stage_batches", batches)
    assert_trees_close(train(config, tmp_path), whole, atol=0)


def test_best_variables_are_kept_per_member(tmp_path):
    # The second member's rate wrecks what it has after the first validation.
    members = ({"seed": 0}, {"seed": 0, "teacher.learning_rate": 0.5})
    last = train(tiny_config("ae", members=members), tmp_path / "last")
    best = train(tiny_config("ae", members=members, select="best"), tmp_path / "best")
    losses = np.array(
        [r["validation_loss"] for r in records(tmp_path / "best") if "validation_loss" in r]
    )
    for m, at_the_end in enumerate(losses.argmin(0) == len(losses) - 1):
        same = all(
            (a[m] == b[m]).all()
            for a, b in zip(jax.tree.leaves(last), jax.tree.leaves(best), strict=True)
        )
        assert same == at_the_end


def final_checkpoint(workdir, stage):
    """All that the last checkpoint of a stage holds: parameters, optimiser, best variables."""
    manager = ocp.CheckpointManager((workdir / "checkpoints" / stage).absolute())
    args = ocp.args.Composite(tree=ocp.args.StandardRestore())
    return manager.latest_step(), manager.restore(manager.latest_step(), args=args).tree


@pytest.mark.slow
@pytest.mark.parametrize("source", ["tfdata", "device"])
@pytest.mark.filterwarnings("ignore:.*StandardRestore.*", "ignore:.*[Ss]harding.*")
def test_kill_9_at_ten_random_moments(tmp_path, repository, source):
    command = [sys.executable, "launch.py", "--config=configs/mnist.py:oe_sdn,smoke"]
    command += ["--config.teacher.steps=600", "--config.student.steps=600"]
    command += ["--config.log_every=10", "--config.checkpoint_every=50", f"--config.input={source}"]

    def start(workdir):
        return subprocess.Popen(
            [*command, f"--workdir={workdir}"],
            cwd=repository,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"XLA_FLAGS": ""},
        )

    def log_of(workdir):
        path = workdir / "metrics.jsonl"
        return path.read_text() if path.exists() else ""

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert start(whole).wait() == 0
    moments = random.Random(0)
    for _ in range(10):
        before = log_of(cut)
        process = start(cut)
        while log_of(cut) in (before, "") and process.poll() is None:
            time.sleep(0.01)  # until it trains
        time.sleep(moments.uniform(0, 3))
        assert process.poll() is None, "the run ended before it was killed ten times"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(cut).wait() == 0

    assert timeless_records(cut) == timeless_records(whole)
    for stage in ("teacher", "student"):
        (cut_step, cut_tree), (step, tree) = (final_checkpoint(w, stage) for w in (cut, whole))
        assert cut_step == step == 600
        assert_trees_close(cut_tree, tree, atol=0)
    with np.load(cut / "scores.npz") as a, np.load(whole / "scores.npz") as b:
        assert all((a[name] == b[name]).all() for name in b)


def send_at(monkeypatch, number, step, stage="student"):
    """Send this process a signal when a record of a step of a stage is written."""
    write = loop.Loop.write

    def written(self, due, progress):
        if due and self.stage.name == stage and due[-1][0] == step:
            os.kill(os.getpid(), number)
        return write(self, due, progress)

    monkeypatch.setattr(loop.Loop, "write", written)


@pytest.mark.parametrize(
    ("number", "ends"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_saves_at_the_next_record(alone, tmp_path, monkeypatch, number, ends):
    folder, variables = alone
    handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    config = tiny_config("oe_sdn", **ONE_DEVICE)
    send_at(monkeypatch, number, 2)
    with pytest.raises(ends) as caught:
        train(config, tmp_path)
    if number == signal.SIGTERM:
        assert caught.value.code == 143
    monkeypatch.undo()
    step, _ = final_checkpoint(tmp_path, "student")
    assert step in (2, 4)  # a record is written one step late
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert_trees_close(train(config, tmp_path), variables, atol=0)
    assert timeless_records(tmp_path) == timeless_records(folder)


def test_checkpoints_come_by_time_too_and_change_nothing(alone, tmp_path, monkeypatch):
    folder, variables = alone
    config = tiny_config("oe_sdn", checkpoint_minutes=1e-9, **ONE_DEVICE)
    saved = []
    save = loop.Loop.save
    monkeypatch.setattr(
        loop.Loop, "save", lambda self, step, tree: (saved.append(step), save(self, step, tree))
    )
    assert_trees_close(train(config, tmp_path), variables, atol=0)
    assert timeless_records(tmp_path) == timeless_records(folder)
    assert saved == [2, 4, 6, 8] * 2
