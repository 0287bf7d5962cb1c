"""The engine `inline`: one task after another in this process."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import jax

from adjax.errors import UserError
from adjax.sweeps.describe import describe_task
from adjax.sweeps.plan import Evaluation, Resources, Training
from adjax.sweeps.work import perform, runs_of
from adjax.training import device_memory

# Fraction of the memory that a population may take; a host's is shared with everything else.
_ACCELERATOR, _HOST = 0.8, 0.5


def local_resources(max_population: int = 0) -> Resources:
    """Return the resources of this process's devices."""
    share = _HOST if jax.default_backend() == "cpu" else _ACCELERATOR
    memory = int(device_memory() * share)
    return Resources(memory, len(jax.local_devices()), max_population=max_population)


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
    ) -> dict[str, str]:
        """Execute a plan, every evaluation as soon as its members are trained.

        Returns:
          The runs that could not be done, and why: name -> reason. They cost no other run.

        """
        failed: dict[str, str] = {}
        lost: dict[int, str] = {}  # trainings that could not be done, by position, and why
        for number, position in enumerate(early_evaluations(plan), 1):
            task, head = plan[position], f"[{number}/{len(plan)}]"
            reason = next((lost[earlier] for earlier in task.after if earlier in lost), None)
            if reason is None:
                print(f"{head} {describe_task(task)}", flush=True)
                try:
                    failed |= perform(task, directory, command)
                except UserError as error:
                    reason = str(error)
                    print(f"{head} failed: {reason}", file=sys.stderr)
            if reason is not None:
                lost[position] = reason
                failed |= {run.name: reason for run in runs_of(task)}
        return failed


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
