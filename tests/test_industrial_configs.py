"""Configs of industrial images: names, values of each method, checks, what runs share."""

import importlib

import pytest

from adjax.errors import UserError
from adjax.preparation import create_method
from adjax.settings import (
    check_config,
    members_of,
    run_signature,
    stage_hash,
    stage_signature,
    varying,
)
from configs import folder, industrial, mnist, mvtec_ad

SETS = ("mvtec_ad", "dagm2007", "rsdds", "kolektor_sdd", "folder")
TABLES = {
    ("mvtec_ad", "aesc_table"): (4, 15),
    ("mvtec_ad", "table2"): (6, 15),
    ("dagm2007", "f1_table"): (2, 10),
    ("rsdds", "f1_table"): (2, 2),
    ("kolektor_sdd", "aesc_table"): (3, 1),
    ("kolektor_sdd", "corruption_table"): (3, 1),
    ("rsdds", "loss_table"): (2, 2),
}


def runs_of(dataset, argument):
    """The configs of a sweep by name, as a planner makes them."""
    module, runs = importlib.import_module(f"configs.{dataset}"), {}

    def add(name, values, usual):
        assert name not in runs
        config = module.get_config(argument).copy_and_resolve_references().lock()
        config.update_from_flattened_dict({**usual, **values})
        runs[name] = config

    module.sweep(add, argument)
    return runs


@pytest.mark.parametrize(("dataset", "table"), TABLES)
@pytest.mark.parametrize("variant", ["", ",smoke"])
def test_tables(dataset, table, variant):
    methods, categories = TABLES[dataset, table]
    runs = runs_of(dataset, f"{table}{variant}")
    assert len(runs) == methods * categories
    for name, config in runs.items():
        method, category, seed = name.split("/")
        assert (config.method, config.data.normal_class, seed) == (method, category, "seed0")
        assert config.data.name == dataset
        check_config(config)
        assert config.image_score in create_method(config).image_scores


def test_tables_of_a_folder():
    runs = runs_of("folder", "corruption_table,steps=10")
    assert list(runs) == [f"{name}/seed0" for name in industrial.TABLES["corruption_table"]]
    patches = [config.data.patch for config in runs_of("folder", "loss_table").values()]
    assert patches == [256, 256]
    patches = [config.data.patch for config in runs_of("folder", "loss_table,texture").values()]
    assert patches == [128, 128]


@pytest.mark.parametrize("texture", [False, True])
@pytest.mark.parametrize("method", industrial.METHODS)
def test_run_of_a_table_is_the_run_of_its_method(method, texture):
    category = "carpet" if texture else "bottle"
    table = next((t for t, methods in mvtec_ad.TABLES.items() if method in methods), None)
    if table is None:
        pytest.skip("in no table")
    runs = runs_of("mvtec_ad", f"{table},categories={category},seeds=2")
    patches = ",texture" if texture and method in industrial.BERGMANN else ""
    alone = mvtec_ad.get_config(method + patches)
    alone.update_from_flattened_dict({"seed": 2, "data.normal_class": category})
    assert runs[f"{method}/{category}/seed2"].to_dict() == alone.to_dict()


def test_choices_of_a_table():
    runs = runs_of("mvtec_ad", "aesc_table,categories=bottle+screw,seeds=0+3,steps=1000")
    assert set(runs) == {
        f"{method}/{category}/seed{seed}"
        for method in ("aesc_residual", "aesc_uncertainty", "itae", "ae_l2")
        for category in ("bottle", "screw")
        for seed in (0, 3)
    }
    assert {config.autoencoder.steps for config in runs.values()} == {1000}
    assert runs["ae_l2/screw/seed3"].seed == 3
    assert runs_of("mvtec_ad", "aesc_residual") == {}
    other = runs_of("mvtec_ad", "aesc_table,methods=vae+itae,categories=screw,steps=30")
    assert [other[f"{method}/screw/seed0"][method].steps for method in ("vae", "itae")] == [30, 30]
    assert {name: config.method for name, config in other.items()} == {
        "vae/screw/seed0": "vae",
        "itae/screw/seed0": "itae",
    }
    with pytest.raises(ValueError, match="'nothing' is none of aesc_residual, "):
        runs_of("mvtec_ad", "aesc_table,methods=nothing")
    with pytest.raises(ValueError, match="'seeds=a' must look like seeds=0"):
        mvtec_ad.get_config("table2,seeds=a")
    with pytest.raises(ValueError, match="'categories' is none of texture, smoke"):
        mvtec_ad.get_config("ssim_ae,categories=bottle")


def test_values_of_methods():
    objects, textures = (
        mvtec_ad.get_config(argument) for argument in ("ssim_ae", "ssim_ae,texture")
    )
    assert (objects.data.crops, objects.data.patch) == ("translation_rotation", 256)
    assert (textures.data.crops, textures.data.patch) == ("rotated_crops", 128)
    assert (objects.autoencoder.code_size, textures.autoencoder.code_size) == (500, 100)
    assert objects.autoencoder.corruption == "none"
    aesc = mvtec_ad.get_config("aesc_residual")
    assert (aesc.autoencoder.corruption, aesc.data.patch) == ("stain", 0)
    unet = mvtec_ad.get_config("unet_ae")
    assert (unet.autoencoder.batch_size, unet.autoencoder.width) == (4, 48)
    assert mvtec_ad.get_config("oe_sdn").data.patch == 64
    assert folder.get_config("unet_ae").autoencoder.steps == 2000


@pytest.mark.parametrize("dataset", SETS)
@pytest.mark.parametrize("method", industrial.METHODS)
@pytest.mark.parametrize("variant", ["smoke", "texture,smoke"])
def test_smoke_trains_on_images_that_its_network_takes(dataset, method, variant):
    config = importlib.import_module(f"configs.{dataset}").get_config(f"{method},{variant}")
    check_config(config)
    patch = config.data.patch or config.data.size
    assert patch == (128 if method in industrial.BERGMANN else patch)
    assert config.data.size <= 128
    assert config.autoencoder.steps == 8


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"data.channels": 2}, r"data.channels=2: use 1 \(grey\) or 3"),
        ({"data.size": 0}, "data.size=0: must be at least 1"),
        ({"data.patch": 300}, "data.patch=300: must not be above data.size=256"),
        ({"data.crops": "rotated_crops"}, "data.patch=0: give the size of the rotated_crops"),
        ({"data.crops": "random", "data.patch": 64}, "choose one of rotated_crops, translation"),
        ({"data.patch": 64}, "data.crops='': say how"),
        (
            {"data.patch": 16, "data.crops": "rotated_crops"},
            "windows.stride=32: must not be above data.patch=16",
        ),
        ({"data.protocol": "leave_one_out"}, "mvtec_ad has no classes to leave out"),
        ({"data.samples": -1}, "data.samples=-1: must not be negative"),
        ({"windows.at_once": 0}, "windows.at_once=0: must be at least 1"),
        ({"threshold.rule": "best"}, "choose one of quantile, k_sigma, minimum_area"),
        ({"threshold.quantile": 1.5}, "threshold.quantile=1.5: must lie between 0 and 1"),
        ({"threshold.image_quantile": 0.0}, "threshold.image_quantile=0: must be positive"),
        ({"threshold.area": 0}, "threshold.area=0: must be at least 1"),
        ({"threshold.area": 70000}, "threshold.area=70000: an image has fewer pixels"),
        ({"uncertainty.passes": 0}, "uncertainty.passes=0: must be at least 1"),
        ({"autoencoder.schedule": "step"}, "choose one of cosine, constant"),
        ({"autoencoder.depth": 0}, "autoencoder.depth=0: must be at least 1"),
    ],
)
def test_what_no_run_could_have_is_refused(values, says):
    config = mvtec_ad.get_config("aesc_residual")
    config.update_from_flattened_dict(values)
    with pytest.raises(UserError, match=rf"^config\..*{says}"):
        check_config(config)


def test_category_cannot_differ_within_a_population():
    config = mvtec_ad.get_config("aesc_residual")
    assert varying(config, ("x",)) == ("seed", "x")
    assert varying(mnist.get_config("ae"), ("x",)) == ("seed", "data.normal_class", "x")
    config.members = ({"data.normal_class": "screw"},)
    with pytest.raises(UserError, match=r"'data\.normal_class' cannot differ within a population"):
        members_of(config, ())


def stage_of(argument="aesc_residual", get_config=mvtec_ad.get_config, **values):
    """The hash of the first stage and its signature, under values by keys with `__` for dots."""
    config = get_config(argument)
    config.update_from_flattened_dict({k.replace("__", "."): v for k, v in values.items()})
    method = create_method(config)
    stage, (member,) = method.stages[0], members_of(config, method.dynamic)
    return stage_hash(config, stage, member), stage_signature(config, stage, method.dynamic)


def test_scores_of_one_network_share_its_training():
    assert stage_of("aesc_residual") == stage_of("aesc_uncertainty")
    assert stage_of("ae_d6_residual") == stage_of("ae_d6_uncertainty")
    assert stage_of("aesc_residual") == stage_of("aesc_residual", uncertainty__passes=3)
    for other in ("ae_d6_residual", "ssim_ae", "ae_l2", "unet_ae"):
        assert all(a != b for a, b in zip(stage_of(other), stage_of(), strict=True))


def test_networks_of_equal_settings_do_not_share_their_training():
    same = {"data__patch": 128, "data__crops": "rotated_crops"}
    stages = [stage_of("aesc_residual", method=m, **same) for m in industrial.RECONSTRUCTION]
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
    assert run_signature(config, ()) != run_signature(other, ())


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
