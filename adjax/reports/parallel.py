"""Parallel coordinates: an axis a hyper-parameter and one for the metric, a line a setting."""

from collections.abc import Sequence
from typing import NamedTuple

from adjax.reports.ranking import Cell, Ranking, Row

LEAST_PARAMETERS = 3  # fewer are read off the table
_WIDTH, _HEIGHT, _MARGIN, _TOP = 760, 300, 70, 30  # of the drawing, in its own units
_MOST_TICKS = 12


class Axis(NamedTuple):
    """A vertical axis: its name, where it stands, and its ticks, each a height and a text."""

    name: str
    x: float
    ticks: list[tuple[float, str]]


class Line(NamedTuple):
    """A setting: the points of its line, what it is in words, and how good in [0, 1]."""

    points: str
    text: str
    merit: float
    is_best: bool


class Drawing(NamedTuple):
    """What a template draws as SVG, the best lines last, so that they lie on top."""

    width: int
    height: int
    axes: list[Axis]
    lines: list[Line]


def parallel_coordinates(ranking: Ranking) -> Drawing | None:
    """Return the drawing of a ranking by its first metric.

    None if it has fewer than `LEAST_PARAMETERS` hyper-parameters, or nothing was measured.
    """
    rows = [row for row in ranking.rows if row.metrics and row.metrics[0].value is not None]
    if len(ranking.parameters) < LEAST_PARAMETERS or len(rows) < 2:
        return None
    names = [*ranking.parameters, ranking.metrics[0]]
    places = [_places([row.parameters[k] for row in rows]) for k in range(len(names) - 1)]
    low, high = rows[-1].metrics[0].value, rows[0].metrics[0].value
    step = (_WIDTH - 2 * _MARGIN) / (len(names) - 1)
    xs = [_MARGIN + step * k for k in range(len(names))]
    ticks = [_ticks(found) for found in places]
    ticks.append(_ticks({f"{low:.3f}": 0.0} | {f"{high:.3f}": 1.0}))
    lines = []
    for row in rows:
        merit = (row.metrics[0].value - low) / (high - low) if high > low else 1.0
        own = [found[cell.text] for found, cell in zip(places, row.parameters, strict=True)]
        points = " ".join(f"{x:.1f},{_y(y):.1f}" for x, y in zip(xs, [*own, merit], strict=True))
        lines.append(Line(points, _in_words(row, names), merit, row.metrics[0].is_best))
    axes = [Axis(*axis) for axis in zip(names, xs, ticks, strict=True)]
    return Drawing(_WIDTH, _HEIGHT, axes, lines[::-1])


def _places(cells: Sequence[Cell]) -> dict[str, float]:
    """Return where values stand on their axis, in [0, 1]: evenly, numbers by size."""
    values = {cell.text: cell.value for cell in cells}
    numbers = sorted((t for t, v in values.items() if isinstance(v, int | float)), key=values.get)
    texts = sorted(t for t, v in values.items() if isinstance(v, str))
    absent = [text for text, value in values.items() if value is None]
    ordered = [*absent, *texts, *numbers]
    return {text: k / max(1, len(ordered) - 1) for k, text in enumerate(ordered)}


def _ticks(places: dict[str, float]) -> list[tuple[float, str]]:
    every = -(-len(places) // _MOST_TICKS)
    return [(_y(place), text) for k, (text, place) in enumerate(places.items()) if k % every == 0]


def _y(place: float) -> float:
    return _HEIGHT - _TOP - place * (_HEIGHT - 2.4 * _TOP)


def _in_words(row: Row, names: Sequence[str]) -> str:
    cells = [*row.parameters, row.metrics[0]]
    words = [f"{name} {cell.text}" for name, cell in zip(names, cells, strict=True)]
    return f"{row.name}: {', '.join(words)}"
