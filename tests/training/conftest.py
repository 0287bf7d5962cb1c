"""The run that several tests of training compare with."""

import pytest
from training_helpers import ONE_DEVICE, tiny_config, train


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """OE-SDN, one member on one device, both stages: the folder and the variables."""
    folder = tmp_path_factory.mktemp("alone")
    return folder, train(tiny_config("oe_sdn", **ONE_DEVICE), folder)
