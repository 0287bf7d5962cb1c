"""Speed of a config's programs, `--mode=benchmark`: the update of every stage, and the score.

The comparison with other libraries is outside of the package, in `benchmarks/`.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from adjax.config.layout import Settings
from adjax.methods.stage import Fit
from adjax.ops import count_flops
from adjax.run import check_run, make_population
from adjax.training import (
    Population,
    compile_update,
    feed_of,
    init_state,
    score_program,
    snapshot,
    stage_batches,
)


class Speed(NamedTuple):
    """Speed of a program; `images_per_second` counts every image it sees, auxiliary ones included.

    Attributes:
      name: as the table shows it.
      images_per_second: median over repeats.
      spread: (slowest - fastest) / median.
      compile_seconds: duration of tracing and compiling.
      flops_per_second: as counted by `ops.count_flops`.
      input_wait: share of a step with the input pipeline that a step without it does not take;
        None: there is no pipeline.

    """

    name: str
    images_per_second: float
    spread: float
    compile_seconds: float
    flops_per_second: float
    input_wait: float | None = None


def run(config, repeats: int = 7, seconds: float = 1.0) -> str:
    """Measure every stage's update and the score; return a table for the console.

    Args:
      config: a `ConfigDict`, see `configs/`; nothing is written.
      repeats: timed blocks of steps, after a warm-up.
      seconds: about how long a block lasts.

    Raises:
      UserError: for a config or data set that cannot be used.

    """
    with tempfile.TemporaryDirectory() as folder:
        settings, method = check_run(config, Path(folder))
        population = make_population(settings, method, Path(folder))
    frozen, speeds = {}, []
    for index, stage in enumerate(method.stages):
        state = init_state(
            stage, index, population.execution, population.images.shape, population.members.arrays
        )
        # A copy: updates consume the state, and the score needs the variables of all stages.
        variables = snapshot(state.variables)
        if not isinstance(stage, Fit):  # a fit is computed once, not in steps
            speeds.append(_measure_stage(population, index, state, frozen, repeats, seconds))
        frozen[stage.name] = variables
    speeds.append(_measure_score(population, frozen, settings.evaluation.batch_size, repeats))
    return _table(settings, population, speeds)


def _measure_stage(
    population: Population, index: int, state, frozen: dict, repeats: int, seconds: float
) -> Speed:
    stage, members = population.method.stages[index], population.members
    batches = stage_batches(population, stage, range(10**9))
    batch, feed = next(batches), feed_of(population, stage)
    operands = state, frozen, batch, members.arrays
    compiled = compile_update(stage, index, population.execution, operands, feed)

    def a_step(calls: int, next_batch: Callable) -> float:
        nonlocal state
        start = time.perf_counter()
        for _ in range(calls):
            state, _ = compiled.update(state, frozen, next_batch(), members.arrays)
        jax.block_until_ready(state)
        return (time.perf_counter() - start) / (calls * feed.steps)

    a_step(2, lambda: batch)
    count = max(1, round(seconds / (a_step(1, lambda: batch) * feed.steps)))
    # Alternating, so that a slow moment of the machine hits both.
    pairs = [
        (a_step(count, lambda: next(batches)), a_step(count, lambda: batch)) for _ in range(repeats)
    ]
    fed, alone = zip(*pairs, strict=True)
    step_time = statistics.median(fed)
    return Speed(
        name=f"train {stage.name}",
        images_per_second=len(members) * stage.images_per_update / step_time,
        spread=_spread(fed),
        compile_seconds=compiled.seconds,
        flops_per_second=compiled.flops / step_time,
        input_wait=max(0.0, 1 - statistics.median(alone) / step_time),
    )


def _measure_score(population: Population, variables: dict, batch_size: int, repeats: int) -> Speed:
    """Measure the score of whole images of the training table, by windows if the method slides."""
    execution, table = population.execution, population.images.table
    batch_size = execution.round_up(batch_size)
    image = table[np.arange(batch_size) % len(table)] / np.float32(255)
    operands = variables, image, population.members.arrays
    start = time.perf_counter()
    score = score_program(population.method, execution)
    flops = count_flops(score.trace(*operands).jaxpr.jaxpr) * execution.mesh.size
    program = score.lower(*operands).compile()
    compile_seconds = time.perf_counter() - start
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        jax.block_until_ready(program(*operands))
        times.append(time.perf_counter() - start)
    times = times[1:]
    step_time = statistics.median(times)
    return Speed(
        name="score",
        images_per_second=len(population.members) * batch_size / step_time,
        spread=_spread(times),
        compile_seconds=compile_seconds,
        flops_per_second=flops / step_time,
    )


def _spread(times: Sequence[float]) -> float:
    return (max(times) - min(times)) / statistics.median(times)


def _table(settings: Settings, population: Population, speeds: list[Speed]) -> str:
    execution = population.execution
    device = execution.mesh.devices.flat[0]
    head = (
        f"{settings.data.name}, {settings.method}, population {len(population.members)} "
        f"({execution.population_axis}), {execution.mesh.size} x {device.device_kind} "
        f"({os.cpu_count()} cores), jax {jax.__version__}"
    )
    columns = f"{'images/s':>10}{'spread':>8}{'compile s':>11}{'GFLOP/s':>9}{'input wait':>12}"
    lines = [head, "", " " * 16 + columns]
    for s in speeds:
        wait = "" if s.input_wait is None else f"{s.input_wait:.1%}"
        lines.append(
            f"{s.name:16}{s.images_per_second:10.1f}{s.spread:8.1%}{s.compile_seconds:11.1f}"
            f"{s.flops_per_second / 1e9:9.1f}{wait:>12}"
        )
    return "\n".join(lines)
