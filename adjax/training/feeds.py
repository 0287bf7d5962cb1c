"""How images reach the compiled update: as batches, or as numbers of which it makes batches."""

import itertools
from collections.abc import Iterator
from typing import Any

import jax

from adjax import device_inputs
from adjax.inputs import train_batches
from adjax.methods.stage import Stage
from adjax.training.execution import REPLICATED
from adjax.training.population import Population
from adjax.training.programs import WHOLE, Feed


def feed_of(population: Population, stage: Stage) -> Feed:
    """Return how a stage of a population is fed."""
    images = population.images
    if not images.on_device:
        return WHOLE
    maker = device_inputs.maker(stage.auxiliary, stage.corruption, images.crops)
    return Feed(maker, population.steps_per_dispatch)


def dispatches(steps: range, at_once: int) -> Iterator[range]:
    """Cut steps into those of one call each; they end at multiples of `at_once` and at the end."""
    start = steps.start
    while start < steps.stop:
        stop = min(start - start % at_once + at_once, steps.stop)
        yield range(start, stop)
        start = stop


def stage_batches(population: Population, stage: Stage, steps: range) -> Iterator[Any]:
    """Yield what the calls of a stage's update are given, on the devices one call ahead.

    That is a batch, `{name: [P, B, H, W, C]}` (put on the devices by pmap itself under pmap), or
    the device's table and numbers of a batch, or of several, see `device_inputs.Maker`.
    """
    feed = feed_of(population, stage)
    if feed.maker is None:
        made = _whole(population, stage, steps)
    else:
        made = _numbers(population, stage, dispatches(steps, feed.steps), feed.steps > 1)
    ahead = next(made)
    for following in made:
        yield ahead
        ahead = following
    yield ahead


def _whole(population: Population, stage: Stage, steps: range) -> Iterator[dict[str, jax.Array]]:
    images, execution = population.images, population.execution
    members, size = len(population.members), stage.batch_size
    made = train_batches(
        images.table,
        images.streams,
        size,
        steps,
        stage.auxiliary,
        execution.local_part(members, size),
        corruption=stage.corruption,
        crops=images.crops,
    )
    # A pipeline is never asked for its end: taking it down should not count as part of a step.
    for batch in itertools.islice(made, len(steps)):
        yield execution.put_batch(batch, members, size)


def _numbers(
    population: Population, stage: Stage, calls: Iterator[range], several: bool
) -> Iterator[tuple[jax.Array, dict[str, jax.Array]]]:
    images, execution = population.images, population.execution
    members, size = len(population.members), stage.batch_size
    table, streams = device_inputs.used(images.table, images.streams)
    table = execution.put(table, REPLICATED)
    part = execution.local_part(members, size)
    numbers = device_inputs.Numbers(streams, size, images.crops, part)
    for steps in calls:
        made = numbers.of(steps)
        if not several:
            made = {name: number[0] for name, number in made.items()}
        yield table, execution.put_batch(made, members, size, several=several)
