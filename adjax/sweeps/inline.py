"""The engine `inline`: one task after another in this process."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import jax

from adjax.sweeps.describe import describe_task
from adjax.sweeps.plan import Evaluation, Resources, Training
from adjax.sweeps.work import perform

# Of a device's memory, what a population may take; a host's is shared with everything else.
_ACCELERATOR, _HOST = 0.8, 0.5


def local_resources(max_population: int = 0) -> Resources:
    """This process's devices."""
    devices = jax.local_devices()
    stats = devices[0].memory_stats() or {}
    if "bytes_limit" in stats:
        memory = int(stats["bytes_limit"] * _ACCELERATOR)
    else:
        host = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        memory = int(host * _HOST) // len(devices)
    axis = "map" if jax.default_backend() == "cpu" else "vmap"
    return Resources(memory, len(devices), 1, axis, max_population)


@dataclasses.dataclass(frozen=True)
class InlineEngine:
    """One task after another on this process's devices."""

    max_population: int = 0

    def __enter__(self) -> "InlineEngine":
        """Nothing has to be started."""
        return self

    def __exit__(self, *_) -> None:
        """Nor stopped."""

    @property
    def resources(self) -> Resources:
        """This process's devices."""
        return local_resources(self.max_population)

    def run(
        self, plan: Sequence[Training | Evaluation], directory: Path, command: str = ""
    ) -> None:
        """Do a plan, evaluations as soon as what they need is there."""
        for number, position in enumerate(early_evaluations(plan), 1):
            print(f"[{number}/{len(plan)}] {describe_task(plan[position])}", flush=True)
            perform(plan[position], directory, command)


def early_evaluations(plan: Sequence[Training | Evaluation]) -> list[int]:
    """The positions of a plan, reordered so that results come as early as they can."""
    waiting = [i for i, task in enumerate(plan) if isinstance(task, Evaluation)]
    order: list[int] = []
    for position, task in enumerate(plan):
        if isinstance(task, Training):
            order.append(position)
            ready = [i for i in waiting if set(plan[i].after) <= set(order)]
            waiting = [i for i in waiting if i not in ready]
            order += ready
    return order + waiting
