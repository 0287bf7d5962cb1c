"""Points of a sweep, for `sweep(add, argument)` in config files; imports nothing heavy.

    from adjax import grid

    def sweep(add, argument):
        lambdas = grid.axis("student.loss_weight", (0.25, 0.5))
        for values in grid.product(grid.axis("data.normal_class", range(10)), lambdas):
            add(grid.name(values), values)

A point is a dict of dotted config keys; an axis is a list of points. A value of a point may be a
distribution, of which `--mode=search` draws:

    def sweep(add, argument):
        add("trials", {"teacher.learning_rate": grid.loguniform(1e-4, 1e-2)})
"""

import dataclasses
import hashlib
import itertools
import math
import re
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


@dataclasses.dataclass(frozen=True)
class Distribution:
    """What a search draws the value of a key from; made by the functions below.

    Attributes:
      kind: the name of the function that made it.
      values: the bounds, both included, or of a choice the values.

    """

    kind: str
    values: tuple[Any, ...]

    def __str__(self) -> str:
        """`loguniform(0.0001, 0.01)`."""
        return f"{self.kind}({', '.join(map(repr, self.values))})"


def uniform(low: float, high: float) -> Distribution:
    """Return the uniform distribution of numbers from `low` to `high`."""
    return _between("uniform", float(low), float(high))


def loguniform(low: float, high: float) -> Distribution:
    """Return the distribution of numbers from `low` to `high` whose logarithm is uniform.

    Raises:
      ValueError: if `low` is not positive.

    """
    if not low > 0:
        raise ValueError(f"loguniform({low!r}, {high!r}): the lower bound must be positive")
    return _between("loguniform", float(low), float(high))


def integers(low: int, high: int) -> Distribution:
    """Return the uniform distribution of whole numbers from `low` to `high`."""
    if not isinstance(low, int) or not isinstance(high, int):
        raise ValueError(f"integers({low!r}, {high!r}): the bounds must be whole numbers")
    return _between("integers", low, high)


def choice(values: Iterable[Any]) -> Distribution:
    """Return the distribution of these values, each as likely as another.

    Raises:
      ValueError: if there are fewer than two, or one twice.

    """
    values = tuple(values)
    if len(values) < 2 or any(value in values[:place] for place, value in enumerate(values)):
        raise ValueError(f"choice({values!r}): give two values or more, each once")
    return Distribution("choice", values)


def _between(kind: str, low: float, high: float) -> Distribution:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"{kind}({low!r}, {high!r}): give a lower and a higher number")
    return Distribution(kind, (low, high))


class Name(str):
    """Name of a run.

    Attributes:
      former: what earlier versions called it, so that the folder they made is found.

    """

    former: str = ""


def name(point: Point) -> Name:
    """Return a name for the run at a point: `normal_class=3,loss_weight=0.5`, `widths=32+64`.

    It needs no quotes in a shell and no escapes in an address. Values with other characters get
    dashes for them and a digest that tells them apart.
    """
    keys = [key.rpartition(".")[2] for key in point]
    values = list(zip(keys, point.values(), strict=True))
    made = ",".join(_safe(f"{key}={_joined(value)}") for key, value in values)
    return _named(made, ",".join(f"{key}={value}" for key, value in values))


def folders(*parts: str) -> Name:
    """Return a name for a run in folders within each other, as safe as `name`: `aesc/bottle/seed0`.

    Empty parts are left out.
    """
    given = list(filter(None, parts))
    return _named("/".join(map(_safe, given)), "/".join(given))


_SAFE = re.compile(r"\w[\w.,=+@-]*(/\w[\w.,=+@-]*)*", re.ASCII)
_LONGEST = 255  # bytes, of the name of a folder


def _named(made: str, former: str) -> Name:
    name = Name(made if len(made) <= _LONGEST else _with_digest(made))
    name.former = former
    return name


def _joined(value: Any) -> str:
    """Return a value as a text, of a list of plain ones `32+64`."""
    if isinstance(value, tuple | list) and value:
        texts = list(map(str, value))
        if not any("+" in text for text in texts):
            return "+".join(texts)
    return str(value)


def _safe(text: str) -> str:
    return text if _SAFE.fullmatch(text) else _with_digest(text)


def _with_digest(text: str) -> str:
    """Return the safe characters of a text, and digits that tell the whole of it apart."""
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
    kept = re.sub(r"[^\w.,=+@]+", "-", text, flags=re.ASCII).lstrip("-.,=+@").rstrip("-.")
    return "-".join(filter(None, [kept[:100], digest]))


def _merged(points: Iterable[Point]) -> Point:
    merged: Point = {}
    for point in points:
        if twice := merged.keys() & point.keys():
            raise ValueError(f"two axes set {min(twice)!r}")
        merged |= point
    return merged
