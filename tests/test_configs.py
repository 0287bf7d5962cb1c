"""Every config file: all its variants build, and its documented command parses."""

import importlib
import re
from pathlib import Path

import pytest

from adjax.errors import UserError
from adjax.evaluation import ORACLE
from adjax.methods import create_method
from adjax.reports.published import TABLE_3
from adjax.settings import check_config, config_hash, members_of, stage_hash
from configs import cifar10, folder, mnist
from configs.base import AUXILIARY, METHODS, TABLE1

FILES = sorted(p.stem for p in (Path(__file__).parent.parent / "configs").glob("*.py"))
EXPERIMENTS = [name for name in FILES if name not in ("base", "baselines", "industrial")]


def variants(name):
    module = importlib.import_module(f"configs.{name}")
    return [(name, f"{first}{extra}") for first in module.NAMES for extra in ("", ",smoke")]


@pytest.mark.parametrize(("name", "argument"), [v for name in EXPERIMENTS for v in variants(name)])
def test_config_describes_a_run(name, argument):
    config = importlib.import_module(f"configs.{name}").get_config(argument)
    check_config(config)
    method = create_method(config)
    assert method.name == config.method
    assert len(members_of(config, method.dynamic)) == 1
    choices = (*method.image_scores, *([ORACLE] if method.oracle else []))
    assert config.image_score in choices


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_docstring_gives_a_command_that_parses(name):
    module = importlib.import_module(f"configs.{name}")
    commands = re.findall(rf"--config=configs/{name}\.py:(\S+)", module.__doc__)
    assert commands
    for argument in commands:
        module.get_config(argument)


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("vgg", "'vgg' is none of oe_sdn, sdn, ae, "),
        ("ae,huge", "'huge' is none of light, faithful, smoke"),
        ("ae,classes=1", "'classes' is none of light"),
        ("table1,digits=1", "'digits' is none of classes, seeds"),
        ("table1,classes=1+x", "'classes=1[+]x' must look like classes=0[+]1[+]2"),
        ("table1,seeds=", "must look like"),
    ],
)
def test_argument_that_names_nothing_is_refused(argument, says):
    with pytest.raises(ValueError, match=says):
        mnist.get_config(argument)


def runs_of(argument, module=mnist):
    runs = {}

    def add(name, values, usual):
        runs[name] = {**usual, **values}

    module.sweep(add, argument)
    return runs


def test_tables_have_the_rows_of_the_published_ones():
    table = runs_of("table1,smoke")
    assert len(table) == 10 * len(TABLE1)
    assert {name.split("/")[0] for name in table} == set(TABLE1)
    assert {method for method in TABLE1 if method in METHODS} == set(TABLE1)
    table = runs_of("table3,classes=1+8,seeds=0+5", cifar10)
    assert len(table) == 40
    assert {name.split("/")[0] for name in table} == set(TABLE_3.rows)
    assert table["svd_blurring/class8/seed5"] == {
        "method": "oe_sdn",
        "student.auxiliary": "svd_blurring",
        "data.normal_class": 8,
        "seed": 5,
    }
    assert table["none/class1/seed0"]["method"] == "sdn"
    assert runs_of("oe_sdn") == {}


def test_adversarial_noise_is_weaker_in_colour():
    assert mnist.get_config().auxiliary.adversarial_noise.eps == 0.1
    assert cifar10.get_config().auxiliary.adversarial_noise.eps == 8 / 255


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("adversarial_noise.eps", 1.5, "must lie between 0 and 1"),
        ("gaussian_blurring.sigma", 0.0, "must be positive"),
        ("gaussian_blurring.width", 4, "use an odd number"),
        ("gaussian_noise.sigma", -0.1, "must be positive"),
        ("rotation.angles", (), "give multiples of 90"),
        ("rotation.angles", (90, 45), "give multiples of 90"),
        ("shearing.minimum", 0.4, "must lie between 0 and maximum"),
        ("svd_blurring.rank", 0, "must be at least 1"),
        ("uniform_rotation.low", 331, "must not be above high"),
    ],
)
def test_auxiliary_parameters_are_checked(key, value, says):
    config = mnist.get_config()
    config.update_from_flattened_dict({f"auxiliary.{key}": value})
    with pytest.raises(UserError, match=rf"config.auxiliary.{key}=.*: {says}"):
        check_config(config)


def student_hash(values):
    config = mnist.get_config()
    config.update_from_flattened_dict(values)
    method = create_method(config)
    return stage_hash(config, method.stages[1], members_of(config, method.dynamic)[0])


def test_stage_hash_of_a_student_knows_its_auxiliary_images():
    students = [
        {"student.auxiliary": name, "method": method}
        for name in AUXILIARY
        for method in ("oe_sdn", "sdn")
    ]
    hashes = [student_hash(student) for student in students]
    assert len(set(hashes)) == len(hashes)
    noise = {"student.auxiliary": "gaussian_noise"}
    assert student_hash(noise) == student_hash(noise | {"auxiliary.svd_blurring.rank": 2})
    assert student_hash(noise) != student_hash(noise | {"auxiliary.gaussian_noise.sigma": 0.2})


def test_protocol_is_checked_and_known_to_hashes():
    config = mnist.get_config("ae")
    config.data.protocol = "two_class"
    with pytest.raises(UserError, match=r"data.protocol='two_class': choose one of one_class, le"):
        check_config(config)
    reverse = {"data.protocol": "leave_one_out"}
    assert student_hash({}) == student_hash({"data.protocol": "one_class"})
    assert student_hash({}) != student_hash(reverse)
    # Images of the test split are trained on where one class is left out, and only there.
    other = {"data.test_split": "test[:500]"}
    assert student_hash({}) == student_hash(other)
    assert student_hash(reverse) != student_hash(reverse | other)


def test_hash_tells_results_apart_and_nothing_else():
    get_config = mnist.get_config
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


def test_folder_of_ones_own_is_told_by_where_it_is():
    configs = [folder.get_config("aesc_residual") for _ in range(2)]
    assert config_hash(configs[0]) == config_hash(configs[1])
    configs[1].data.dir = "elsewhere"
    assert config_hash(configs[0]) != config_hash(configs[1])
