"""The engine `inline`: one task after another in this process."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax

from adjax.sweeps.describe import describe_task
from adjax.sweeps.plan import Evaluation, Resources, Training
from adjax.sweeps.work import perform
from adjax.training import device_memory

# Fraction of the memory that a population may take; a host's is shared with everything else.
_ACCELERATOR, _HOST = 0.8, 0.5


def local_resources(max_population: int = 0) -> Resources:
    """Return the resources of this process's devices."""
    is_host = jax.default_backend() == "cpu"
    memory = int(device_memory() * (_HOST if is_host else _ACCELERATOR))
    axis = "map" if is_host else "vmap"
    return Resources(memory, len(jax.local_devices()), 1, axis, max_population)


@dataclasses.dataclass(frozen=True)
class InlineEngine:
    """Engine that does one task after another on this process's devices."""

    max_population: int = 0

    def __enter__(self) -> "InlineEngine":
        """Return itself; there is nothing to start."""
        return self

    def __exit__(self, *_) -> None:
        """Do nothing; there is nothing to stop."""

    @property
    def resources(self) -> Resources:
        """Resources of this process's devices."""
        return local_resources(self.max_population)

    def run(
        self, plan: Sequence[Training | Evaluation], directory: Path, command: str = ""
    ) -> None:
        """Execute a plan, every evaluation as soon as its members are trained."""
        for number, position in enumerate(early_evaluations(plan), 1):
            print(f"[{number}/{len(plan)}] {describe_task(plan[position])}", flush=True)
            perform(plan[position], directory, command)


def early_evaluations(plan: Sequence[Training | Evaluation]) -> list[int]:
    """Return the positions of a plan, reordered so that results come as early as possible."""
    waiting = [i for i, task in enumerate(plan) if isinstance(task, Evaluation)]
    order: list[int] = []
    for position, task in enumerate(plan):
        if isinstance(task, Training):
            order.append(position)
            ready = [i for i in waiting if set(plan[i].after) <= set(order)]
            waiting = [i for i in waiting if i not in ready]
            order += ready
    return order + waiting
