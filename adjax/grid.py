"""Points of a sweep, for `sweep(add, argument)` in config files; imports nothing heavy.

    from adjax import grid

    def sweep(add, argument):
        lambdas = grid.axis("student.loss_weight", (0.25, 0.5))
        for values in grid.product(grid.axis("data.normal_class", range(10)), lambdas):
            add(grid.name(values), values)

A point is a dict of dotted config keys; an axis is a list of points.
"""

import itertools
from collections.abc import Iterable
from typing import Any

Point = dict[str, Any]


def axis(key: str, values: Iterable[Any]) -> list[Point]:
    """Return one point for each value of `key`."""
    return [{key: value} for value in values]


def product(*axes: Iterable[Point]) -> list[Point]:
    """Return every combination of one point of each axis; the last axis varies fastest.

    Raises:
      ValueError: if two axes set the same key.

    """
    return [_merged(points) for points in itertools.product(*axes)]


def zipped(*axes: Iterable[Point]) -> list[Point]:
    """Return the first points of all axes merged into one, then the second ones, and so on.

    Raises:
      ValueError: if the axes differ in length or set the same key.

    """
    return [_merged(points) for points in zip(*axes, strict=True)]


def name(point: Point) -> str:
    """Return a name for the run at a point: `normal_class=3,loss_weight=0.5`."""
    return ",".join(f"{key.rpartition('.')[2]}={value}" for key, value in point.items())


def _merged(points: Iterable[Point]) -> Point:
    merged: Point = {}
    for point in points:
        if twice := merged.keys() & point.keys():
            raise ValueError(f"two axes set {min(twice)!r}")
        merged |= point
    return merged
