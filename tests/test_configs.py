"""Every config file: all that it may be asked for builds, and its documented commands parse."""

import importlib
import re

import pytest

from adjax import methods
from adjax.config import identity
from adjax.config.layout import check
from adjax.datasets.catalog import CATEGORIES
from adjax.errors import UserError
from adjax.evaluation.oracle import ORACLE
from adjax.reports.published import variants_table
from adjax.run import build_method
from adjax.sweeps.expand import expand
from configs import cifar10, classes, folder, industrial, mask_ablation, mnist, mvtec_ad

INDUSTRIAL = [name for name, info in methods.infos().items() if "industrial" in info.tasks]

CLASSES = ("mnist", "cifar10", "fashion_mnist")
SETS = ("mvtec_ad", "dagm2007", "rsdds", "kolektor_sdd", "folder")
# Table -> its methods and categories.
TABLES = {
    ("mvtec_ad", "aesc_table"): (4, 15),
    ("mvtec_ad", "table2"): (6, 15),
    ("dagm2007", "f1_table"): (2, 10),
    ("rsdds", "f1_table"): (2, 2),
    ("kolektor_sdd", "aesc_table"): (3, 1),
    ("kolektor_sdd", "corruption_table"): (3, 1),
    ("rsdds", "loss_table"): (2, 2),
}


def module_of(name):
    return importlib.import_module(f"configs.{name}")


def runs_of(name, argument):
    """The configs of a sweep by name, as a planner makes them."""
    runs = {}

    def add(run, values, config):
        assert run not in runs
        runs[run] = config.copy_and_resolve_references().lock()
        runs[run].update_from_flattened_dict(values)

    module_of(name).sweep(add, argument)
    return runs


def arguments_of(name):
    """A config file's methods in all variants, and its sweeps."""
    known = module_of(name).ARGUMENTS
    suited = [name for name, info in methods.infos().items() if known.kind in info.tasks]
    for first in (*suited, *known.sweeps):
        yield first
        if first not in known.sweeps:
            yield from (f"{first},{word}" for word in known.words)
        yield f"{first},smoke"


@pytest.mark.parametrize("name", [*CLASSES, *SETS])
def test_all_that_may_be_asked_for_is_a_run(name):
    known = module_of(name).ARGUMENTS
    for argument in arguments_of(name):
        config = module_of(name).get_config(argument)
        first = argument.partition(",")[0]
        if first in known.sweeps:
            assert "method" in config
            continue
        if argument == "f_anogan,texture":  # whose images are smaller than such crops
            continue
        settings = check(config)
        method = build_method(settings)
        assert method.name == settings.method
        assert len(identity.members_of(settings, method.dynamic)) == 1
        choices = (*method.image_scores, *([ORACLE] if method.oracle else []))
        assert settings.image_score in choices


@pytest.mark.parametrize("name", [*CLASSES, *SETS])
def test_docstring_gives_commands_that_parse(name):
    module = module_of(name)
    commands = re.findall(rf"--config={name}\.py:(\S+)", module.__doc__)
    assert commands
    for argument in commands:
        module.get_config(argument)


def test_tables_have_the_rows_of_the_published_ones():
    table = runs_of("mnist", "table1,smoke")
    assert len(table) == 10 * len(classes.TABLE1)
    assert {name.split("/")[0] for name in table} == set(classes.TABLE1)
    assert {config.method for config in table.values()} == set(classes.TABLE1)
    table = runs_of("cifar10", "table3,classes=1+8,seeds=0+5")
    assert len(table) == 40
    assert {name.split("/")[0] for name in table} == set(variants_table("oe_sdn").rows)
    config = table["svd_blurring/class8/seed5"]
    assert (config.method, config.student.auxiliary) == ("oe_sdn", "svd_blurring")
    assert (config.data.normal_class, config.seed) == (8, 5)
    assert table["none/class1/seed0"].method == "sdn"
    table = runs_of("mnist", "table3,classes=1,methods=oe_sdn+oe_sdn_fast")
    assert len(table) == 20
    assert table["oe_sdn_fast/rotation/class1/seed0"].method == "oe_sdn_fast"
    assert table["oe_sdn_fast/none/class1/seed0"].method == "sdn_fast"
    with pytest.raises(ValueError, match="'methods=ae': choose methods with auxiliary sets"):
        runs_of("mnist", "table3,methods=ae")
    assert runs_of("mnist", "oe_sdn") == {}


def test_demo_is_three_short_runs():
    runs = runs_of("mnist", "demo")
    assert [config.method for config in runs.values()] == ["ae", "sdn_fast", "oe_sdn_fast"]
    assert list(runs) == ["ae", "sdn_fast", "oe_sdn_fast"]


def test_adversarial_noise_is_weaker_in_colour():
    assert mnist.get_config().auxiliary.adversarial_noise.eps == 0.1
    assert cifar10.get_config().auxiliary.adversarial_noise.eps == 8 / 255


@pytest.mark.parametrize(("dataset", "table"), TABLES)
@pytest.mark.parametrize("variant", ["", ",smoke"])
def test_tables_of_categories(dataset, table, variant):
    count, categories = TABLES[dataset, table]
    runs = runs_of(dataset, f"{table}{variant}")
    assert len(runs) == count * categories
    for name, config in runs.items():
        method, category, seed = name.split("/")
        assert (config.method, config.data.normal_class, seed) == (method, category, "seed0")
        assert config.data.name == dataset
        check(config)
    assert {name.split("/")[1] for name in runs} == set(CATEGORIES[dataset])


def test_tables_of_a_folder():
    runs = runs_of("folder", "corruption_table,steps=10")
    assert list(runs) == [f"{name}/seed0" for name in industrial.TABLES["corruption_table"]]
    patches = [config.data.patch for config in runs_of("folder", "loss_table").values()]
    assert patches == [256, 256]
    patches = [config.data.patch for config in runs_of("folder", "loss_table,texture").values()]
    assert patches == [128, 128]


@pytest.mark.parametrize("texture", [False, True])
@pytest.mark.parametrize("method", INDUSTRIAL)
def test_run_of_a_table_is_the_run_of_its_method(method, texture):
    category = "carpet" if texture else "bottle"
    argument = f"table2,methods={method},categories={category},seeds=2"
    (config,) = runs_of("mvtec_ad", argument).values()
    crops = texture and method in ("ssim_ae", "ae_l2")
    alone = mvtec_ad.get_config(method + ",texture" * crops)
    alone.update_from_flattened_dict({"seed": 2, "data.normal_class": category})
    assert config.to_dict() == alone.to_dict()


def test_choices_of_a_table():
    runs = runs_of("mvtec_ad", "aesc_table,categories=bottle+screw,seeds=0+3,steps=1000")
    assert set(runs) == {
        f"{method}/{category}/seed{seed}"
        for method in ("aesc_residual", "aesc_uncertainty", "itae", "ae_l2")
        for category in ("bottle", "screw")
        for seed in (0, 3)
    }
    assert runs["ae_l2/screw/seed3"].seed == 3
    assert runs_of("mvtec_ad", "aesc_residual") == {}
    other = runs_of("mvtec_ad", "aesc_table,methods=vae+itae,categories=screw,steps=30")
    assert [other[f"{method}/screw/seed0"][method].steps for method in ("vae", "itae")] == [30, 30]
    with pytest.raises(ValueError, match="'nothing' is none of ae, "):
        runs_of("mvtec_ad", "aesc_table,methods=nothing")
    with pytest.raises(ValueError, match="'seeds=a' must look like seeds=0"):
        mvtec_ad.get_config("table2,seeds=a")
    with pytest.raises(ValueError, match="'categories' is none of texture, smoke"):
        mvtec_ad.get_config("ssim_ae,categories=bottle")


@pytest.mark.parametrize("method", INDUSTRIAL)
def test_steps_of_a_table_are_those_of_every_method_that_is_trained(method):
    (config,) = runs_of("mvtec_ad", f"table2,methods={method},categories=screw,steps=77").values()
    section = methods.lookup(method).steps
    fitted = ("ocsvm", "isolation_forest", "cnn_dictionary")
    assert bool(section) == (method not in fitted)
    if section:
        assert config[section].steps == 77


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
@pytest.mark.parametrize("variant", ["smoke", "texture,smoke"])
def test_smoke_trains_on_small_images(dataset, variant):
    for method in INDUSTRIAL:
        data = check(module_of(dataset).get_config(f"{method},{variant}")).data
        assert data.size <= 128
        if method in ("ssim_ae", "ae_l2"):  # networks for 128 or 256 px only
            assert (data.patch or data.size) == 128


def test_each_run_of_the_ablation_differs_from_the_recipe_in_one_setting():
    path, changes = mask_ablation.__file__, mask_ablation.CHANGES
    runs = {run.name: run for run in expand(path, "600", mask_ablation.get_config("600"))}
    assert len(runs) == 6 * len(changes)
    for category in ("bottle", "toothbrush"):
        recipe = runs[f"recipe/{category}/seed1"].settings.leaves()
        assert (recipe["autoencoder.steps"], recipe["seed"]) == (600, 1)
        for change, values in changes.items():
            leaves = runs[f"{change}/{category}/seed1"].settings.leaves()
            differ = {key for key in recipe.keys() & leaves.keys() if recipe[key] != leaves[key]}
            assert differ - {"image_score"} == values.keys()
    with pytest.raises(UserError, match="give a number of steps"):
        mask_ablation.get_config("short")
