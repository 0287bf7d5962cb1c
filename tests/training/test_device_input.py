"""Training with `config.input = "device"`: the same batches, and the same run in fewer calls."""

import os
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest
from test_resume import INFINITE, final_checkpoint, send_at
from training_helpers import (
    ONE_DEVICE,
    ROUNDING,
    assert_trees_close,
    industrial_config,
    interrupted,
    member,
    population_of,
    records,
    timeless_records,
    tiny_config,
    train,
)

from adjax import run
from adjax.errors import DivergedError, UserError
from adjax.methods.stage import norm
from adjax.training import feed_of, stage_batches
from adjax.training.execution import OF_BATCHES, OF_MEMBERS, REPLICATED
from adjax.training.feeds import dispatches
from adjax.training.members_axis import over_members

MEMBERS = ({"seed": 5, "data.normal_class": 1}, {"seed": 0}, {"seed": 2**31 - 1}, {"seed": 7})
LOOP = {"input": "device", "steps_per_dispatch": 1}
GAUSSIAN = {"autoencoder.corruption": "gaussian"}
SCAN = {"input": "device"}  # of two steps, as many as there are in a record


def made_on_device(population, stage, steps):
    """Batches as the compiled update of a stage makes them for itself."""
    maker, batches = feed_of(population, stage).maker, []

    def make(given, members):
        table, numbers = given

        def of_member(numbers, member):
            return maker(table, numbers, member["seed"])

        return over_members(of_member, population.execution.population_axis)(numbers, members)

    specs = (REPLICATED, OF_BATCHES), OF_MEMBERS
    program = population.execution.program(make, specs, OF_BATCHES)
    for given in stage_batches(population, stage, steps):
        batches.append(jax.device_get(program(given, population.members.arrays)))
    return batches


@pytest.mark.parametrize("auxiliary", ["rotation", "gaussian_noise"])
@pytest.mark.parametrize("mesh", [(1, 1), (2, 4), (4, 2)])
def test_batches_are_the_same_on_one_device_and_on_several(tmp_path, mesh, auxiliary):
    on = {"mesh.member": mesh[0], "mesh.data": mesh[1], "student.auxiliary": auxiliary}
    config = tiny_config("oe_sdn", members=MEMBERS, **on)
    population = population_of(config, tmp_path)
    for stage in population.method.stages:
        by_tf = jax.device_get(list(stage_batches(population, stage, range(3, 6))))
        config.update(LOOP)
        by_jax = made_on_device(population_of(config, tmp_path), stage, range(3, 6))
        assert len(by_jax) == len(by_tf) == 3
        for made, desired in zip(by_jax, by_tf, strict=True):
            assert_trees_close(made, desired, atol=0)


@pytest.mark.parametrize("start", [0, 3, 8])
def test_calls_end_with_records(start):
    calls = list(dispatches(range(start, 11), 4))
    assert [step for call in calls for step in call] == list(range(start, 11))
    assert [call.stop for call in calls] == [stop for stop in (4, 8, 11) if stop > start]


@pytest.fixture(scope="module")
def by_tf(tmp_path_factory):
    """The autoencoder fed by tf.data: the folder and the variables."""
    folder = tmp_path_factory.mktemp("tf")
    return folder, train(tiny_config("ae", **ONE_DEVICE), folder)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """The same with input from the device, two steps a call."""
    folder = tmp_path_factory.mktemp("scanned")
    return folder, train(tiny_config("ae", **SCAN, **ONE_DEVICE), folder)


def test_step_by_step_it_is_the_run_by_tf_data(by_tf, tmp_path):
    folder, variables = by_tf
    assert_trees_close(train(tiny_config("ae", **LOOP, **ONE_DEVICE), tmp_path), variables, 0)
    assert timeless_records(tmp_path) == timeless_records(folder)


def test_several_steps_a_call_agree_with_it(by_tf, scanned):
    assert_trees_close(scanned[1], by_tf[1], ROUNDING)
    for one, other in zip(*(records(folder) for folder, _ in (by_tf, scanned)), strict=True):
        assert one.keys() == other.keys()
        assert one["step"] == other["step"]
        for name in one.keys() - {"stage", "images_per_second"}:
            assert other[name] == pytest.approx(one[name], rel=1e-4)


def test_resumed_run_equals_the_uninterrupted_one(scanned, tmp_path):
    folder, variables = scanned
    config = tiny_config("ae", **SCAN, **ONE_DEVICE)
    with interrupted(at=3):  # six steps done, the checkpoint is that of step 4
        train(config, tmp_path)
    assert_trees_close(train(config, tmp_path), variables, atol=0)
    assert timeless_records(tmp_path) == timeless_records(folder)


def test_run_goes_on_with_the_other_input(by_tf, tmp_path):
    with interrupted():
        train(tiny_config("ae", **ONE_DEVICE), tmp_path)
    trained = train(tiny_config("ae", **LOOP, **ONE_DEVICE), tmp_path)
    assert_trees_close(trained, by_tf[1], atol=0)


def test_a_signal_saves_at_the_next_record(scanned, tmp_path, monkeypatch):
    config = tiny_config("ae", **SCAN, **ONE_DEVICE)
    send_at(monkeypatch, signal.SIGTERM, 2, stage="teacher")
    with pytest.raises(SystemExit):
        train(config, tmp_path)
    monkeypatch.undo()
    assert final_checkpoint(tmp_path, "teacher")[0] == 4  # a record is written one call late
    assert_trees_close(train(config, tmp_path), scanned[1], atol=0)


def test_member_that_diverges_within_a_call_is_found_at_its_step(scanned, tmp_path):
    config = tiny_config("ae", members=({"seed": 0}, INFINITE), **SCAN, **ONE_DEVICE)
    together = train(config, tmp_path / "together")
    assert_trees_close(member(together, 0), scanned[1], ROUNDING)
    for record in records(tmp_path / "together"):
        for name in record.keys() - {"stage", "step", "images_per_second"}:
            first, second = record[name]
            assert np.isfinite(first)
            assert second is None
    with pytest.raises(DivergedError, match=r"stage teacher, step 1, member 0"):
        train(tiny_config("ae", members=(INFINITE,), **SCAN), tmp_path / "alone")


def test_population_on_several_devices(scanned, tmp_path):
    on_many = {"mesh.member": 2, "mesh.data": 2}
    config = tiny_config("ae", members=MEMBERS, **SCAN, **on_many)
    assert_trees_close(member(train(config, tmp_path), 1), scanned[1], ROUNDING)


def test_last_call_may_be_shorter(tmp_path):
    values = {"teacher.steps": 5, **SCAN, **ONE_DEVICE}
    train(tiny_config("ae", **values), tmp_path)
    assert [r["step"] for r in records(tmp_path) if "loss" in r] == [2, 4, 5]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"autoencoder.corruption": "stain"},
            r"config\.corruption\.stain is made by tf\.data only",
        ),
        (
            {"steps_per_dispatch": 3},
            r"config\.steps_per_dispatch=3: make it a divisor of log_every",
        ),
        ({"input": "tfdata", "steps_per_dispatch": 2}, r"needs input='device'"),
        ({"parallel": "pmap"}, r"config\.parallel='pmap': pmap is fed by tf\.data"),
    ],
)
def test_what_the_device_cannot_be_fed_with_is_refused(tmp_path, values, says):
    config = industrial_config(tmp_path / "images", "aesc_residual", **SCAN | values)
    with pytest.raises(UserError, match=says):
        run.check_run(config, tmp_path / "run")


@pytest.mark.parametrize("reason", ["read from files", "GB of a device"])
def test_images_that_cannot_lie_there_stay_with_tf_data(tmp_path, monkeypatch, capsys, reason):
    config = industrial_config(tmp_path / "images", "aesc_residual", **GAUSSIAN, **SCAN)
    if reason == "read from files":
        from adjax.datasets import category

        monkeypatch.setattr(category, "IN_MEMORY", 0)
    else:
        monkeypatch.setattr(run, "_TABLE", 0.0)
    run._say.cache_clear()
    populations = [population_of(config, tmp_path) for _ in range(2)]
    assert not populations[0].images.on_device
    assert populations[0].steps_per_dispatch == 1
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if reason in line] == said
    assert len(said) == 1


def test_norm_of_a_tree_is_the_same_in_one_sum(monkeypatch):
    rng = np.random.default_rng(0)
    tree = {"a": rng.normal(size=(300, 7)), "b": [rng.normal(size=()), rng.normal(size=(5000,))]}
    tree = jax.tree.map(lambda x: jax.numpy.asarray(x, np.float32), tree)
    desired = np.sqrt(sum(np.square(np.float64(x)).sum() for x in jax.tree.leaves(tree)))
    assert norm(tree) == pytest.approx(desired, rel=1e-6)
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda tree, cpu, default: default(tree))
    assert norm(tree) == pytest.approx(desired, rel=1e-6)
    assert not np.isfinite(norm({**tree, "c": jax.numpy.float32("nan")}))


_WITHOUT_TENSORFLOW = """
import sys, types
sys.modules["tensorflow"] = sys.modules["tensorflow_datasets"] = None
sys.modules["clu.metric_writers"] = types.SimpleNamespace(SummaryWriter=lambda path: Silent())
class Silent:
    def write_scalars(self, step, scalars): pass
    def flush(self): pass
    def close(self): pass
from training_helpers import industrial_config
from pathlib import Path
from adjax import experiment
folder = Path(sys.argv[1])
values = {"autoencoder.corruption": "gaussian", "input": "device"}
config = industrial_config(folder / "images", "aesc_residual", **values)
results = experiment.train_and_evaluate(config, folder / "run")
assert results["members"]
assert sys.modules["tensorflow"] is None
"""


def test_it_trains_and_evaluates_without_tensorflow(tmp_path, repository):
    paths = os.pathsep.join([str(repository), str(repository / "tests" / "training")])
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _WITHOUT_TENSORFLOW, str(tmp_path)],
        cwd=repository,
        env=os.environ | {"PYTHONPATH": paths},
        check=True,
    )
