"""A config holds the sections of its task and its method, and every leaf of them is checked."""

import math
import subprocess
import sys

import pytest

from adjax.config.layout import check, for_method, kind_of, new_config, union
from adjax.errors import UserError
from adjax.methods import infos
from adjax.settings import flat

HUGE = 10**30
# Nothing, of the wrong type, negative, zero, huge, not finite, empty.
WRONG = (
    None,
    {},
    object,
    "no such word",
    -1,
    -0.5,
    0,
    0.0,
    HUGE,
    1e300,
    math.nan,
    math.inf,
    (),
    "",
)
KINDS = {"classes": "mnist", "industrial": "mvtec_ad"}
CONFIGS = [
    (KINDS[kind], name) for name, info in infos().items() for kind in KINDS if kind in info.tasks
]


def with_value(values, key, value):
    """A copy of nested dicts with another leaf."""
    first, _, rest = key.partition(".")
    own = with_value(values[first], rest, value) if rest else value
    return {**values, first: own}


def said_of(values):
    """What is said of a config that is refused; empty if it is not."""
    try:
        check(values)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("dataset", "method"), CONFIGS)
def test_every_leaf_is_checked(dataset, method):
    values = new_config(dataset, method).to_dict()
    check(values)
    for key in flat(values):
        said = [said_of(with_value(values, key, wrong)) for wrong in WRONG]
        refusals = [line for line in said if line]
        assert all(line.startswith("config.") and "\n" not in line for line in refusals), key
        if key != "members":  # which are looked at with the method
            assert len(refusals) >= 6, (key, refusals)


@pytest.mark.parametrize(
    ("method", "values", "says"),
    [
        ("vae", {"itae": {"steps": 3}}, "config.itae: the config has no such key"),
        ("vae", {"method": "itae"}, "the config has no section itae: choose the method by"),
        ("vae", {"method": "unet_ae"}, "config.method='unet_ae': is not for mnist"),
        ("vae", {"method": "ae_top"}, "config.method='ae_top': choose one of "),
        ("vae", {"data.name": "mvtec_ad"}, "config.data.name='mvtec_ad': choose its config file"),
        ("vae", {"checkpoint_every": 7}, "config.checkpoint_every=7: make it a multiple of log"),
        ("oe_sdn", {"student.auxiliary": "snow"}, "choose one of adversarial_noise, gaussian_b"),
        ("oe_sdn", {"student.auxiliary": "none"}, "choose one of adversarial_noise, gaussian_b"),
        ("ae", {"distance.ssim_weight": 0.0, "distance.squared_weight": 0.0}, "must be positive"),
        (
            "ganomaly",
            {
                f"ganomaly.{term}_weight": 0.0
                for term in ("adversarial", "reconstruction", "latent")
            },
            "config.ganomaly.reconstruction_weight=0.0: one of reconstruction_weight and adv",
        ),
        ("ae", {"teacher.learning_rate": 0.0}, "learning_rate=0.0: must be positive"),
        (
            "oe_sdn",
            {"auxiliary.adversarial_noise.eps": 0.0},
            "eps=0.0: must lie between 0.001 and 1",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(method, values, says):
    config = new_config("mnist", method).to_dict()
    for key, value in values.items():
        config = with_value(config, key, value) if "." in key else {**config, key: value}
    with pytest.raises(UserError) as error:
        check(config)
    assert says in str(error.value)


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
        ({"data.samples": -1}, "data.samples=-1: must not be negative"),
        ({"windows.at_once": 0}, "windows.at_once=0: must be at least 1"),
        ({"threshold.rule": "best"}, "choose one of quantile, k_sigma, minimum_area"),
        ({"threshold.quantile": 1.5}, "threshold.quantile=1.5: must be above 0 and at most 1"),
        ({"threshold.image_quantile": 0.0}, "image_quantile=0.0: must be above 0 and at most 1"),
        ({"threshold.area": 0}, "threshold.area=0: must be at least 1"),
        ({"threshold.area": 70000}, "threshold.area=70000: an image has fewer pixels"),
        ({"autoencoder.schedule": "step"}, "choose one of cosine, constant"),
        ({"autoencoder.depth": 0}, "autoencoder.depth=0: must be at least 1"),
        (
            {"autoencoder.corruption": "snow"},
            "choose one of none, drops, gaussian, nsa_like, paste, scratch",
        ),
        ({"corruption.stain.irregularity": math.nan}, "must be a finite number"),
        ({"corruption.scratch.brush": -1}, "scratch.brush=-1: use an odd number"),
        ({"corruption.stain.noise_variance": -1.0}, "must lie between 0 and 1"),
        ({"corruption.drops.number": 0}, "drops.number=0: must be at least 1"),
    ],
)
def test_what_no_run_on_a_category_could_have_is_refused(values, says):
    config = new_config("mvtec_ad", "aesc_residual")
    config.update_from_flattened_dict(values)
    with pytest.raises(UserError, match=rf"^config\..*{says}"):
        check(config)


def test_config_holds_what_its_run_reads():
    leaves = check(new_config("mnist", "oe_sdn")).leaves()
    assert len(leaves) < 50
    assert "auxiliary.rotation.angles" in leaves
    assert not any(key.startswith("auxiliary.shearing") for key in leaves)
    config = new_config("mnist", "ocsvm")
    assert "teacher" not in config
    assert "crops" not in config


def test_values_of_another_method_keep_what_both_have():
    config = new_config("mnist", "oe_sdn", smoke=True)
    config.seed, config.teacher.steps = 3, 7
    other = for_method(config, "ae")
    check(other)
    assert (other.method, other.seed, other.teacher.steps) == ("ae", 3, 7)
    assert other.data.test_split == "test[:400]"
    assert "student" not in other
    assert for_method(config, "oe_sdn") is config


def test_union_has_the_keys_of_all():
    config = union([new_config("mnist", name) for name in ("vae", "itae")])
    assert config.method == "vae"
    assert config.itae.steps == new_config("mnist", "itae").itae.steps
    assert config.vae.steps == new_config("mnist", "vae").vae.steps


def test_kinds():
    assert kind_of("mvtec_ad") == kind_of("folder") == "industrial"
    assert kind_of("kmnist") == "classes"


LIGHT = """
import sys
from configs import mnist, mvtec_ad
from adjax.config import identity, layout
layout.check(mnist.get_config("oe_sdn"))
layout.check(mvtec_ad.get_config("aesc_residual"))
heavy = {"jax", "flax", "optax", "tensorflow", "sklearn", "matplotlib"} & set(sys.modules)
sys.exit(", ".join(heavy) or 0)
"""


def test_checks_import_nothing_heavy(repository):
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("method", "values", "says"),
    [
        ("aesc_uncertainty", {"uncertainty.passes": 1}, "passes=1: must be at least 2"),
        ("aesc_uncertainty", {"uncertainty.aesc": (0.0,) * 6}, "one of the rates must be positive"),
        ("ae_d6_uncertainty", {"uncertainty.ae_d6": (0.0,)}, "one of the rates must be positive"),
        ("ocsvm", {"ocsvm.nu": 1.0}, "nu=1.0: must be above 0 and below 1"),
        (
            "isolation_forest",
            {"isolation_forest.subsample": 2},
            "subsample=2: must be at least 3 and at most 65536",
        ),
        ("aesc_mask", {"mask.weight": 0.0}, "config.mask.weight=0.0: must be positive"),
    ],
)
def test_score_that_would_be_the_same_everywhere_is_refused(method, values, says):
    config = new_config("mvtec_ad", method)
    config.update_from_flattened_dict(values)
    with pytest.raises(UserError) as error:
        check(config)
    assert says in str(error.value)


def weights_of(values):
    """The settings of a config that weigh terms of a loss, by section."""
    found = {}
    for key in flat(values):
        section, _, name = key.rpartition(".")
        if name.endswith("_weight"):
            found.setdefault(section, []).append(key)
    return found


@pytest.mark.parametrize(("dataset", "method"), CONFIGS)
def test_not_all_terms_of_a_loss_can_be_switched_off(dataset, method):
    values = new_config(dataset, method).to_dict()
    for keys in weights_of(values).values():
        changed = values
        for key in keys:
            changed = with_value(changed, key, 0.0)
        # A single weight stands beside a term that has none.
        assert bool(said_of(changed)) == (len(keys) > 1), keys
