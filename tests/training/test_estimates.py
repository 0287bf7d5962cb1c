"""Estimates hold against hand counts and against what XLA allocates."""

import jax
import jax.numpy as jnp
import pytest
from training_helpers import tiny_config

from adjax.methods import create_method
from adjax.preparation import create_trainer
from adjax.training import compile_update, estimate, init_state, snapshot, stage_batches
from adjax.training.estimates import peak_bytes

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


@pytest.mark.parametrize("index", [0, 1])
def test_estimate_of_a_member_bounds_what_xla_allocates(tmp_path, index):
    config = tiny_config("oe_sdn", **{"mesh.member": 1, "mesh.data": 1})
    trainer = create_trainer(config, create_method(config), tmp_path)
    need = estimate(trainer, index)
    states = [
        init_state(stage, i, trainer.execution, trainer.image_shape, trainer.members)
        for i, stage in enumerate(trainer.method.stages[: index + 1])
    ]
    frozen = {"teacher": snapshot(states[0].variables)} if index else {}
    stage = trainer.method.stages[index]
    batch = next(iter(stage_batches(trainer, stage, range(1))))
    operands = states[-1], frozen, batch, trainer.members
    compiled = compile_update(stage, index, trainer.execution, operands)
    memory = compiled.update.memory_analysis()
    taken = memory.argument_size_in_bytes + memory.temp_size_in_bytes
    assert need.kept + need.work > taken / 2
    if index == 0:  # the student's attention loops over images on a CPU, the estimate does not
        assert need.kept + need.work < 6 * taken
    assert need.flops == pytest.approx(compiled.flops, rel=0.5)
