"""The settings that every run has, whatever its method and task."""

import dataclasses
from collections.abc import Iterator

from adjax.settings import Section, choice, count, flag, number, word


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
        "float32",
        ("float32", "tf32", "bfloat16"),
        "of activations in training; all else is float32. tf32: as GPUs round products; on CPU "
        "it is float32",
    )
    select: str = choice("last", ("last", "best"), "variables kept; best: by validation loss")
    log_every: int = count(10, "steps between log records")
    checkpoint_every: int = count(100, "steps between validations and checkpoints")
    checkpoint_minutes: float = number(
        2.0, "after which a record is followed by a checkpoint, without validation", above=0
    )
    ops: Ops = Ops()
    deterministic: bool = flag(True, "the same bytes at every run, on GPUs too, for some speed")
    parallel: str = choice("shard_map", ("shard_map", "pmap"), "how devices share a batch")
    population_axis: str = choice(
        "auto", ("auto", "map", "vmap", "unroll"), "form of a population's program"
    )
    mesh: Mesh = Mesh()
    input: str = choice(
        "tfdata",
        ("tfdata", "device"),
        "who makes batches: tf.data on the host, or the step itself, of images on the device",
    )
    steps_per_dispatch: int = count(
        0, "updates in one call of the device; 0: log_every if input='device', else 1", at_least=0
    )
    stage_cache: str = word("", "folder where trained stages are found and kept")

    def relations(self) -> Iterator[tuple[str, str]]:
        """A checkpoint comes after its log, and both come between calls of the device."""
        if self.checkpoint_every % self.log_every:
            yield "checkpoint_every", "make it a multiple of log_every"
        if self.log_every % (self.steps_per_dispatch or 1):
            yield "steps_per_dispatch", "make it a divisor of log_every"
        if self.input == "tfdata" and self.steps_per_dispatch > 1:
            yield "steps_per_dispatch", "more than one update needs input='device'"
        if self.input == "device" and self.parallel == "pmap":
            yield "parallel", "pmap is fed by tf.data: give input='tfdata'"


# Settings that say where and how a run executes: it may continue under other values of them.
# Batches of the two inputs are the same but for rounding, see `adjax.corruptions.device`.
EXECUTION = (
    *("data.dir", "evaluation", "mesh", "ops", "checkpoint_minutes", "deterministic"),
    *("parallel", "population_axis", "stage_cache", "input", "steps_per_dispatch"),
)
