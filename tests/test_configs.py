"""Every config file: all its variants build, and its documented command parses."""

import importlib
import re
from pathlib import Path

import pytest

from adjax.methods import create_method
from adjax.settings import check_config, config_hash, members_of

FILES = sorted(p.stem for p in (Path(__file__).parent.parent / "configs").glob("*.py"))
EXPERIMENTS = [name for name in FILES if name != "base"]


def variants(name):
    module = importlib.import_module(f"configs.{name}")
    return [(name, f"{method}{extra}") for method in module.METHODS for extra in ("", ",smoke")]


@pytest.mark.parametrize(("name", "argument"), [v for name in EXPERIMENTS for v in variants(name)])
def test_config_describes_a_run(name, argument):
    config = importlib.import_module(f"configs.{name}").get_config(argument)
    check_config(config)
    method = create_method(config)
    assert method.name == config.method
    assert len(members_of(config, method.dynamic)) == 1
    assert config.image_score in method.image_scores


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_docstring_gives_a_command_that_parses(name):
    module = importlib.import_module(f"configs.{name}")
    argument = re.search(rf"--config=configs/{name}\.py:(\S+)", module.__doc__)[1]
    module.get_config(argument)


def test_hash_tells_results_apart_and_nothing_else():
    get_config = importlib.import_module("configs.mnist").get_config
    config = get_config("oe_sdn")
    assert config_hash(config) == config_hash(get_config("oe_sdn"))
    for key, same in {
        "seed": False,
        "student.loss_weight": False,
        "data.normal_class": False,
        "data.dir": True,
        "parallel": True,
        "mesh.data": True,
    }.items():
        other = get_config("oe_sdn")
        value = {"data.dir": "elsewhere", "parallel": "pmap", "student.loss_weight": 0.25}
        other.update_from_flattened_dict({key: value.get(key, 1)})
        assert (config_hash(other) == config_hash(config)) == same, key
