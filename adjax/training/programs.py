"""The compiled programs of a stage."""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from adjax.device_inputs import Maker
from adjax.methods.stage import Method, Stage
from adjax.ops import count_flops
from adjax.training.execution import (
    OF_BATCHES,
    OF_MEMBERS,
    OF_SEVERAL_BATCHES,
    OF_SEVERAL_STEPS,
    REPLICATED,
    SHARED_BATCH,
    Execution,
)
from adjax.training.members_axis import over_members

ANOMALY_MAP = "anomaly_map"  # key of the maps beside image scores


@dataclasses.dataclass(frozen=True)
class Feed:
    """What one call of a compiled update is given.

    Attributes:
      maker: makes batches of a table and numbers; None: they come from the host, from tf.data.
      steps: updates of one call, in a loop on the device; from the host comes one batch a call.

    """

    maker: Maker | None = None
    steps: int = 1


WHOLE = Feed()


@dataclasses.dataclass(frozen=True)
class Compiled:
    """An update program, compiled ahead of time.

    Attributes:
      update: `(state, frozen, batch, members) -> (state, metrics [P])`; donates the state. With a
        `Feed` of several steps it makes as many updates, and metrics are `[S, P]`.
      seconds: duration of tracing and compiling.
      flops: floating-point operations of one update of all members, see `ops.count_flops`.

    """

    update: Callable
    seconds: float
    flops: float


def init_state(
    stage: Stage, index: int, execution: Execution, image_shape: tuple[int, ...], members: Any
) -> Any:
    """Return the state of all members, created on its devices: every leaf `[P, ...]`."""
    return _init_program(stage.init, index, execution, image_shape)(members)


@functools.lru_cache(maxsize=64)
def _init_program(init: Callable, index: int, execution: Execution, image_shape) -> Callable:
    def init_member(member):
        return init(_key(member, index, 0), jnp.zeros((1, *image_shape), jnp.float32))

    sharding = execution.sharding(OF_MEMBERS)
    return jax.jit(over_members(init_member, "map"), out_shardings=sharding)


def begin_state(stage: Stage, execution: Execution, state: Any, frozen: Any) -> Any:
    """Return the state of all members after `Stage.begin`, which must be set: leaves `[P, ...]`."""
    return _begin_program(stage.begin, execution)(state, frozen)


@functools.lru_cache(maxsize=64)
def _begin_program(begin: Callable, execution: Execution) -> Callable:
    return jax.jit(over_members(begin, "map"), out_shardings=execution.sharding(OF_MEMBERS))


def compile_update(
    stage: Stage, index: int, execution: Execution, operands: tuple, feed: Feed = WHOLE
) -> Compiled:
    """Compile the update for the shapes of the operands `(state, frozen, batch, members)`."""
    start = time.perf_counter()
    leaves, structure = jax.tree.flatten(operands)
    shapes = tuple(
        jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=getattr(x, "sharding", None))
        for x in leaves
    )
    compiled, flops = _compiled_update(stage.update, index, execution, feed, structure, shapes)
    return Compiled(compiled, time.perf_counter() - start, flops)


def update_of_member(update: Callable, index: int) -> Callable:
    """Return `(state, frozen, batch, member) -> (state, metrics)`: an update with its own key."""

    def update_member(state, frozen, batch, member):
        return update(state, frozen, batch, _key(member, index, state.step + 1), member)

    return update_member


def update_program(update: Callable, index: int, execution: Execution, feed: Feed) -> Callable:
    """Return the program of a stage's update for all members, see `Compiled.update`."""
    own, axis = update_of_member(update, index), execution.population_axis
    if feed.maker is None:
        return execution.update_program(over_members(own, axis))

    def step(state, frozen, batch, members):
        table, numbers = batch

        def one(state, frozen, numbers, member):
            made = feed.maker(table, numbers, member["seed"])
            return own(state, frozen, made, member)

        return over_members(one, axis)(state, frozen, numbers, members)

    def steps(state, frozen, batch, members):
        table, numbers = batch
        names = []

        def one(state, own):
            state, metrics = step(state, frozen, (table, own), members)
            names[:] = metrics
            # As one array, which leaves the loop by one kernel.
            return state, jnp.stack([x.astype(jnp.float32) for x in metrics.values()])

        state, metrics = lax.scan(one, state, numbers)
        return state, {name: metrics[:, k] for k, name in enumerate(names)}

    if feed.steps == 1:
        return execution.update_program(step, (REPLICATED, OF_BATCHES))
    batch = REPLICATED, OF_SEVERAL_BATCHES
    return execution.update_program(steps, batch, OF_SEVERAL_STEPS)


@functools.lru_cache(maxsize=64)
def _compiled_update(
    update: Callable, index: int, execution: Execution, feed: Feed, structure, shapes
):
    """Compile a program that all populations of one size and one `Stage.update` share."""
    program = update_program(update, index, execution, feed)
    operands = jax.tree.unflatten(structure, shapes)
    # A pmap has no `trace`; a jit with compiler options can be traced in no other way.
    is_jit = hasattr(program, "trace")
    jaxpr = program.trace(*operands).jaxpr if is_jit else jax.make_jaxpr(program)(*operands)
    share = count_flops(jaxpr.jaxpr)  # of one device
    # A pmap takes its options here. On CPU it has had none, and keeps its bytes.
    options = None if is_jit or execution.platform == "cpu" else execution.compiler_options()
    steps = len(operands[2][1]["row"]) if feed.steps > 1 else 1
    return program.lower(*operands).compile(options), share * execution.mesh.size / steps


def validate_program(stage: Stage, execution: Execution) -> Callable:
    """Return `(variables, frozen, image [P, B, H, W, C]) -> [P, B]`, the loss of each image."""
    return _validate_program(stage.validate, execution)


@functools.lru_cache(maxsize=64)
def _validate_program(validate: Callable, execution: Execution) -> Callable:
    function = over_members(validate, execution.population_axis)
    return execution.program(
        function, (OF_MEMBERS, OF_MEMBERS, OF_BATCHES), OF_BATCHES, gather=True
    )


def score_program(method: Method, execution: Execution, with_maps: bool = False) -> Callable:
    """Return `(variables, image [B, H, W, C], members) -> {name: [P, B]}`, the image scores.

    All members score the same images. A random score draws the same numbers for every batch. With
    maps the result has `anomaly_map` `[P, B, H, W]` too.
    """
    return _score_program(method.score, len(method.stages), execution, with_maps)


@functools.lru_cache(maxsize=64)
def _score_program(
    score_images: Callable, stages: int, execution: Execution, with_maps: bool
) -> Callable:
    def score(variables, image, members):
        def score_one(variables, member):
            scores = score_images(variables, image, _key(member, stages, 0))
            maps = {ANOMALY_MAP: scores.anomaly_map} if with_maps else {}
            return scores.image_score | maps

        return over_members(score_one, execution.population_axis)(variables, members)

    specs = OF_MEMBERS, SHARED_BATCH, OF_MEMBERS
    return execution.program(score, specs, OF_BATCHES, gather=True)


def explain_program(method: Method, execution: Execution) -> Callable:
    """Return `(variables, image [P, K, H, W, C], members) -> Scores`; images differ by member."""
    return _explain_program(method.score, len(method.stages), execution)


@functools.lru_cache(maxsize=64)
def _explain_program(score_images: Callable, stages: int, execution: Execution) -> Callable:
    def explain(variables, image, member):
        return score_images(variables, image, _key(member, stages, 0))

    function = over_members(explain, execution.population_axis)
    return execution.program(function, (OF_MEMBERS,) * 3, OF_MEMBERS, gather=True)


@jax.jit
def keep_best(
    best: Any, best_loss: jax.Array, variables: Any, loss: jax.Array
) -> tuple[Any, jax.Array]:
    """Return each member's variables with the lower validation loss, and that loss: `[P, ...]`."""
    better = loss < best_loss

    def choose(new, old):
        return jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return jax.tree.map(choose, variables, best), jnp.where(better, loss, best_loss)


@jax.jit
def snapshot(tree: Any) -> Any:
    """Copy a tree into buffers that no later update consumes."""
    return jax.tree.map(jnp.copy, tree)


def _key(member, stage_index: int, draw):
    """Return the random key of seed, stage and draw (0: initialisation, s + 1: step s)."""
    key = jax.random.fold_in(jax.random.key(member["seed"]), stage_index)
    return jax.random.fold_in(key, draw)
