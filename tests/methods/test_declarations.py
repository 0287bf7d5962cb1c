"""What methods declare: light, complete, and refused or built whatever a leaf is given."""

import inspect
import math
import pkgutil
import subprocess
import sys

import pytest

from adjax import methods as methods_
from adjax import settings
from adjax.config.layout import check, new_config
from adjax.errors import UserError
from adjax.evaluation import smoothing
from adjax.methods import build, infos, lookup

ODD_VALUES = {
    int: (0, -1, 2**31, 10**30, 1.5, math.nan, True, "", "x", None, (), [1]),
    float: (
        0.0,
        -1.0,
        0.5,
        2,
        1e30,
        1e300,
        10**400,
        math.nan,
        math.inf,
        -math.inf,
        True,
        "",
        None,
        (),
    ),
    bool: (0, 1, "", "true", None, ()),
    str: ("", "x", "no such thing", 0, 1.5, None, ()),
    tuple: ((), (0,), (-1, -1), (10**6, 10**6), (math.nan,) * 6, (0.5,) * 6, ("a",), "ab", 3, None),
}
CHECKED = tuple((name, kind) for name, info in infos().items() for kind in info.tasks)


def test_declarations_import_nothing_heavy():
    code = (
        "import sys, adjax.methods; adjax.methods.infos(); "
        "print(*{'jax', 'flax', 'optax', 'tensorflow', 'sklearn', 'scipy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_every_package_is_known():
    packages = {module.name for module in pkgutil.iter_modules(methods_.__path__) if module.ispkg}
    assert set(methods_.PACKAGES.values()) == packages


def test_methods_have_their_names(methods):
    assert {name: method.name for name, method in methods.items()} == {
        name: name for name in infos()
    }
    assert len({info.title for info in infos().values()}) == len(infos())


@pytest.mark.parametrize("name", ["gan", "", None, ["ae"]])
def test_unknown_method_raises(name):
    with pytest.raises(UserError, match=r"config.method=.*: choose one of ae, sdn, oe_sdn, "):
        lookup(name)


@pytest.mark.parametrize("name", infos())
def test_declared_keys_exist(methods, name):
    """Of what changes, is chosen, or may differ; and the default image score is one there is."""
    info, method = lookup(name), methods[name]
    own = {
        key
        for section, value in info.sections.items()
        for key, _ in settings.fields_of(value, f"{section}.")
    }
    common = {"image_score", "select", "data.size", "data.patch", "data.crops", "data.samples"}
    common.add("maps.sigma")
    changed = {key for values in info.on.values() for key in values}
    assert changed <= own | common
    assert set(info.smoke) <= own
    assert set(info.industrial_smoke) <= own | common
    assert {*method.dynamic, *info.chosen.values(), *filter(None, [info.variant])} <= own
    assert info.chosen.keys() <= info.sections.keys()
    assert f"{info.steps}.steps" in own or not info.steps
    assert set(info.tasks) <= {"classes", "industrial"}
    scores = {
        info.image_score,
        *(values["image_score"] for values in info.on.values() if "image_score" in values),
    }
    of_maps = smoothing.SCORES if info.tasks == ("industrial",) else ()
    assert scores <= {*method.image_scores, *of_maps, *["oracle"] * method.oracle}


def test_other_methods_are_variants_or_columns_that_exist():
    for info in infos().values():
        assert {info.variants_of, info.published_as} - {""} <= infos().keys()


def test_every_setting_says_what_it_means():
    for info in infos().values():
        for section in info.sections.values():
            assert inspect.getdoc(type(section))
            for key, field in settings.fields_of(section):
                assert field.metadata["meaning"], (info.name, key)


@pytest.mark.parametrize(
    ("dataset", "method", "key", "known"),
    [
        (
            "mvtec_ad",
            "unet_ae",
            "autoencoder.corruption",
            "none, drops, gaussian, nsa_like, paste, scratch, stain",
        ),
        ("mnist", "oe_sdn", "student.auxiliary", "adversarial_noise, gaussian_blurring"),
    ],
)
def test_unknown_alternatives_are_refused(dataset, method, key, known):
    config = new_config(dataset, method, changes={key: "rust"})
    with pytest.raises(UserError, match=f"config.{key}='rust': choose one of {known}"):
        check(config)


def _with(tree, path, value):
    first, *rest = path
    return {**tree, first: _with(tree[first], rest, value) if rest else value}


def refusal(name, config):
    """What is said of a config's value by its check or, else, by the method's builder."""
    try:
        build(name, check(config).sections)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("name", "kind"), CHECKED)
def test_odd_values_are_refused_in_one_line_or_build_a_method(name, kind):
    config = new_config("mnist" if kind == "classes" else "mvtec_ad", name, smoke=True).to_dict()
    for section, defaults in lookup(name).sections.items():
        for key, field in settings.fields_of(defaults, f"{section}."):
            odd = ODD_VALUES[type(field.default)]
            says = [refusal(name, _with(config, key.split("."), value)) for value in odd]
            assert not any("\n" in line for line in says), (key, says)
            wrong = [line for line in says if line and not line.startswith("config.")]
            assert not wrong, (key, wrong)
            assert any(line.startswith(f"config.{key}=") for line in says), key
