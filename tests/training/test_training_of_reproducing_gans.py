"""GANomaly, whose stage is Skip-GANomaly's too, in training: populations, interruptions,
collapse."""

import dataclasses

import pytest
from training_helpers import (
    ONE_DEVICE,
    ROUNDING,
    assert_trees_close,
    member,
    method_of,
    tiny_config,
    train,
    train_interrupted,
)

from adjax.config.layout import check
from adjax.errors import DivergedError
from adjax.methods import reproducing_gan
from adjax.methods.adversarial import spread_limit
from adjax.run import build_method


def config_of(**overrides):
    return tiny_config("ganomaly", **{"ganomaly.steps": 8, **ONE_DEVICE, **overrides})


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One member on one device."""
    return train(config_of(), tmp_path_factory.mktemp("alone"))


def test_members_of_a_population_equal_them_alone(alone, tmp_path):
    population = train(config_of(members=({"seed": 5}, {"seed": 0})), tmp_path)
    assert_trees_close(member(population, 1), alone, ROUNDING)
    with pytest.raises(AssertionError):
        assert_trees_close(member(population, 0), alone, 1e-2)


def test_resumed_run_equals_the_uninterrupted_one(alone, tmp_path):
    train_interrupted(config_of(), tmp_path, "ganomaly")
    assert_trees_close(train(config_of(), tmp_path), alone, atol=0)


def test_collapsed_generator_is_left_behind(tmp_path, monkeypatch):
    limit = spread_limit(5.0, after=2)  # no generator is so lively
    monkeypatch.setattr(reproducing_gan, "spread_limit", lambda least, after: limit)
    (limited,), usual = build_method(check(config_of())).stages, method_of(config_of())
    (stage,) = usual.stages
    stages = (dataclasses.replace(stage, limits=limited.limits),)  # but for these it is the same
    with pytest.raises(DivergedError, match=r"step 4.*spread is .*, below 5: .*collapsed"):
        train(config_of(), tmp_path, dataclasses.replace(usual, stages=stages))
