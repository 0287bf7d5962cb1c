"""Whatever executes a run, its numbers agree: members, axes, devices, pmap, repetition."""

import jax
import pytest
from training_helpers import (
    ONE_DEVICE,
    ROUNDING,
    assert_trees_close,
    member,
    records,
    tiny_config,
    train,
)

from adjax.ops import native_library

MEMBERS = (
    {"seed": 5, "data.normal_class": 1},
    {"seed": 0},
    {"seed": 0, "student.loss_weight": 0.2, "teacher.learning_rate": 5e-4},
    {"seed": 7},
)


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    """The function `axis -> variables` of `MEMBERS` on one device."""
    trained = {}

    def on_one_device(axis):
        if axis not in trained:
            config = tiny_config("oe_sdn", members=MEMBERS, population_axis=axis, **ONE_DEVICE)
            trained[axis] = train(config, tmp_path_factory.mktemp(axis))
        return trained[axis]

    return on_one_device


def test_same_seed_gives_the_same_bytes(alone, tmp_path):
    _, variables = alone
    assert_trees_close(variables, train(tiny_config("oe_sdn", **ONE_DEVICE), tmp_path), atol=0)


def test_another_seed_gives_other_parameters(alone, tmp_path):
    _, variables = alone
    other = train(tiny_config("ae", seed=1, **ONE_DEVICE), tmp_path)
    a, b = (trained["teacher"]["params"]["code"]["kernel"] for trained in (variables, other))
    assert abs(a - b).max() > 0.01


def test_teacher_is_frozen_while_the_student_trains(alone, tmp_path):
    _, variables = alone
    teacher = train(tiny_config("ae", **ONE_DEVICE), tmp_path)["teacher"]
    assert_trees_close(variables["teacher"], teacher, atol=0)


def test_on_cpu_tf32_is_float32(alone, tmp_path):
    _, variables = alone
    teacher = train(tiny_config("ae", precision="tf32", **ONE_DEVICE), tmp_path)["teacher"]
    assert_trees_close(variables["teacher"], teacher, atol=0)


@pytest.mark.parametrize("axis", ["map", "vmap", pytest.param("unroll", marks=pytest.mark.slow)])
def test_member_of_a_population_equals_it_alone(alone, population, axis):
    _, variables = alone
    together = population(axis)
    assert_trees_close(member(together, 1), variables, ROUNDING)
    kernels = together["teacher"]["params"]["code"]["kernel"]
    assert all(abs(kernels[k] - kernels[1]).max() > 1e-3 for k in (0, 2, 3))


@pytest.mark.parametrize(
    "mesh", [(2, 4), *(pytest.param(mesh, marks=pytest.mark.slow) for mesh in ((1, 8), (1, 2)))]
)
def test_one_device_equals_many(population, tmp_path, mesh):
    on_many = {"mesh.member": mesh[0], "mesh.data": mesh[1]}
    config = tiny_config("oe_sdn", members=MEMBERS, population_axis="map", **on_many)
    assert_trees_close(train(config, tmp_path), population("map"), ROUNDING)


def test_fast_student_is_the_same_alone_together_on_many_devices_and_by_pmap(tmp_path):
    def variables(folder, **overrides):
        return train(tiny_config("oe_sdn_fast", **overrides), tmp_path / folder)

    together = variables("map", members=MEMBERS, population_axis="map", **ONE_DEVICE)
    alone = variables("alone", seed=MEMBERS[3]["seed"], **ONE_DEVICE)
    assert_trees_close(member(together, 3), alone, ROUNDING)
    on_many = {"mesh.member": 2, "mesh.data": 2}
    spread = variables("many", members=MEMBERS, population_axis="vmap", **on_many)
    assert_trees_close(spread, together, ROUNDING)
    by_pmap = variables("pmap", seed=MEMBERS[3]["seed"], parallel="pmap", **{"mesh.data": 4})
    assert_trees_close(by_pmap, alone, ROUNDING)


@pytest.mark.slow
def test_pmap_equals_shard_map(alone, tmp_path):
    _, variables = alone
    config = tiny_config("oe_sdn", parallel="pmap", **{"mesh.data": 4})
    assert_trees_close(train(config, tmp_path), variables, ROUNDING)


def test_devices_are_there():
    assert len(jax.devices()) == 8


@pytest.mark.skipif(native_library() is None, reason="make native installs it")
def test_both_convolution_paths_give_the_same_training_curve(alone, tmp_path):
    folder, _ = alone  # by oneDNN, for it is installed
    train(tiny_config("oe_sdn", **ONE_DEVICE, **{"ops.convolution": "xla"}), tmp_path)
    curves = records(tmp_path), records(folder)
    assert len(curves[0]) > 4
    for xla, onednn in zip(*curves, strict=True):
        assert xla.keys() == onednn.keys()
        for key in xla.keys() - {"images_per_second", "stage"}:
            assert onednn[key] == pytest.approx(xla[key], rel=1e-3)
