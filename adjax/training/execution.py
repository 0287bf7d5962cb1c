"""Execution of a population: devices, mesh and the form of the compiled program."""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from adjax.errors import UserError
from adjax.methods.stage import DATA_AXIS
from adjax.ops import compiler_options, convolution_backend, products_in, traced_for
from adjax.training.members_axis import chosen_axis

MEMBER_AXIS = "member"

OF_MEMBERS = PartitionSpec(MEMBER_AXIS)
OF_BATCHES = PartitionSpec(MEMBER_AXIS, DATA_AXIS)
OF_SEVERAL_BATCHES = PartitionSpec(None, MEMBER_AXIS, DATA_AXIS)  # one after another
OF_SEVERAL_STEPS = PartitionSpec(None, MEMBER_AXIS)
SHARED_BATCH = PartitionSpec(DATA_AXIS)
REPLICATED = PartitionSpec()


def device_memory() -> int:
    """Return the bytes of one of this process's devices; those of a host are shared evenly."""
    devices = jax.local_devices()
    stats = devices[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return int(stats["bytes_limit"])
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // len(devices)


@dataclasses.dataclass(frozen=True)
class Execution:
    """Devices and program form of a run.

    Attributes:
      mesh: axes `member` (no communication) and `data` (gradients and statistics are averaged).
      population_axis: "map", "vmap" or "unroll", see `over_members`.
      parallel: "shard_map", or "pmap" for the update over the `data` axis.
      convolution: backend of convolutions on CPU, see `adjax.ops.convolution_backend`.
      deterministic: whether GPUs give the same bytes at every run.

    """

    mesh: Mesh
    population_axis: str
    parallel: str
    convolution: str = "auto"
    deterministic: bool = True

    @classmethod
    def create(cls, settings: Any, members: int) -> "Execution":
        """Choose devices by `mesh`; the other settings are `population_axis`, `parallel`, `ops`
        and `deterministic`.

        A mesh axis that is 0 is chosen here: as many devices as divide the population go to
        `member`, the rest to `data`.
        """
        devices = sorted(jax.devices(), key=lambda d: (d.process_index, d.id))
        pmap = settings.parallel == "pmap"
        on_members = settings.mesh.member or (
            1 if pmap else math.gcd(members, len(devices) // (settings.mesh.data or 1)) or 1
        )
        on_data = settings.mesh.data or max(1, len(devices) // on_members)
        if on_members * on_data > len(devices):
            raise UserError(
                f"config.mesh={on_members} x {on_data} needs {on_members * on_data} devices, "
                f"there are {len(devices)}: lower mesh.member or mesh.data"
            )
        if members % on_members:
            raise UserError(
                f"config.mesh.member={on_members} does not divide the {members} members"
            )
        if pmap and on_members > 1:
            raise UserError("config.parallel='pmap' has no member axis: set config.mesh.member=1")
        if jax.process_count() > 1:
            _check_processes(on_members, on_data, pmap)
        axis = chosen_axis(settings.population_axis)
        grid = np.array(devices[: on_members * on_data]).reshape(on_members, on_data)
        mesh = Mesh(grid, (MEMBER_AXIS, DATA_AXIS), axis_types=(AxisType.Auto, AxisType.Auto))
        convolution = settings.ops.convolution
        return cls(mesh, axis, settings.parallel, convolution, settings.deterministic)

    @property
    def platform(self) -> str:
        """What JAX calls the kind of its devices."""
        return self.mesh.devices.flat[0].platform

    @property
    def data_devices(self) -> int:
        """Number of devices that share a batch."""
        return self.mesh.shape[DATA_AXIS]

    def round_up(self, batch_size: int) -> int:
        """Return the smallest batch size from `batch_size` on that the devices can share."""
        return batch_size + -batch_size % self.data_devices

    def sharding(self, spec: PartitionSpec) -> NamedSharding:
        """Return a sharding on this mesh."""
        return NamedSharding(self.mesh, spec)

    def put(self, tree: Any, spec: PartitionSpec) -> Any:
        """Make global arrays from host arrays that every process holds in full."""
        sharding = self.sharding(spec)
        return jax.tree.map(
            lambda x: jax.make_array_from_callback(
                np.shape(x), sharding, np.asarray(x).__getitem__
            ),
            tree,
        )

    def local_part(self, members: int, batch_size: int) -> tuple[slice, slice]:
        """Return the members and examples of a `[P, B]` batch that this process's devices need."""
        parts = self.sharding(OF_BATCHES).addressable_devices_indices_map((members, batch_size))
        ranges = zip(
            *(
                [s.indices(n)[:2] for s, n in zip(part, (members, batch_size), strict=True)]
                for part in parts.values()
            ),
            strict=True,
        )
        return tuple(slice(min(r)[0], max(stop for _, stop in r)) for r in map(list, ranges))

    def put_batch(
        self, batch: dict[str, np.ndarray], members: int, batch_size: int, several: bool = False
    ) -> dict[str, Any]:
        """Put this process's part of a batch, arrays `[P, B, ...]`, onto its devices.

        Of `several` batches, arrays `[S, P, B, ...]`, all are put there at once.
        """
        if self.parallel == "pmap":
            shape = members, self.data_devices, batch_size // self.data_devices
            return {k: np.moveaxis(x.reshape(*shape, *x.shape[2:]), 1, 0) for k, x in batch.items()}
        sharding = self.sharding(OF_SEVERAL_BATCHES if several else OF_BATCHES)

        def whole(shape: tuple[int, ...]) -> tuple[int, ...]:
            before = shape[:several]
            return *before, members, batch_size, *shape[len(before) + 2 :]

        return {
            k: jax.make_array_from_process_local_data(sharding, x, whole(x.shape))
            for k, x in batch.items()
        }

    def program(
        self,
        function: Callable,
        in_specs: Any,
        out_specs: Any,
        *,
        donate: Sequence[int] = (),
        gather: bool = False,
    ) -> Callable:
        """Return a compiled program over the mesh; `function` sees one device's share.

        With `gather` every device holds the whole result.
        """
        mapped = jax.shard_map(
            self._traced(function),
            mesh=self.mesh,
            in_specs=in_specs,
            out_specs=out_specs,
            check_vma=False,
        )
        return jax.jit(
            mapped,
            donate_argnums=donate,
            out_shardings=self.sharding(REPLICATED) if gather else None,
            compiler_options=self.compiler_options(),
        )

    def update_program(
        self, function: Callable, batch: Any = OF_BATCHES, metrics: Any = OF_MEMBERS
    ) -> Callable:
        """Return the program of `function(state, frozen, batch, members) -> (state, metrics)`.

        That of pmap has no options yet: compile it with `compiler_options`.

        Args:
          function: see above.
          batch: how its batch lies on the mesh, a tree of specs.
          metrics: how its metrics do.

        """
        if self.parallel == "pmap":
            return jax.pmap(
                self._traced(function),
                axis_name=DATA_AXIS,
                in_axes=(None, None, 0, None),
                out_axes=None,
                devices=list(self.mesh.devices.flat),
                donate_argnums=0,
            )
        in_specs = OF_MEMBERS, OF_MEMBERS, batch, OF_MEMBERS
        return self.program(function, in_specs, (OF_MEMBERS, metrics), donate=0)

    def compiler_options(self) -> dict[str, str | bool]:
        """Return what the compiler is asked for, see `adjax.ops.compiler_options`."""
        return compiler_options(self.platform, self.deterministic)

    def _traced(self, function: Callable) -> Callable:
        """Return `function`, traced in float32 with the convolutions of this execution, for it."""

        @functools.wraps(function)
        def traced(*operands):
            backend = convolution_backend(self.convolution)
            with backend, products_in("float32"), traced_for(self.platform):
                return function(*operands)

        return traced


def _check_processes(on_members: int, on_data: int, pmap: bool) -> None:
    """Raise `UserError` unless every process holds a rectangle of the mesh, see `local_part`."""
    local = jax.local_device_count()
    if pmap:
        raise UserError("config.parallel='pmap' runs in one process: choose 'shard_map'")
    if on_members * on_data < jax.device_count():
        raise UserError(
            f"config.mesh={on_members} x {on_data} leaves devices of some process out: "
            f"use all {jax.device_count()}"
        )
    if on_data % local and local % on_data:
        raise UserError(
            f"config.mesh.data={on_data} does not fit processes of {local} devices: "
            "choose a divisor or a multiple of that"
        )
