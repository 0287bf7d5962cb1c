"""What identifies runs and stages: it depends on a run's own settings alone."""

import dataclasses
import json
import sys
import types
from pathlib import Path

import pytest

from adjax import methods
from adjax.config import identity
from adjax.config.layout import check, new_config
from adjax.errors import UserError
from adjax.methods import itae
from adjax.run import build_method
from configs import cifar10, classes, folder, mnist, mvtec_ad

# Names of stages as they were before configs held their own method's sections only: entries of
# stage caches and the folders of runs are found by them.
PINNED = json.loads((Path(__file__).parent / "stage_hashes.json").read_text())
FILES = {"mnist": mnist, "cifar10": cifar10, "mvtec_ad": mvtec_ad, "folder": folder}


def hashes(config):
    """The name of each stage of a run's first member."""
    settings = check(config)
    method = methods.build(settings.method, settings.sections)
    member = identity.members_of(settings, method.dynamic)[0]
    return {stage.name: identity.stage_hash(settings, stage, member) for stage in method.stages}


@pytest.mark.parametrize("name", PINNED)
def test_stages_keep_their_names(name):
    file, _, argument = name.partition(":")
    config = FILES[file].get_config(argument)
    config.data.dir = "/x"
    assert hashes(config) == PINNED[name]


def test_another_method_s_defaults_change_nothing(monkeypatch):
    config = new_config("mnist", "oe_sdn")
    before = identity.config_hash(check(config)), hashes(config)
    info = methods.lookup("itae")
    section = info.sections["itae"]
    changed = {"itae": dataclasses.replace(section, batch_size=section.batch_size + 1)}
    monkeypatch.setattr(itae, "METHODS", (dataclasses.replace(info, sections=changed),))
    newest = types.SimpleNamespace(METHODS=(dataclasses.replace(info, name="newest"),))
    monkeypatch.setitem(sys.modules, "adjax.methods.newest", newest)
    monkeypatch.setitem(methods.PACKAGES, "newest", "newest")
    assert new_config("mnist", "itae").itae.batch_size == section.batch_size + 1
    config = new_config("mnist", "oe_sdn")
    assert (identity.config_hash(check(config)), hashes(config)) == before


def student_hash(values, get_config=mnist.get_config):
    argument = values.get("method", "oe_sdn")
    config = get_config(argument)
    config.update_from_flattened_dict(values)
    return hashes(config)["student"]


def test_hash_of_a_student_knows_its_auxiliary_images():
    noise = {"student.auxiliary": "gaussian_noise"}
    students = [
        student_hash({"student.auxiliary": name, "method": method})
        for name in ("uniform_rotation", *classes.TABLE3)
        for method in ("oe_sdn", "sdn")
    ]
    assert len(set(students)) == len(students)
    assert student_hash(noise) == student_hash(noise | {"auxiliary.svd_blurring.rank": 2})
    assert student_hash(noise) != student_hash(noise | {"auxiliary.gaussian_noise.sigma": 0.2})


def test_test_images_count_where_they_are_trained_on():
    reverse, other = {"data.protocol": "leave_one_out"}, {"data.test_split": "test[:500]"}
    assert student_hash({}) == student_hash({"data.protocol": "one_class"})
    assert student_hash({}) != student_hash(reverse)
    assert student_hash({}) == student_hash(other)
    assert student_hash(reverse) != student_hash(reverse | other)


def test_hash_tells_results_apart_and_nothing_else():
    def hash_of(values):
        config = mnist.get_config("oe_sdn")
        config.update_from_flattened_dict(values)
        return identity.config_hash(check(config))

    for values, same in (
        ({"seed": 1}, False),
        ({"student.loss_weight": 0.25}, False),
        ({"data.normal_class": 1}, False),
        ({"auxiliary.rotation.angles": (90,)}, False),
        ({"auxiliary.shearing.maximum": 0.4}, True),
        ({"data.dir": "elsewhere"}, True),
        ({"parallel": "pmap"}, True),
        ({"mesh.data": 1}, True),
    ):
        assert (hash_of(values) == hash_of({})) == same, values


def test_folder_of_ones_own_is_told_by_where_it_is():
    one, other = (folder.get_config("aesc_residual") for _ in range(2))
    assert identity.essential(one) == identity.essential(other)
    other.data.dir = "elsewhere"
    assert identity.essential(one) != identity.essential(other)


def test_members():
    config = mnist.get_config("ae")
    config.members = ({"seed": 4}, {"data.normal_class": 7, "teacher.learning_rate": 0.1})
    settings = check(config)
    dynamic = ("teacher.learning_rate",)
    assert identity.members_of(settings, dynamic) == [
        {"seed": 4, "data.normal_class": 3, "teacher.learning_rate": 1e-3},
        {"seed": 0, "data.normal_class": 7, "teacher.learning_rate": 0.1},
    ]
    for members, says in (
        (({"seed": -1},), r"config.members\[0\]\['seed'\]=-1: must not be negative"),
        (({"teacher.learning_rate": float("nan")},), "must be a finite number"),
        (({"student.steps": 3},), "'student.steps' cannot differ within a population"),
        (({}, {}), "two members are equal; give each its own seed"),
        ((3,), "give a tuple of dicts"),
    ):
        config.members = members
        with pytest.raises(UserError, match=says):
            identity.members_of(check(config), dynamic)


def test_category_cannot_differ_within_a_population():
    config = mvtec_ad.get_config("aesc_residual")
    assert identity.varying(check(config), ("x",)) == ("seed", "x")
    varying = identity.varying(check(mnist.get_config("ae")), ("x",))
    assert varying == ("seed", "data.normal_class", "x")
    config.members = ({"data.normal_class": "screw"},)
    with pytest.raises(UserError, match=r"'data\.normal_class' cannot differ within a population"):
        identity.members_of(check(config), ())


def stage_of(argument="aesc_residual", get_config=mvtec_ad.get_config, **values):
    """The hash of the first stage and its signature, under values by keys with `__` for dots."""
    config = get_config(argument)
    config.update_from_flattened_dict({k.replace("__", "."): v for k, v in values.items()})
    settings = check(config)
    method = build_method(settings)
    stage, (member,) = method.stages[0], identity.members_of(settings, method.dynamic)
    signature = identity.stage_signature(settings, stage, method.dynamic)
    return identity.stage_hash(settings, stage, member), signature


def test_scores_of_one_network_share_its_training():
    assert stage_of("aesc_residual") == stage_of("aesc_uncertainty")
    assert stage_of("ae_d6_residual") == stage_of("ae_d6_uncertainty")
    assert stage_of("aesc_uncertainty") == stage_of("aesc_uncertainty", uncertainty__passes=3)
    for other in ("ae_d6_residual", "ssim_ae", "ae_l2", "unet_ae"):
        assert all(a != b for a, b in zip(stage_of(other), stage_of(), strict=True))


def test_networks_of_equal_settings_do_not_share_their_training():
    own = check(new_config("mvtec_ad", "aesc_residual")).autoencoder
    values = {f"autoencoder__{key}": value for key, value in dataclasses.asdict(own).items()}
    same = values | {"data__patch": 128, "data__crops": "rotated_crops", "data__samples": 0}
    networks = (
        "aesc_residual",
        "aesc_uncertainty",
        "ae_d6_residual",
        "ssim_ae",
        "ae_l2",
        "unet_ae",
    )
    stages = [stage_of(name, **same) for name in networks]
    assert len({name for name, _ in stages}) == len({text for _, text in stages}) == 5


def test_seeds_share_a_population_and_categories_do_not():
    (a, alike), (b, other_seed) = stage_of(), stage_of(seed=1)
    assert a != b
    assert alike == other_seed
    c, other_category = stage_of(data__normal_class="screw")
    assert c not in (a, b)
    assert other_category != alike
    config, other = mvtec_ad.get_config(), mvtec_ad.get_config()
    other.data.normal_class = "screw"
    signatures = [identity.run_signature(check(c), ()) for c in (config, other)]
    assert signatures[0] != signatures[1]


@pytest.mark.parametrize(
    ("argument", "values", "same"),
    [
        ("aesc_residual", {"corruption__stain__size_high": 0.2}, False),
        ("aesc_residual", {"corruption__drops__number": 3}, True),
        ("aesc_residual", {"crops__translation_rotation__angle": 3}, True),
        ("aesc_residual", {"threshold__k": 2.0}, True),
        ("ssim_ae", {"crops__translation_rotation__angle": 3}, False),
        ("ssim_ae", {"data__samples": 0}, False),
        ("ae", {"windows__stride": 16}, True),
        ("ae", {"data__patch": 32}, False),
        ("unet_ae", {"data__dir": "elsewhere"}, True),
    ],
)
def test_stage_hash_knows_what_training_depends_on(argument, values, same):
    assert (stage_of(argument)[0] == stage_of(argument, **values)[0]) == same


def test_two_folders_never_share_a_stage():
    here, there = (stage_of("unet_ae", folder.get_config, data__dir=d)[0] for d in "ab")
    assert here != there


def test_all_methods_have_pinned_names():
    pinned = {name.partition(":")[2].partition(",")[0] for name in PINNED}
    assert pinned == set(methods.PACKAGES)
