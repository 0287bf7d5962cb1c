"""Both sides compute the same: outputs, losses, scores, and three steps of training."""

import dataclasses

import jax
import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `torch` is not installed")

import flax_to_torch
import torch

from adjax import losses
from adjax.benchmark import adjax_side, torch_losses, torch_side
from adjax.benchmark.batches import host_batches, score_batches
from adjax.benchmark.cases import Case, Program

CASES = (
    Case("ssim_ae", "ssim_ae", 128, 1, 2, 2, "ssim"),
    Case("ae", "ae", 12, 3, 4, 3, "distance"),
    Case("rnan", "rnan", 12, 3, 2, 3, "distance"),
)
case_parameter = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def carry(case, variables, network):
    variables = jax.tree.map(lambda x: np.asarray(x[0]), variables)  # of the only member
    if type(network) is torch_side.ConvAutoencoder:
        variables = flax_to_torch.reorder_code(variables, case.size // 4)
        names = flax_to_torch.conv_autoencoder_names(network)
    elif type(network) is torch_side.RNAN:
        names = flax_to_torch.rnan_names(network)
    else:
        names = flax_to_torch.ssim_autoencoder_names(network)
    flax_to_torch.carry(variables, network, names)


def random_variables(variables):
    """Close to the initial ones, but none is zero."""
    rng = np.random.default_rng(1)

    def disturb(x):
        return x + 0.02 * (rng.random(x.shape, np.float32) - np.float32(0.5))

    return jax.tree.map(disturb, variables)


@case_parameter
@pytest.mark.parametrize("memory_format", torch_side.FORMATS, ids=str)
def test_scores_agree(case, memory_format):
    ours, theirs = adjax_side.Score(case, "xla"), torch_side.Score(case, memory_format)
    ours.variables = random_variables(ours.variables)
    carry(case, ours.variables["student" if case.is_student else "autoencoder"], theirs.network)
    if case.is_student:
        carry(case, ours.variables["teacher"], theirs.teacher)
    image = score_batches(case)[0]
    np.testing.assert_allclose(theirs(image), ours(image)[0], rtol=0, atol=1e-4)
    if not case.is_student:
        network, _ = adjax_side.create_networks(case, "float32")
        (variables,) = ours.variables.values()
        variables = jax.tree.map(lambda x: x[0], variables)
        output, _ = jax.jit(network.apply)(variables, image)
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
    for batch in host_batches(case)[:3]:
        loss = theirs({name: image[0] for name, image in batch.items()})
        assert float(loss) == pytest.approx(float(ours(batch)[0]), abs=tolerance)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", [torch_losses.dssim, torch_losses.dssim_by_windows])
def test_ssim_in_both_forms(form, channels):
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 3, 14, 13, channels), np.float32)
    desired = jax.jit(losses.dssim)(a, b).mean((1, 2, 3))
    a, b = (torch.from_numpy(x).permute(0, 3, 1, 2) for x in (a, b))
    np.testing.assert_allclose(form(a, b), desired, rtol=0, atol=1e-5)


def test_a_program_is_run_in_the_faster_memory_format():
    block = torch_side.Side(CASES[1], "bfloat16").block(Program("train", loss="windows"))
    assert block.facts["memory_format"] in ("contiguous_format", "channels_last")
    block.run(2)
