"""What the compiler makes of our training steps for a device that is not here: counts, no times.

    make install-aot
    python -m benchmarks.targets --config=configs/mnist.py:oe_sdn --target=h100 --members=1,8

compiles the update of every stage for a GPU of the kind H100 or a TPU of the kind v5e. Nothing is
run and nothing is tuned, so layouts, kinds of convolutions, numbers of kernels and memory are real,
and there are no times.
"""

import argparse
import functools
import itertools
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

# Before JAX looks for plug-ins: where `make install-aot` puts them, apart from what runs programs.
sys.path.append(str(Path(sys.prefix) / "aot"))
os.environ |= {"JAX_PLATFORMS": "cpu", "TPU_SKIP_MDS_QUERY": "1", "ADJAX_COMPILER_OPTIONS": "0"}

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh, NamedSharding

from adjax import device_inputs
from adjax.config.layout import Settings, check
from adjax.errors import UserError
from adjax.methods.stage import DATA_AXIS, Fit, Method, Stage
from adjax.reports.rendering import Table, to_markdown
from adjax.run import build_method
from adjax.training.execution import (
    MEMBER_AXIS,
    OF_BATCHES,
    OF_MEMBERS,
    OF_SEVERAL_BATCHES,
    REPLICATED,
    Execution,
)
from adjax.training.members_axis import AXES
from adjax.training.programs import WHOLE, Feed, update_program
from benchmarks.compiled import Facts, count

_TABLE = 60_000  # images that lie on the device
_IMAGES = {"mnist": (28, 28, 1), "fashion_mnist": (28, 28, 1), "cifar10": (32, 32, 3)}
# An H100 SXM, as XLA's compiler is told of one.
_H100 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048
  shared_memory_per_block: 49152 shared_memory_per_core: 233472
  shared_memory_per_block_optin: 232448 registers_per_core_limit: 65536
  registers_per_block_limit: 65536 core_count: 132 fpus_per_core: 128
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98
  device_memory_size: 84942979072 cuda_compute_capability { major: 9 }
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 8 patch: 0 }
runtime_version { major: 12 minor: 8 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


def facts(
    settings: Settings, target: str, members: int, axis: str, steps: int = 0
) -> Iterator[Facts]:
    """Compile the update of every stage of a method for a target.

    Args:
      settings: of a run.
      target: "h100" or "v5e".
      members: of the population.
      axis: see `over_members`.
      steps: updates in one call, whose batches are made on the device; 0: one, of a batch from the
        host.

    Yields:
      The counts of one stage after another, without those that are no descent.

    Raises:
      UserError: if the compiler of the target is not installed.

    """
    method = build_method(settings)
    platform, device = _device(target)
    grid = np.array([[device]])
    mesh = Mesh(grid, (MEMBER_AXIS, DATA_AXIS), axis_types=(AxisType.Auto, AxisType.Auto))
    execution = Execution(mesh, axis, "shard_map", "xla")
    frozen = {}
    for index, stage in enumerate(method.stages):
        state, member = _state_of(method, stage, index, frozen, _image_shape(settings))
        if not isinstance(stage, Fit):
            own = (
                _of_members(tree, members, NamedSharding(mesh, OF_MEMBERS))
                for tree in (state, frozen, member)
            )
            made = _batch if not steps else functools.partial(_numbers, steps)
            batch, feed = made(stage, _image_shape(settings), members, mesh)
            program = update_program(stage.update, index, execution, feed)
            state_of_all, frozen_of_all, member_of_all = own
            traced = program.trace(state_of_all, frozen_of_all, batch, member_of_all)
            yield count(stage.name, traced.lower(lowering_platforms=(platform,)).compile())
        frozen = frozen | {stage.name: state.variables}


@functools.cache
def _device(target: str):
    """Return the platform and a device of a target."""
    try:
        if target == "v5e":
            described = topologies.get_topology_desc(platform="tpu", topology_name="v5e:2x2")
            return "tpu", described.devices[0]
        described = topologies.get_topology_desc(
            platform="cuda", topology_name="", target_config=_H100, topology="1x1x1"
        )
        return "cuda", described.devices[0]
    except Exception as error:  # whatever JAX raises where the plug-in is missing
        reason = str(error).splitlines()[0]
        raise UserError(
            f"there is no compiler for {target} ({reason}): make install-aot"
        ) from error


def _image_shape(settings: Settings) -> tuple[int, ...]:
    data = settings.data
    if data.name in _IMAGES:
        return _IMAGES[data.name]
    side = data.patch or data.size
    return side, side, data.channels


def _state_of(method: Method, stage: Stage, index: int, frozen, image_shape):
    """Return the shapes of a member's state at the beginning of a stage, and those of a member."""
    member = {"seed": jax.ShapeDtypeStruct((), jnp.int32)}
    member |= {name: jax.ShapeDtypeStruct((), jnp.float32) for name in method.dynamic}

    def begin(member, frozen):
        key = jax.random.fold_in(jax.random.key(member["seed"]), index)
        state = stage.init(key, jnp.zeros((1, *image_shape), jnp.float32))
        return state if stage.begin is None else stage.begin(state, frozen)

    return jax.eval_shape(begin, member, frozen), member


def _batch(stage: Stage, image_shape, members: int, mesh: Mesh):
    """Return the shapes of a batch from the host, and how the update is fed."""
    kinds = {"image": True, "auxiliary": stage.auxiliary, "corrupted": stage.corruption}
    shape, sharding = (members, stage.batch_size, *image_shape), NamedSharding(mesh, OF_BATCHES)
    image = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=sharding)
    return {kind: image for kind, is_made in kinds.items() if is_made}, WHOLE


def _numbers(steps: int, stage: Stage, image_shape, members: int, mesh: Mesh):
    """Return the shapes of what the device makes batches of, and how the update is fed."""
    sharding = NamedSharding(mesh, OF_BATCHES if steps == 1 else OF_SEVERAL_BATCHES)
    shape = (*([steps] if steps > 1 else []), members, stage.batch_size)
    number = jax.ShapeDtypeStruct(shape, jnp.int32, sharding=sharding)
    table = jax.ShapeDtypeStruct(
        (_TABLE, *image_shape), jnp.uint8, sharding=NamedSharding(mesh, REPLICATED)
    )
    feed = Feed(device_inputs.maker(stage.auxiliary, stage.corruption), steps)
    return (table, dict.fromkeys(("row", "position", "crop"), number)), feed


def _of_members(tree, members: int, sharding):
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((members, *x.shape), x.dtype, sharding=sharding), tree
    )


def main() -> None:
    """Print the counts that the flags ask for, as a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.targets")
    parser.add_argument("--config", required=True, help="FILE.py:ARGUMENT; several by spaces")
    parser.add_argument("--target", required=True, choices=("h100", "v5e"))
    parser.add_argument("--members", default="1,8")
    parser.add_argument("--axis", default="map,vmap", help=f"of {', '.join(AXES)}")
    steps_help = "updates in one call, with input='device'; 0: input='tfdata'"
    parser.add_argument("--steps", default=0, type=int, help=steps_help)
    flags = parser.parse_args()
    try:
        print(to_markdown(_table(flags)))
    except UserError as error:
        parser.error(str(error))


def _table(flags) -> Table:
    rows = []
    for config in flags.config.split():
        path, _, argument = config.partition(":")
        settings = check(runpy.run_path(path)["get_config"](argument))
        for axis, members in itertools.product(
            flags.axis.split(","), map(int, flags.members.split(","))
        ):
            for found in facts(settings, flags.target, members, axis, flags.steps):
                counts = map(str, (found.convolutions, found.grouped, found.kernels))
                label = f"{settings.method}, {found.stage}, {members}, {axis}"
                rows.append((label, *counts, f"{found.temporary / 1e6:.1f}"))
    heads = "convolutions", "grouped", "kernels", "temporary MB"
    corner = "method, stage, members, axis"
    return Table(f"Compiled for {flags.target}", corner, (("", heads),), tuple(rows))


if __name__ == "__main__":
    main()
