"""Both sides compute the same: outputs, losses, scores, and three steps of training."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `torch` is not installed")

import flax_to_torch
import torch

from adjax import losses
from adjax.models.conv_autoencoder import ConvAutoencoder
from adjax.models.ssim_autoencoder import SSIMAutoencoder
from benchmarks import adjax_side, torch_losses, torch_side
from benchmarks.cases import Case, Program, score_batches

CASES = (
    Case("ssim_ae", "ssim_ae", "mvtec_ad", 128, 1, 2, 2, texture=128),
    Case("ae", "ae", "cifar10", 12, 3, 4, 3),
    Case("rnan", "oe_sdn", "cifar10", 12, 3, 2, 3),
    Case("residual", "oe_sdn_fast", "cifar10", 12, 3, 2, 3),
)
case_parameter = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def carry(case, variables, network):
    variables = jax.tree.map(lambda x: np.asarray(x[0]), variables)  # of the only member
    if type(network) is torch_side.ConvAutoencoder:
        variables = flax_to_torch.reorder_code(variables, case.size // 4)
        names = flax_to_torch.conv_autoencoder_names(network)
    elif type(network) is torch_side.RNAN:
        names = flax_to_torch.rnan_names(network)
    elif type(network) is torch_side.HalfResolutionResNet:
        variables = flax_to_torch.reorder_pixels(variables, case.channels)
        names = flax_to_torch.resnet_names(network)
    else:
        names = flax_to_torch.ssim_autoencoder_names(network)
    flax_to_torch.carry(variables, network, names)


def random_variables(variables):
    """Close to the initial ones, but none is zero."""
    rng = np.random.default_rng(1)

    def disturb(x):
        return x + 0.02 * (rng.random(x.shape, np.float32) - np.float32(0.5))

    return jax.tree.map(disturb, variables)


@functools.cache
def score_of(case):
    """Our score, compiled once for both memory formats."""
    score = adjax_side.Score(case, "xla")
    score.variables = random_variables(score.variables)
    return score


@case_parameter
@pytest.mark.parametrize("memory_format", torch_side.FORMATS, ids=str)
def test_scores_agree(case, memory_format):
    ours, theirs = score_of(case), torch_side.Score(case, memory_format)
    carry(case, ours.variables[ours.method.stages[-1].name], theirs.network)
    if case.is_student:
        carry(case, ours.variables["teacher"], theirs.teacher)
    image = score_batches(case)[0]
    desired, actual = ours(image), theirs(image)
    assert actual.keys() == desired.keys()
    for name, value in desired.items():
        np.testing.assert_allclose(actual[name], value[0], rtol=0, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ("case", "network"),
    [
        (CASES[0], SSIMAutoencoder(100, 0)),
        (CASES[1], ConvAutoencoder(8, (32, 64, 128))),
    ],
    ids=lambda value: getattr(value, "name", None) or "",
)
def test_reconstructions_agree(case, network):
    ours, theirs = score_of(case), torch_side.Score(case, torch.channels_last)
    (variables,) = ours.variables.values()
    carry(case, variables, theirs.network)
    image = score_batches(case)[0]
    output, _ = jax.jit(network.apply)(jax.tree.map(lambda x: x[0], variables), image)
    with torch.inference_mode():
        reconstruction = theirs.network(theirs.tensor(image)).permute(0, 2, 3, 1)
    np.testing.assert_allclose(reconstruction, output, rtol=0, atol=1e-4)


@case_parameter
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.03)])
def test_training_agrees(case, precision, tolerance):
    # Flax normalises bfloat16 by float32 statistics without a cast.
    with jax.numpy_dtype_promotion("strict" if precision == "float32" else "standard"):
        ours = adjax_side.TrainingStep(case, Program("train"), precision, "xla")
    ours.state = dataclasses.replace(ours.state, params=random_variables(ours.state.params))
    theirs = torch_side.TrainingStep(case, precision, "own", torch.channels_last)
    carry(case, ours.state.variables, theirs.network)
    if case.is_student:
        carry(case, ours.frozen["teacher"], theirs.teacher)
    for batch in ours.batches[:3]:
        loss = theirs({name: image[0] for name, image in batch.items()})
        assert float(loss) == pytest.approx(float(ours(batch)[0]), abs=tolerance)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", [torch_losses.ssim, torch_losses.ssim_by_windows])
def test_ssim_in_both_forms(form, channels):
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 3, 14, 13, channels), np.float32)
    desired = jax.jit(losses.ssim)(a, b)
    a, b = (torch.from_numpy(x).permute(0, 3, 1, 2) for x in (a, b))
    np.testing.assert_allclose(form(a, b).permute(0, 2, 3, 1), desired, rtol=0, atol=2e-5)


def test_ssim_of_mirrored_images():
    a, b = np.random.default_rng(0).random((2, 2, 14, 13, 3), np.float32)
    desired = losses.ssim(a, b, padding="same")
    actual = torch_losses.ssim_map(*(torch.from_numpy(x).permute(0, 3, 1, 2) for x in (a, b)))
    np.testing.assert_allclose(actual.permute(0, 2, 3, 1), desired, rtol=0, atol=2e-5)


def test_a_program_is_run_in_the_faster_memory_format():
    block = torch_side.Side(CASES[1], "bfloat16").block(Program("train", variant="windows"))
    assert block.facts["memory_format"] in ("contiguous_format", "channels_last")
    block.run(2)
