"""Adversarial methods through the trainer: populations, devices, interruptions, collapse."""

import jax
import pytest
from training_helpers import (
    ONE_DEVICE,
    ROUNDING,
    assert_trees_close,
    member,
    population_of,
    records,
    tiny_config,
    train,
    train_interrupted,
)

from adjax import experiment, workdir
from adjax.errors import DivergedError
from adjax.training import MetricsLog, train_stage

LIMIT = {"anogan.spread_after": 4}
# Its rate times this is 1: weights are near zero after every step, images alike.
COLLAPSING = {"anogan.weight_decay": 5e3}


def spread(directory):
    """Of all members in every record."""
    return [record["spread"] for record in records(directory) if "spread" in record]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One member on one device."""
    return train(tiny_config("anogan", **LIMIT, **ONE_DEVICE), tmp_path_factory.mktemp("alone"))


def test_resumed_training_equals_the_uninterrupted_one(alone, tmp_path):
    config = tiny_config("anogan", **LIMIT, **ONE_DEVICE)
    train_interrupted(config, tmp_path, "anogan")
    assert_trees_close(train(config, tmp_path), alone, atol=0)


def test_member_on_two_devices_equals_it_alone_while_another_collapses(alone, tmp_path):
    members = ({"seed": 1, "data.normal_class": 1, **COLLAPSING}, {"seed": 0})
    mesh = {"mesh.member": 1, "mesh.data": 2}
    config = tiny_config("anogan", members=members, **LIMIT, **mesh)
    population = population_of(config, tmp_path)
    with MetricsLog(tmp_path, population.members.labels) as log:
        together, record = train_stage(population, 0, {}, log)
    assert_trees_close(member(jax.device_get({"anogan": together}), 1), alone, ROUNDING)
    (failure,) = record["failed"]
    assert (failure["member"], failure["step"]) == (0, 6)
    assert spread(tmp_path)[-1][1] > 0.05


def test_collapse_is_said_and_the_last_checkpoint_kept(tmp_path):
    config = tiny_config("anogan", **COLLAPSING, **LIMIT, **ONE_DEVICE)
    with pytest.raises(DivergedError, match=r"step 6, .*the checkpoint of step 4 is kept"):
        experiment.train_and_evaluate(config, tmp_path)
    (failure,) = workdir.read_failures(tmp_path)
    assert (failure["stage"], failure["step"]) == ("anogan", 6)
    assert failure["reason"].startswith("spread is ")
    assert "below 0.05" in failure["reason"]
    assert "collapsed" in failure["reason"]
    assert spread(tmp_path)[-1][0] < 0.05
    steps = [int(p.name) for p in (tmp_path / "checkpoints" / "anogan").iterdir()]
    assert steps == [4]


@pytest.mark.slow
def test_log_of_f_anogan_on_two_devices_beside_another_member_is_that_of_it_alone(tmp_path):
    """Not its parameters: biases in front of batch statistics move by rounding alone."""
    values = {"wgan.widths": (4, 4), "wgan.learning_rate": 1e-4, "data.validation_fraction": 0.0}
    train(tiny_config("f_anogan", **values, **ONE_DEVICE), tmp_path / "alone")
    members = ({"seed": 1, "wgan.learning_rate": 1e-2}, {"seed": 0})
    values |= {"members": members, "mesh.member": 1, "mesh.data": 2}
    train(tiny_config("f_anogan", **values), tmp_path / "together")
    alone, together = (records(tmp_path / name) for name in ("alone", "together"))
    assert {record["stage"] for record in alone} == {"wgan", "izi_encoder"}
    for one, two in zip(alone, together, strict=True):
        for name in one.keys() - {"stage", "step", "images_per_second"}:
            assert two[name][1] == pytest.approx(one[name][0], rel=5e-3, abs=1e-5), name
