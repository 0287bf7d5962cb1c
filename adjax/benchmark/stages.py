"""Speed of a config's stages and of its score, measured apart from training."""

import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from adjax import settings
from adjax.experiment import create_trainer
from adjax.inputs import padded_batches
from adjax.methods import Fit, create_method
from adjax.ops import count_flops
from adjax.training import (
    Trainer,
    compile_update,
    init_state,
    score_program,
    snapshot,
    stage_batches,
)


@dataclasses.dataclass(frozen=True)
class Speed:
    """Medians over repeats; `spread` is (slowest - fastest) / median.

    `images_per_second` counts every image the program sees, auxiliary ones included;
    `input_wait_fraction` is the share of a step with the input pipeline that a step on a batch
    already on the device does not take.
    """

    name: str
    images_per_second: float
    spread: float
    compile_seconds: float
    flops_per_second: float
    input_wait_fraction: float | None = None


def run(config, repeats: int = 7, seconds: float = 1.0) -> str:
    """Measure every stage's update and the score; returns a table for the console.

    Args:
      config: of the run whose programs are measured; nothing is written.
      repeats: timed blocks of steps, after a warm-up.
      seconds: about how long a block lasts.

    """
    settings.check_config(config)
    method = create_method(config)
    trainer = create_trainer(config, method, Path())
    frozen, speeds = {}, []
    for index, stage in enumerate(method.stages):
        if isinstance(stage, Fit):  # done once, not in steps; the score needs its variables
            start = init_state(
                stage, index, trainer.execution, trainer.image_shape, trainer.members
            )
            frozen[stage.name] = start.variables
            continue
        speed, frozen[stage.name] = _measure_stage(trainer, index, frozen, repeats, seconds)
        speeds.append(speed)
    speeds.append(_measure_score(trainer, frozen, config.evaluation.batch_size, repeats))
    return _table(config, trainer, speeds)


def _measure_stage(trainer: Trainer, index: int, frozen: dict, repeats: int, seconds: float):
    stage = trainer.method.stages[index]
    state = init_state(stage, index, trainer.execution, trainer.image_shape, trainer.members)
    variables = snapshot(state.variables)  # the updates below are given the state itself
    batches = stage_batches(trainer, stage, range(10**9))
    batch = next(batches)
    compiled = compile_update(
        stage, index, trainer.execution, (state, frozen, batch, trainer.members)
    )

    def steps(count: int, next_batch: Callable) -> float:
        nonlocal state
        start = time.perf_counter()
        for _ in range(count):
            state, _ = compiled.update(state, frozen, next_batch(), trainer.members)
        jax.block_until_ready(state)
        return (time.perf_counter() - start) / count

    steps(2, lambda: batch)
    count = max(1, round(seconds / steps(1, lambda: batch)))
    # Alternating, so that a slow moment of the machine hits both.
    pairs = [
        (steps(count, lambda: next(batches)), steps(count, lambda: batch)) for _ in range(repeats)
    ]
    fed, alone = (list(times) for times in zip(*pairs, strict=True))
    step_time = statistics.median(fed)
    images = len(trainer.settings) * stage.images_per_update
    return Speed(
        f"train {stage.name}",
        images / step_time,
        (max(fed) - min(fed)) / step_time,
        compiled.seconds,
        compiled.flops / step_time,
        max(0.0, 1 - statistics.median(alone) / step_time),
    ), variables


def _measure_score(trainer: Trainer, variables: dict, batch_size: int, repeats: int) -> Speed:
    batch_size += -batch_size % trainer.execution.data_devices
    rows, _ = next(padded_batches(np.arange(len(trainer.image)), batch_size))
    image = trainer.image[rows] / np.float32(255)
    start = time.perf_counter()
    operands = variables, image, trainer.members
    score = score_program(trainer.method, trainer.execution)
    flops = count_flops(score.trace(*operands).jaxpr.jaxpr) * trainer.execution.mesh.size
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
        "score",
        len(trainer.settings) * batch_size / step_time,
        (max(times) - min(times)) / step_time,
        compile_seconds,
        flops / step_time,
    )


def _table(config, trainer: Trainer, speeds: list[Speed]) -> str:
    device = trainer.execution.mesh.devices.flat[0]
    head = (
        f"{config.data.name}, {config.method}, population {len(trainer.settings)} "
        f"({trainer.execution.population_axis}), {trainer.execution.mesh.size} x "
        f"{device.device_kind} ({os.cpu_count()} cores), jax {jax.__version__}"
    )
    lines = [head, "", f"{'':16}{'images/s':>10}{'spread':>8}{'compile s':>11}{'GFLOP/s':>9}"]
    lines[-1] += f"{'input wait':>12}"
    for s in speeds:
        wait = "" if s.input_wait_fraction is None else f"{s.input_wait_fraction:.1%}"
        lines.append(
            f"{s.name:16}{s.images_per_second:10.1f}{s.spread:8.1%}{s.compile_seconds:11.1f}"
            f"{s.flops_per_second / 1e9:9.1f}{wait:>12}"
        )
    return "\n".join(lines)
