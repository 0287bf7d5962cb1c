"""Whatever executes a run, its numbers agree: members, axes, devices, pmap, repetition."""

import json

import jax
import pytest
from training_helpers import assert_trees_close, member, tiny_config, train

from adjax.ops import native_library

ONE_DEVICE = {"mesh.member": 1, "mesh.data": 1}
# Adam divides by the root of the second moment: rounding of a gradient near zero is amplified.
ROUNDING = 2e-4


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One member on one device, both stages."""
    return train(tiny_config("oe_sdn", **ONE_DEVICE), tmp_path_factory.mktemp("alone"))


def test_same_seed_gives_the_same_bytes(alone, tmp_path):
    assert_trees_close(alone, train(tiny_config("oe_sdn", **ONE_DEVICE), tmp_path), atol=0)


def test_another_seed_gives_other_parameters(alone, tmp_path):
    other = train(tiny_config("ae", seed=1, **ONE_DEVICE), tmp_path)["teacher"]
    kernel = ("params", "code", "kernel")
    a, b = (tree[kernel[0]][kernel[1]][kernel[2]] for tree in (alone["teacher"], other))
    assert abs(a - b).max() > 0.01


def test_teacher_is_frozen_while_the_student_trains(alone, tmp_path):
    config = tiny_config("ae", **ONE_DEVICE)
    assert_trees_close(alone["teacher"], train(config, tmp_path)["teacher"], atol=0)


@pytest.mark.parametrize("axis", ["map", "vmap", pytest.param("unroll", marks=pytest.mark.slow)])
def test_member_of_a_population_equals_it_alone(alone, tmp_path, axis):
    members = (
        {"seed": 5, "data.normal_class": 1},
        {"seed": 0},
        {"seed": 0, "student.loss_weight": 0.2, "teacher.learning_rate": 3e-3},
        {"seed": 7},
    )
    config = tiny_config("oe_sdn", members=members, population_axis=axis, **ONE_DEVICE)
    population = train(config, tmp_path)
    assert_trees_close(member(population, 1), alone, ROUNDING)
    kernels = population["teacher"]["params"]["code"]["kernel"]
    assert all(abs(kernels[k] - kernels[1]).max() > 1e-3 for k in (0, 2, 3))


@pytest.mark.parametrize(
    "mesh", [(2, 4), *(pytest.param(mesh, marks=pytest.mark.slow) for mesh in ((1, 8), (1, 2)))]
)
def test_one_device_equals_many(tmp_path, mesh):
    members = ({"seed": 0}, {"seed": 1})
    on_one = train(tiny_config("oe_sdn", members=members, **ONE_DEVICE), tmp_path / "one")
    config = tiny_config(
        "oe_sdn", members=members, **{"mesh.member": mesh[0], "mesh.data": mesh[1]}
    )
    assert_trees_close(train(config, tmp_path / "many"), on_one, ROUNDING)


def test_pmap_equals_shard_map(alone, tmp_path):
    config = tiny_config("oe_sdn", parallel="pmap", **{"mesh.data": 4})
    assert_trees_close(train(config, tmp_path), alone, ROUNDING)


def test_devices_are_there():
    assert len(jax.devices()) == 8


@pytest.mark.skipif(native_library() is None, reason="make native installs it")
def test_both_convolution_paths_give_the_same_training_curve(tmp_path):
    curves = {}
    for name in ("xla", "onednn"):
        train(tiny_config("oe_sdn", **{**ONE_DEVICE, "ops.convolution": name}), tmp_path / name)
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        curves[name] = [json.loads(line) for line in lines]
    assert len(curves["xla"]) > 4
    for xla, onednn in zip(curves["xla"], curves["onednn"], strict=True):
        assert xla.keys() == onednn.keys()
        for key in xla.keys() - {"images_per_second", "stage"}:
            assert onednn[key] == pytest.approx(xla[key], rel=1e-3)
