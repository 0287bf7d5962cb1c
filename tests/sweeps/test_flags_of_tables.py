"""A table's argument and flags reach every run that has what they name."""

import sys

import pytest
from absl import flags
from ml_collections import config_flags

from adjax.flags import explain_flag_error
from adjax.sweeps.expand import expand

# `ml_collections` loads config files by it.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
LAST_STAGE = {
    "anogan": "anogan",
    "ssim_ae": "autoencoder",
    "ae": "teacher",
    "sdn": "student",
    "oe_sdn": "student",
}


@pytest.fixture
def runs_of(repository, monkeypatch):
    """`(config file and argument, *flags) -> {method: config}` of a command's sweep."""

    def get(config, *flags_given):
        command = ["launch.py", f"--config={repository / 'configs' / config}", *flags_given]
        monkeypatch.setattr(sys, "argv", command)
        values = flags.FlagValues()
        config_flags.DEFINE_config_file("config", flag_values=values)
        values(command)
        given = config_flags.get_override_values(values["config"])
        path, _, argument = command[1].removeprefix("--config=").partition(":")
        runs = expand(path, argument, values.config, given)
        for run in runs:
            run.check()
        return {run.config.method: run.config for run in runs}

    return get


@pytest.mark.parametrize("category", ["bottle", "carpet"])
def test_steps_are_those_of_every_method_s_last_stage(runs_of, category):
    usual = runs_of(f"mvtec_ad.py:table2,categories={category}")
    told = runs_of(f"mvtec_ad.py:table2,categories={category},steps=1000")
    assert told.keys() == usual.keys() == LAST_STAGE.keys() | {"cnn_dictionary"}
    for method, section in LAST_STAGE.items():
        assert usual[method][section].steps != 1000
        assert told[method][section].steps == 1000
        told[method][section].steps = usual[method][section].steps
    # And of nothing else: the teachers of students, the method that takes no steps.
    assert told == usual


def test_flag_applies_to_the_runs_that_have_its_key(runs_of):
    argument = "mvtec_ad.py:table2,categories=bottle"
    usual, told = runs_of(argument), runs_of(argument, "--config.autoencoder.steps=5")
    assert told["ssim_ae"].autoencoder.steps == 5
    told["ssim_ae"].autoencoder.steps = usual["ssim_ae"].autoencoder.steps
    assert told == usual
    shared = runs_of(argument, "--config.teacher.steps=7", "--config.precision=bfloat16")
    assert {config.precision for config in shared.values()} == {"bfloat16"}
    assert [shared[method].teacher.steps for method in ("ae", "sdn", "oe_sdn")] == [7, 7, 7]
    assert "teacher" not in shared["ssim_ae"]


def test_flag_comes_after_what_the_table_says(runs_of):
    runs = runs_of("mvtec_ad.py:table2,categories=bottle,steps=1000", "--config.student.steps=6")
    steps = [runs[m][s].steps for m, s in LAST_STAGE.items()]
    assert steps == [1000, 1000, 1000, 6, 6]
    demo = runs_of("mnist.py:demo", "--config.student.steps=6")
    assert [demo[method].student.steps for method in ("sdn_fast", "oe_sdn_fast")] == [6, 6]


@pytest.mark.parametrize(
    ("argument", "flag", "key"),
    [
        ("table2", "--config.autoencoder.stepz=5", "stepz"),
        ("table2,methods=ae+sdn", "--config.autoencoder.steps=5", "autoencoder"),  # of no run
        ("table2", "--config.nothing=5", "nothing"),
    ],
)
def test_key_that_no_run_has_is_refused(runs_of, argument, flag, key):
    with pytest.raises((AttributeError, KeyError)) as error:
        runs_of(f"mvtec_ad.py:{argument}", flag)
    assert key in explain_flag_error(error.value, sys.argv)
