"""Deep SVDD in training: a stage that starts from an earlier one, in a population and resumed."""

import jax
import numpy as np
import pytest
from training_helpers import (
    ONE_DEVICE,
    ROUNDING,
    assert_trees_close,
    member,
    population_of,
    tiny_config,
    train,
    train_interrupted,
)

from adjax.training.population import initial_tree

MEMBERS = ({"seed": 4, "data.normal_class": 1}, {"seed": 0})
STEPS = {"svdd_autoencoder.steps": 4, "svdd.steps": 8, "svdd.warm_up_steps": 2}


def config_of(**values):
    soft = {"svdd.objective": "soft_boundary"}
    return tiny_config("deep_svdd", **STEPS, **soft, **ONE_DEVICE, **values)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return train(config_of(), tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    return train(config_of(members=MEMBERS), tmp_path_factory.mktemp("population"))


def test_member_of_a_population_equals_it_alone(alone, population):
    assert_trees_close(member(population, 1), alone, ROUNDING)
    centres = population["centre"]["params"]["centre"]
    assert abs(centres[0] - centres[1]).max() > 0.01
    assert alone["svdd"]["radius"]["value"] > 0


def test_begins_with_the_encoder_that_its_member_has_pre_trained(population, tmp_path):
    config = config_of(members=MEMBERS)
    tree = initial_tree(population_of(config, tmp_path), 3, population)
    own = {name: tree["encoder"] for name, tree in population["svdd_autoencoder"].items()}
    for begun in (tree["state"].variables, tree["best"]):
        for collection, desired in own.items():
            jax.tree.map(np.testing.assert_array_equal, begun[collection], desired)
    kernel = own["params"]["Conv_0"]["kernel"]
    assert abs(kernel[0] - kernel[1]).max() > 0.01


def test_resumed_run_equals_the_uninterrupted_one(alone, tmp_path):
    train_interrupted(config_of(), tmp_path, "svdd")
    assert_trees_close(train(config_of(), tmp_path), alone, atol=0)
