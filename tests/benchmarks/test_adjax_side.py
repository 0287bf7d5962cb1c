"""Our side measures the product's own configs, and its variants are what they say."""

import re

import jax
import numpy as np
import pytest

from adjax import losses
from adjax.config.layout import check, new_config
from adjax.settings import as_dict
from benchmarks import adjax_side, networks
from benchmarks.cases import AESC, OTHERS, PIPELINE, ZOO, Case, Program

TINY = Case("tiny", "ae", "mnist", 12, 1, 2, 3)
SET_BY_A_CASE = {"batch_size", "learning_rate", "weight_decay", "schedule"}


@pytest.mark.parametrize("case", [*ZOO, *OTHERS], ids=lambda case: case.name)
def test_a_case_is_the_products_config(case):
    """But for what makes the sides comparable."""
    own = check(new_config(case.dataset, case.method, texture=case.texture)).sections
    measured = adjax_side.settings_of(case, Program("train"), "bfloat16").sections
    assert measured.precision == "bfloat16"
    for name in set(vars(own)) - {"precision"}:
        ours, theirs = as_dict(own[name]), as_dict(measured[name])
        changed = {key for key in ours if ours[key] != theirs[key]}
        assert changed <= SET_BY_A_CASE, name


@pytest.mark.parametrize("case", [*ZOO, *OTHERS], ids=lambda case: case.name)
def test_images_that_a_case_takes(case):
    stage = adjax_side.build(adjax_side.settings_of(case, Program("train"))).stages[-1]
    others = {"aesc_residual": ("corrupted",)}
    other = ("auxiliary",) if case.is_student else others.get(case.method, ())
    assert adjax_side.batch_names(stage) == ("image", *other)
    assert stage.batch_size == case.batch_size
    assert stage.images_per_update == case.batch_size * (2 if case.is_student else 1)


def test_the_pipeline_makes_every_set_as_the_product_does():
    for case in (ZOO[1], AESC):
        for name in PIPELINE[case.method]:
            settings = adjax_side.settings_of(case, Program("input", images=name))
            stage = adjax_side.build(settings).stages[-1]
            sets = settings.auxiliary if case.is_student else settings.corruption
            made = stage.auxiliary if case.is_student else stage.corruption
            assert made == (name, as_dict(sets)[name])


def test_without_ssim():
    ssim_ae = adjax_side.settings_of(ZOO[0], networks.WITHOUT_SSIM)
    assert ssim_ae.method == "ae_l2"
    assert ssim_ae.autoencoder == adjax_side.settings_of(ZOO[0], networks.TRAIN).autoencoder
    assert adjax_side.settings_of(ZOO[1], networks.WITHOUT_SSIM).distance.ssim_weight == 0


def test_variants_of_a_step():
    """By windows the loss is the same; without SSIM there is less to compute."""
    own, windows, squared = (
        adjax_side.TrainingStep(TINY, program, "float32", "xla")
        for program in (networks.TRAIN, networks.BY_WINDOWS, networks.WITHOUT_SSIM)
    )
    losses_of = [float(step(own.batches[0])[0]) for step in (own, windows, squared)]
    assert losses_of[1] == pytest.approx(losses_of[0], abs=1e-5)
    assert losses_of[2] < losses_of[0] - 0.1
    assert squared.facts["flops"] < own.facts["flops"] != windows.facts["flops"]
    assert losses.ssim is not adjax_side.ssim_by_windows


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_by_windows_equals_ours(channels):
    rng = np.random.default_rng(channels)
    a, b = rng.random((2, 3, 14, 13, channels), np.float32)
    desired = jax.jit(losses.ssim)(a, b)
    actual = jax.jit(adjax_side.ssim_by_windows)(a, b)
    np.testing.assert_allclose(actual, desired, rtol=0, atol=2e-5)


def test_the_package_does_without_this_folder(repository):
    imports = re.compile(r"^\s*(from|import) benchmarks\b", re.MULTILINE)
    files = list((repository / "adjax").rglob("*.py"))
    assert files
    # The command asks first whether the folder is there.
    importing = [path.name for path in files if imports.search(path.read_text())]
    assert importing == ["command.py"]
