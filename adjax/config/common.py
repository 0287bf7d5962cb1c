"""The settings that every run has, whatever its method and task."""

import dataclasses
from collections.abc import Iterator

from adjax.settings import Section, choice, count, number, word


@dataclasses.dataclass(frozen=True)
class Ops(Section):
    """Implementations of operations."""

    convolution: str = choice(
        "auto", ("auto", "xla", "onednn"), "on CPU; auto: onednn if `native/` is installed"
    )


@dataclasses.dataclass(frozen=True)
class Mesh(Section):
    """Devices along each axis of the mesh; 0: chosen from those there are."""

    member: int = count(0, "devices that share the members", at_least=0)
    data: int = count(0, "devices that share a batch", at_least=0)


@dataclasses.dataclass(frozen=True)
class Common(Section):
    """Settings at the top of a config."""

    seed: int = count(0, "of initial weights, order and draws", at_least=0)
    precision: str = choice(
        "float32", ("float32", "bfloat16"), "of activations in training; all else is float32"
    )
    select: str = choice("last", ("last", "best"), "variables kept; best: by validation loss")
    log_every: int = count(10, "steps between log records")
    checkpoint_every: int = count(100, "steps between validations and checkpoints")
    checkpoint_minutes: float = number(
        2.0, "after which a record is followed by a checkpoint, without validation", above=0
    )
    ops: Ops = Ops()
    parallel: str = choice("shard_map", ("shard_map", "pmap"), "how devices share a batch")
    population_axis: str = choice(
        "auto", ("auto", "map", "vmap", "unroll"), "form of a population's program"
    )
    mesh: Mesh = Mesh()
    stage_cache: str = word("", "folder where trained stages are found and kept")

    def relations(self) -> Iterator[tuple[str, str]]:
        """A checkpoint comes after its log."""
        if self.checkpoint_every % self.log_every:
            yield "checkpoint_every", "make it a multiple of log_every"


# Settings that say where and how a run executes: it may continue under other values of them.
EXECUTION = (
    *("data.dir", "evaluation", "mesh", "ops", "checkpoint_minutes"),
    *("parallel", "population_axis", "stage_cache"),
)
