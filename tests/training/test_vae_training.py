"""The variational autoencoder in training: its noise on any devices, in a population, resumed."""

import pytest
from training_helpers import (
    ONE_DEVICE,
    assert_trees_close,
    member,
    tiny_config,
    train,
    train_interrupted,
)

# Adam divides by the root of the second moment: rounding of a gradient near zero is amplified.
ROUNDING = 5e-4


def config_of(**values):
    return tiny_config("vae", **ONE_DEVICE | values)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return train(config_of(), tmp_path_factory.mktemp("alone"))


@pytest.mark.slow  # to compile
def test_member_on_two_devices_equals_it_alone(alone, tmp_path):
    members = {"seed": 3, "vae.learning_rate": 3e-3}, {"seed": 0}
    found = train(config_of(members=members, **{"mesh.data": 2}), tmp_path)
    assert_trees_close(member(found, 1), alone, ROUNDING)
    kernel = found["vae"]["params"]["mean"]["kernel"]
    assert abs(kernel[0] - kernel[1]).max() > 1e-3


def test_resumed_run_equals_the_uninterrupted_one(alone, tmp_path):
    train_interrupted(config_of(), tmp_path, "vae")
    assert_trees_close(train(config_of(), tmp_path), alone, atol=0)
