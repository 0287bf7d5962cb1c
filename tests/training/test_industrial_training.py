"""Networks of industrial images, with stains, crops and batch statistics: whatever executes them,
their numbers agree, and a run that goes on is the run that was never stopped."""

import jax
import pytest
from training_helpers import assert_trees_close, industrial_config, member, train

from adjax.training import loop

ONE_DEVICE = {"mesh.member": 1, "mesh.data": 1}
ROUNDING = 2e-4  # see test_equality.py
STEPS = {"autoencoder.steps": 8, "checkpoint_every": 4}
METHODS = ("aesc_residual", "unet_ae", "ssim_ae")


class Interrupted(Exception):
    """Stands for a crash between two steps."""


def decided(variables):
    """What training decides of the variables.

    Batch statistics take the bias of a convolution before them away again: its gradient is rounding
    alone, which Adam makes a step of full length, and the running mean follows it.
    """

    def keep(path, leaf):
        collection, layer, name = (key.key for key in path[-3:])
        moves_with_rounding = (
            collection == "params" and layer.startswith("Conv") and name == "bias"
        ) or (collection == "batch_stats" and name == "mean")
        return None if moves_with_rounding else leaf

    if "batch_stats" not in variables:
        return variables
    return jax.tree_util.tree_map_with_path(keep, variables)


@pytest.fixture(scope="module", params=METHODS)
def alone(request, tmp_path_factory):
    """A method, the folder of its images, and what one member becomes on one device."""
    data, directory = (tmp_path_factory.mktemp(name) for name in ("data", "alone"))
    config = industrial_config(data, request.param, **STEPS, **ONE_DEVICE)
    return request.param, data, train(config, directory)["autoencoder"]


def test_member_of_a_population_equals_it_alone(alone, tmp_path):
    method, data, expected = alone
    members = {"seed": 3}, {"seed": 0}, {"seed": 0, "autoencoder.learning_rate": 3e-3}
    config = industrial_config(data, method, members=members, **STEPS, **ONE_DEVICE)
    found = train(config, tmp_path)["autoencoder"]
    assert_trees_close(decided(member(found, 1)), decided(expected), ROUNDING)
    kernels = [x for x in jax.tree.leaves(found["params"]) if x.ndim == 5]
    assert all(abs(x[k] - x[1]).max() > 1e-3 for x in kernels for k in (0, 2))


def test_one_device_equals_many(alone, tmp_path):
    method, data, expected = alone
    config = industrial_config(data, method, **STEPS, **{"mesh.member": 1, "mesh.data": 8})
    found = train(config, tmp_path)["autoencoder"]
    assert_trees_close(decided(found), decided(expected), ROUNDING)


def test_resumed_run_equals_the_uninterrupted_one(alone, tmp_path, monkeypatch):
    method, data, expected = alone
    config = industrial_config(data, method, **STEPS, **ONE_DEVICE)
    batches = loop.stage_batches

    def failing(trainer, stage, steps):
        for number, batch in enumerate(batches(trainer, stage, steps), steps.start):
            if number == 6:
                raise Interrupted
            yield batch

    monkeypatch.setattr(loop, "stage_batches", failing)
    with pytest.raises(Interrupted):
        train(config, tmp_path)
    monkeypatch.setattr(loop, "stage_batches", batches)
    assert_trees_close(train(config, tmp_path)["autoencoder"], expected, atol=0)


def test_pmap_and_other_axes_of_a_population(tmp_path):
    data = tmp_path / "data"
    config = industrial_config(data, "aesc_residual", **STEPS, **ONE_DEVICE)
    expected = decided(train(config, tmp_path / "alone")["autoencoder"])
    config = industrial_config(
        data, "aesc_residual", parallel="pmap", **STEPS, **{"mesh.member": 1, "mesh.data": 4}
    )
    found = decided(train(config, tmp_path / "pmap")["autoencoder"])
    assert_trees_close(found, expected, ROUNDING)
    members = {"seed": 0}, {"seed": 1}
    for axis in ("vmap", "unroll"):
        config = industrial_config(
            data, "aesc_residual", members=members, population_axis=axis, **STEPS, **ONE_DEVICE
        )
        found = decided(member(train(config, tmp_path / axis)["autoencoder"], 0))
        assert_trees_close(found, expected, ROUNDING)


def test_scores_of_one_network_find_it_in_the_cache(tmp_path):
    shared = {"stage_cache": str(tmp_path / "cache"), **STEPS, **ONE_DEVICE}
    data = tmp_path / "data"
    first = train(industrial_config(data, "aesc_residual", **shared), tmp_path / "residual")
    config = industrial_config(data, "aesc_uncertainty", **shared)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(loop, "stage_batches", None)
        assert_trees_close(train(config, tmp_path / "uncertainty"), first, atol=0)
