"""Compiled for devices that are not here, members keep convolutions of their own."""

import functools
import json
import subprocess
import sys

import pytest

from benchmarks.compiled import Facts, count

_PROGRAM = """
import dataclasses, json, sys
from adjax.config.layout import check
from adjax.errors import UserError
from benchmarks import targets
from configs import mnist
argument, target, members, axis, steps = sys.argv[1:]
try:
    settings = check(mnist.get_config(argument))
    found = targets.facts(settings, target, int(members), axis, int(steps))
    print(json.dumps([dataclasses.asdict(facts) for facts in found]))
except UserError as error:
    print(json.dumps(str(error)))
"""


def counts(target, argument, members, axis, steps=0):
    """Facts of each stage, compiled for a target."""
    arguments = [argument, target, str(members), axis, str(steps)]
    command = [sys.executable, "-W", "ignore", "-c", _PROGRAM, *arguments]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(output.splitlines()[-1])
    if isinstance(found, str):
        pytest.skip(found)
    return [Facts(**facts) for facts in found]


@pytest.fixture(params=["h100", "v5e"])
def counted(request):
    """The function `(argument, members, axis) -> facts of each stage`, for a target."""
    return functools.partial(counts, request.param)


_SUMS = """
import json
from adjax.errors import UserError
from adjax.ops import compiler_options
from benchmarks import targets
import jax, jax.numpy as jnp
try:
    platform, device = targets._device("h100")
except UserError as error:
    print(json.dumps(str(error)))
    raise SystemExit
sharding = jax.sharding.SingleDeviceSharding(device)
shapes = [
    jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)
    for shape, dtype in (((256, 8), jnp.float32), ((256,), jnp.int32))
]
counts = []
for deterministic in (True, False):
    options = compiler_options(device.platform, deterministic)
    add = jax.jit(lambda x, at: jnp.zeros((64, 8)).at[at].add(x), compiler_options=options)
    compiled = add.trace(*shapes).lower(lowering_platforms=(platform,)).compile()
    counts.append(compiled.as_text().count(" sort("))
print(json.dumps(counts))
"""


def test_compiler_of_gpus_takes_the_option_of_one_program():
    """What is added to one place is put in order first, in that program alone."""
    command = [sys.executable, "-W", "ignore", "-c", _SUMS]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(output.splitlines()[-1])
    if isinstance(found, str):
        pytest.skip(found)
    assert found == [1, 0]


@pytest.mark.slow  # about a minute a program
@pytest.mark.parametrize("argument", ["ae", "oe_sdn_fast", "deep_svdd", "ganomaly"])
def test_no_convolution_is_grouped(counted, argument):
    alone, together = (counted(argument, members, "vmap") for members in (1, 8))
    for one, all_of_them in zip(alone, together, strict=True):
        assert one.convolutions
        assert one.grouped == all_of_them.grouped == 0


@pytest.mark.slow
def test_members_in_a_loop_share_memory_and_widened_ones_share_kernels(counted):
    (one,), (together,), (looped,) = (
        counted("ae", members, axis) for members, axis in ((1, "map"), (8, "vmap"), (8, "map"))
    )
    assert looped.convolutions == one.convolutions
    assert looped.temporary < 8 * one.temporary
    assert together.kernels < 4 * one.kernels


@pytest.mark.slow
def test_step_within_a_call_of_several_launches_few_kernels():
    teacher, student = counts("h100", "oe_sdn", 1, "map", steps=10)
    assert teacher.looped <= 150
    assert student.looped <= 600


def test_groups_and_kernels_are_counted():
    text = """HloModule m

%fused_computation (p: f32[]) -> f32[] {
  %p = f32[] parameter(0)
  %a = f32[] copy(%p)
}

%body (y: f32[]) -> f32[] {
  %d = f32[] copy(%y)
}

ENTRY %main (x: f32[]) -> f32[] {
  %a = f32[] convolution(%x, %w), feature_group_count=4
  %b = f32[] custom-call(%x), custom_call_target="__cudnn$convForward", feature_group_count=1
  %c = f32[] fusion(%b), kind=kLoop, calls=%fused_computation
}
"""

    class Compiled:
        def as_text(self):
            return text

        def memory_analysis(self):
            return type("Memory", (), {"temp_size_in_bytes": 7})

    assert count("s", Compiled()) == Facts("s", 2, 1, 4, 7, looped=1)
