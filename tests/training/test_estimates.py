"""Estimates hold against hand counts and against what XLA allocates."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training_helpers import ONE_DEVICE, population_of, tiny_config

from adjax.training import compile_update, init_state, snapshot, stage_batches
from adjax.training.checkpoints import Checkpoints
from adjax.training.estimates import estimate, least_bytes, peak_bytes, reduced_bytes
from adjax.training.population import tree_like

KILO = jax.ShapeDtypeStruct((250,), jnp.float32)  # 1000 bytes


def peak(function, *shapes):
    return peak_bytes(jax.make_jaxpr(function)(*shapes).jaxpr)


def test_values_count_while_they_are_used():
    assert peak(lambda x: jnp.sin(x), KILO) == 2000
    assert peak(lambda x: jnp.sin(jnp.sin(jnp.sin(x))), KILO) == 2000
    assert peak(lambda x: jnp.sin(jnp.sin(x)) + x, KILO) == 3000
    assert peak(lambda x, unused: jnp.sin(x), KILO, KILO) == 2000


def test_called_programs_and_loops_add_their_own_peak():
    def body(carry, _):
        return jnp.sin(jnp.sin(carry) + carry), None

    looped = lambda x: jax.lax.scan(body, x, None, length=5)[0]  # noqa: E731
    assert peak(looped, KILO) == peak(lambda x: body(x, None)[0], KILO) == 3000
    assert peak(jax.jit(lambda x: jnp.sin(jnp.sin(x)) + x), KILO) == 3000


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A population of one on one device."""
    return population_of(tiny_config("oe_sdn", **ONE_DEVICE), tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module", params=[0, 1], ids=["teacher", "student"])
def index(request):
    """Of a stage."""
    return request.param


@pytest.fixture(scope="module")
def need(alone, index):
    """The estimate of a stage."""
    return estimate(alone, index)


def test_estimate_of_a_member_bounds_what_xla_allocates(alone, index, need):
    execution, members = alone.execution, alone.members.arrays
    states = [
        init_state(stage, i, execution, alone.images.shape, members)
        for i, stage in enumerate(alone.method.stages[: index + 1])
    ]
    frozen = {"teacher": snapshot(states[0].variables)} if index else {}
    stage = alone.method.stages[index]
    batch = next(iter(stage_batches(alone, stage, range(1))))
    compiled = compile_update(stage, index, execution, (states[-1], frozen, batch, members))
    memory = compiled.update.memory_analysis()
    taken = memory.argument_size_in_bytes + memory.temp_size_in_bytes
    assert need.kept + need.work > taken / 2
    if index == 0:  # the student's attention loops over images on a CPU, the estimate does not
        assert need.kept + need.work < 6 * taken
    assert need.flops == pytest.approx(compiled.flops, rel=0.5)


def test_bytes_that_devices_sum_are_those_of_the_compiled_all_reduces(index, need, tmp_path):
    population = population_of(
        tiny_config("oe_sdn", **{"mesh.member": 1, "mesh.data": 2}), tmp_path
    )
    assert population.execution.data_devices == 2
    trees = [tree_like(population, i) for i in range(index + 1)]
    frozen = {"teacher": trees[0]["best"]} if index else {}
    stage = population.method.stages[index]
    batch = next(iter(stage_batches(population, stage, range(1))))
    operands = trees[-1]["state"], frozen, batch, population.members.arrays
    compiled = compile_update(stage, index, population.execution, operands).update.as_text()
    results = re.findall(r"= (\(?f32.*?) all-reduce(?:-start)?\(", compiled)
    shapes = [shape for result in results for shape in re.findall(r"f32\[([\d,]*)\]", result)]
    summed = sum(4 * math.prod(map(int, filter(None, shape.split(",")))) for shape in shapes)
    # XLA may drop a sum that nothing depends on, and join equal ones.
    assert 0.98 * need.reduced <= summed <= need.reduced


def test_sums_inside_loops_count_every_time():
    def body(carry, _):
        return jax.lax.psum(carry, "data"), None

    looped = lambda x: jax.lax.scan(body, x, None, length=5)[0]  # noqa: E731
    jaxpr = jax.make_jaxpr(looped, axis_env=[("data", 2)])(KILO).jaxpr
    assert reduced_bytes(jaxpr) == 5000


def test_bytes_of_a_batch_and_of_a_checkpoint(alone, tmp_path):
    need = estimate(alone, 1)
    batch_size = tiny_config("oe_sdn").student.batch_size
    assert need.fed == 2 * batch_size * 28 * 28 * 4  # normal and auxiliary images
    random = np.random.default_rng(0)  # bytes that no compression can shrink

    def noise(x):
        size = math.prod(x.shape) * x.dtype.itemsize
        return np.frombuffer(random.bytes(size), x.dtype).reshape(x.shape)

    tree = jax.tree.map(noise, tree_like(alone, 1))
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, tree, {})
    checkpoints.close()
    written = sum(p.stat().st_size for p in (tmp_path / "checkpoints").rglob("*") if p.is_file())
    # Each array comes with some kilobytes of description.
    assert need.saved <= written < need.saved + 6000 * len(jax.tree.leaves(tree))


def least(function, *shapes):
    return least_bytes(jax.make_jaxpr(function)(*shapes).jaxpr)


def test_what_no_compiler_saves():
    square = jax.ShapeDtypeStruct((10, 10), jnp.float32)  # 400 bytes
    assert least(lambda x: jnp.sin(jnp.sin(x)) + 1, KILO) == 1000  # fused
    assert least(lambda x: x @ (x + 1), square) == 1200
    assert least(lambda x: (x[:, :1] @ x[:1]).sum(), square) == 480
    looped = lambda x: jax.lax.map(lambda row: row[None] @ row[:, None], x)  # noqa: E731
    assert least(looped, square) == 400  # one row at a time
    branched = lambda x: jax.lax.cond(x.sum() > 0, lambda: x @ (x + 1), lambda: x)  # noqa: E731
    assert least(branched, square) == 400
