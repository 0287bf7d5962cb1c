"""Memory and FLOPs of a member, estimated before anything is compiled or put on a device."""

import dataclasses
import math

import jax
import numpy as np
from jax.extend import core

from adjax.methods.stage import DATA_AXIS, Fit, Stage
from adjax.ops import count_flops
from adjax.training.population import Population, tree_like
from adjax.training.programs import update_of_member


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Bytes and FLOPs of one stage of one member.

    Attributes:
      kept: permanent bytes: state, best variables, a copy of both for the checkpoint, the variables
        of earlier stages, and two batches.
      work: temporary bytes of an update, at most: its intermediate values as they live and die in
        the order of the program, on which XLA can only improve. Of platform-dependent code the
        hungriest branch counts: attention without a loop over images, as on a GPU.
      flops: floating-point operations of an update, see `ops.count_flops`.
      fed: bytes of a batch, from the input pipeline to the device; some numbers do not count.
      reduced: bytes that devices sharing a batch sum in an update: gradients, batch statistics, and
        what the network itself averages; nothing is sent where one device has the whole batch.
      saved: bytes of a checkpoint's arrays.
      shared: bytes that a device holds once for all members: the images, if batches are made there.

    """

    kept: int
    work: int
    flops: float
    fed: int = 0
    reduced: int = 0
    saved: int = 0
    shared: int = 0

    def largest_population(self, memory: int, population_axis: str) -> int:
        """Return how many members fit into `memory` bytes of a device, at least one.

        Under "map" members run one after another; otherwise all at once.
        """
        memory -= self.shared
        if population_axis == "map":
            return max(1, (memory - self.work) // self.kept)
        return max(1, memory // (self.kept + self.work))


def estimate(population: Population, index: int) -> Estimate:
    """Estimate a stage of a population of one; of a `Fit`, only what it keeps is known."""
    stage = population.method.stages[index]
    trees = [tree_like(population, i) for i in range(index + 1)]
    names = [s.name for s in population.method.stages]
    frozen = {name: tree["best"] for name, tree in zip(names, trees[:-1], strict=False)}
    if isinstance(stage, Fit):  # on the host, one member after another
        kept = 2 * _bytes_of(trees[-1]) + _bytes_of(frozen)
        return Estimate(kept=kept, work=0, flops=0.0, saved=_bytes_of(trees[-1]))
    batch = _batch_of(stage, population.images.shape)
    operands = trees[-1]["state"], frozen, batch, population.members.arrays
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), operands)
    update = update_of_member(stage.update, index)
    jaxpr = jax.make_jaxpr(update, axis_env=[(DATA_AXIS, 1)])(*shapes).jaxpr
    tree, seen, images = (_bytes_of(t) for t in (trees[-1], frozen, batch))
    own = population.images
    return Estimate(
        kept=2 * tree + seen + 2 * images,
        work=peak_bytes(jaxpr),
        flops=count_flops(jaxpr),
        fed=0 if own.on_device else images,
        reduced=reduced_bytes(jaxpr),
        saved=tree,
        shared=math.prod(own.table.shape) if own.on_device else 0,
    )


def _batch_of(stage: Stage, image_shape: tuple[int, ...]) -> dict[str, jax.ShapeDtypeStruct]:
    """Return the shapes of a batch of a population of one."""
    kinds = {"image": True, "auxiliary": stage.auxiliary, "corrupted": stage.corruption}
    image = jax.ShapeDtypeStruct((1, stage.batch_size, *image_shape), np.float32)
    return {kind: image for kind, is_made in kinds.items() if is_made}


def reduced_bytes(jaxpr: core.Jaxpr) -> int:
    """Return the bytes that a traced program sums over devices."""
    return sum(
        sum(map(_size, equation.invars))
        if equation.primitive.name.startswith("psum")
        else equation.params.get("length", 1) * sum(map(reduced_bytes, _called(equation)))
        for equation in jaxpr.eqns
    )


def peak_bytes(jaxpr: core.Jaxpr) -> int:
    """Return the most bytes of values that are alive at once if a program runs in its own order.

    Its inputs count until their last use; a loop or a called program adds its own peak.
    """
    last_use = {}
    for number, equation in enumerate(jaxpr.eqns):
        for value in equation.invars:
            if isinstance(value, core.Var):
                last_use[value] = number
    last_use |= {value: len(jaxpr.eqns) for value in jaxpr.outvars if isinstance(value, core.Var)}
    dying: dict[int, list] = {}
    for value, number in last_use.items():
        dying.setdefault(number, []).append(value)
    alive = sum(_size(value) for value in {*jaxpr.invars, *jaxpr.constvars} & last_use.keys())
    peak = alive
    for number, equation in enumerate(jaxpr.eqns):
        made = sum(_size(value) for value in equation.outvars if value in last_use)
        inside = max(map(_inner_bytes, _called(equation)), default=0)
        peak = max(peak, alive + max(made, inside))
        alive += made - sum(map(_size, dying.get(number, ())))
    return peak


_KERNELS = ("conv_general_dilated", "dot_general", "ffi_call")


def least_bytes(jaxpr: core.Jaxpr) -> int:
    """Return bytes without which a traced program cannot run, however it is compiled.

    Those of its inputs, or of the convolution or product whose operands and result take most.
    """

    def of_equation(equation) -> int:
        inside = [least_bytes(program) for program in _called(equation)]
        if inside:  # of branches only one may run
            return min(inside) if equation.primitive.name == "cond" else max(inside)
        if equation.primitive.name not in _KERNELS:
            return 0
        values = [value for value in equation.invars if isinstance(value, core.Var)]
        return sum(map(_size, (*values, *equation.outvars)))

    inputs = sum(map(_size, {*jaxpr.invars, *jaxpr.constvars}))
    return max([inputs, *map(of_equation, jaxpr.eqns)])


def _inner_bytes(jaxpr: core.Jaxpr) -> int:
    """Return the bytes a called program needs beyond its operands, which its caller counts."""
    return peak_bytes(jaxpr) - sum(map(_size, {*jaxpr.invars, *jaxpr.constvars}))


def _called(equation) -> list[core.Jaxpr]:
    programs = []
    for leaf in jax.tree.leaves(
        list(equation.params.values()), is_leaf=lambda x: isinstance(x, core.ClosedJaxpr)
    ):
        if isinstance(leaf, core.ClosedJaxpr):
            programs.append(leaf.jaxpr)
        elif isinstance(leaf, core.Jaxpr):
            programs.append(leaf)
    return programs


def _size(value) -> int:
    return math.prod(value.aval.shape) * np.dtype(value.aval.dtype).itemsize if _dense(value) else 0


def _dense(value) -> bool:
    """Return whether a value has a NumPy dtype: random keys do not, and are small."""
    return hasattr(value.aval, "shape") and not jax.dtypes.issubdtype(
        value.aval.dtype, jax.dtypes.extended
    )


def _bytes_of(tree) -> int:
    return sum(math.prod(x.shape) * np.dtype(x.dtype).itemsize for x in jax.tree.leaves(tree))
