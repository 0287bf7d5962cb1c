"""Networks of industrial images, with stains, crops and batch statistics: whatever executes them,
their numbers agree, and a run that goes on is the run that was never stopped."""

import jax
import numpy as np
import pytest
from training_helpers import (
    ONE_DEVICE,
    assert_trees_close,
    industrial_config,
    member,
    records,
    timeless_records,
    train,
    train_interrupted,
)

from adjax.training import loop

STEPS = {"autoencoder.steps": 8, "checkpoint_every": 4}
SLOW = pytest.mark.slow  # to compile
METHODS = ("aesc_residual", *(pytest.param(m, marks=SLOW) for m in ("unet_ae", "ssim_ae")))


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


def assert_same_training(directory, config, found, expected, rows=None):
    """The curves of two runs, and what they come to but for less than one step of Adam.

    Adam divides by the root of the second moment: rounding of a gradient near zero is amplified.

    Args:
      directory: of the one, and beside it `alone`, of the other.
      config: of the one.
      found: its variables.
      expected: those of the other.
      rows: members of the one to compare; None: it has one.

    """
    curves = records(directory), records(directory.parent / "alone")
    assert len(curves[0]) == len(curves[1]) > 5
    for a, b in zip(*curves, strict=True):
        for key in b.keys() - {"images_per_second", "stage", "validation_loss"}:
            values = a[key] if rows is None or key == "step" else [a[key][row] for row in rows]
            assert values == pytest.approx(b[key], rel=2e-3), key
    for row in rows or (0,):
        pair = decided(member(found, row)), decided(expected)
        assert_trees_close(*pair, config.autoencoder.learning_rate)
        off = [abs(a - b).mean() for a, b in zip(*map(jax.tree.leaves, pair), strict=True)]
        assert np.mean(off) < config.autoencoder.learning_rate / 20


@pytest.fixture(scope="module", params=METHODS)
def alone(request, tmp_path_factory):
    """A function `(values) -> config` and what one member becomes on one device, in `alone`."""
    folder = tmp_path_factory.mktemp(request.param)

    def config_of(**values):
        return industrial_config(folder / "data", request.param, **STEPS, **values)

    return folder, config_of, train(config_of(**ONE_DEVICE), folder / "alone")["autoencoder"]


def test_member_on_many_devices_equals_it_alone(alone):
    folder, config_of, expected = alone
    members = {"seed": 3}, {"seed": 0}
    config = config_of(members=members, **{"mesh.member": 2, "mesh.data": 4})
    found = train(config, folder / "many")["autoencoder"]
    assert_same_training(folder / "many", config, found, expected, rows=(1,))
    kernels = [x for x in jax.tree.leaves(found["params"]) if x.ndim == 5]
    assert all(abs(x[0] - x[1]).max() > 1e-3 for x in kernels)


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["map", "vmap", "unroll"])
def test_member_of_a_population_equals_it_alone(alone, axis):
    folder, config_of, expected = alone
    members = {"seed": 0, "autoencoder.learning_rate": 3e-3}, {"seed": 0}
    config = config_of(members=members, population_axis=axis, **ONE_DEVICE)
    found = train(config, folder / axis)["autoencoder"]
    assert_same_training(folder / axis, config, found, expected, rows=(1,))


@pytest.mark.slow
@pytest.mark.parametrize(("parallel", "devices"), [("shard_map", 8), ("pmap", 4)])
def test_one_device_equals_many(alone, parallel, devices):
    folder, config_of, expected = alone
    config = config_of(parallel=parallel, **{"mesh.member": 1, "mesh.data": devices})
    found = train(config, folder / parallel)["autoencoder"]
    assert_same_training(folder / parallel, config, found, expected)


def test_resumed_run_equals_the_uninterrupted_one(alone):
    folder, config_of, expected = alone
    config, directory = config_of(**ONE_DEVICE), folder / "cut"
    train_interrupted(config, directory, "autoencoder")
    assert_trees_close(train(config, directory)["autoencoder"], expected, atol=0)
    assert timeless_records(directory) == timeless_records(folder / "alone")


def test_scores_of_one_network_find_it_in_the_cache(tmp_path):
    shared = {"stage_cache": str(tmp_path / "cache"), **STEPS, **ONE_DEVICE}
    data = tmp_path / "data"
    first = train(industrial_config(data, "aesc_residual", **shared), tmp_path / "residual")
    config = industrial_config(data, "aesc_uncertainty", **shared)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(loop, "stage_batches", None)
        assert_trees_close(train(config, tmp_path / "uncertainty"), first, atol=0)
