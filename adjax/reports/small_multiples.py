"""Small multiples: a panel for each setting of a sweep, all to one scale, named by its title.

A title is read where a legend of many curves is not, and what a setting differs in is seen against
the others, which are drawn faint behind.
"""

import re
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.metrics import auc, roc_curve

from adjax.reports.columns import Column, by_value, make_columns
from adjax.reports.finished_run import Run
from adjax.reports.plots import FAINT, NORMAL, WIDTH, look_of, loss_curves, scale_losses
from adjax.reports.words import listing

MOST_PANELS = 24  # of a figure or of a stage
ACROSS = 3
_LETTERS = 26  # of a line of a title
_HEIGHT = 1.15  # inches of a panel, without its title
_LINE = 0.14  # inches of a line of a title
_LINES = ("-", (0, (4, 2)), (0, (1, 1.5)))  # what lies over an equal curve lets it be seen

Curve = tuple[tuple[int, ...], tuple[float, ...]]  # steps, losses


def mean_curves(runs: Sequence[Run]) -> dict[str, dict[Curve, list[str]]]:
    """Return for each stage its curves, and the headings of the columns whose curve each is.

    A curve is the mean over all members (classes and seeds) of a column of their validation loss,
    or where there is none of their training loss. Columns that share a stage share its curve.
    """
    stages: dict[str, dict[Curve, list[str]]] = {}
    for column in by_value(make_columns(runs)):
        by_stage: dict[str, dict[int, list[float]]] = {}
        for run in column.runs:
            for stage, losses in loss_curves(run).items():
                pooled = by_stage.setdefault(stage, {})
                by_step = losses.get("validation_loss") or losses["loss"]
                for step, values in by_step.items():
                    pooled.setdefault(step, []).extend(v for v in values if v is not None)
        for stage, pooled in by_stage.items():
            steps = tuple(step for step in sorted(pooled) if pooled[step])
            curve = steps, tuple(float(np.mean(pooled[step])) for step in steps)
            stages.setdefault(stage, {}).setdefault(curve, []).append(column.heading)
    return stages


def curves_figure(runs: Sequence[Run]) -> Figure | None:
    """Draw losses of several runs, a block of panels a stage, a panel a curve.

    None if none are logged.
    """
    stages = mean_curves(runs)
    if not stages:
        return None
    everyone = [column.heading for column in make_columns(runs)]
    short = dict(zip(everyone, _short(everyone), strict=True))

    def title(headings: Sequence[str]) -> str:
        is_common = len(headings) == len(everyone)
        return "" if is_common else _folded(listing([short[one] for one in headings], most=2))

    blocks = {k: list(map(title, v.values()))[:MOST_PANELS] for k, v in stages.items()}
    figure, panels = _grid(blocks)
    for stage, curves in stages.items():
        everything = [loss for _, losses in curves for loss in losses]
        for number, (axes, own) in enumerate(zip(panels[stage], curves, strict=False)):
            for other in curves:
                if other is not own:
                    axes.plot(*other, color=FAINT, linewidth=0.8)
            axes.plot(*own, color=NORMAL, marker="o", markersize=2, zorder=3)
            scale_losses(axes, min(everything), max(everything))
            if number % ACROSS == 0:
                axes.set_ylabel("loss")
    _tell_left_out(figure, max(map(len, stages.values())))
    figure.supxlabel("step", size=9)
    return figure


def rocs_figure(runs: Sequence[Run]) -> Figure | None:
    """Draw the ROC curves of the members of each setting, a panel a setting.

    None if no run has normal and anomalous test images.
    """
    columns = by_value(make_columns([run for run in runs if run.is_tested]))
    if not columns:
        return None
    curves = [_rocs(column) for column in columns[:MOST_PANELS]]
    titles = [
        f"{_folded(heading)}\n{_aurocs([auc(*curve) for curve in own])}"
        for heading, own in zip(_short([c.heading for c in columns]), curves, strict=False)
    ]
    figure, panels = _grid({"": titles})
    for axes, own in zip(panels[""], curves, strict=True):
        _draw_rocs(axes, {0: own})
    _tell_left_out(figure, len(columns))
    figure.supxlabel("false positive rate (normal images flagged)", size=9)
    figure.supylabel("true positive rate (anomalies found)", size=9)
    return figure


class Overlaid(NamedTuple):
    """What is drawn over each other.

    Attributes:
      names: of what is compared, each with a colour.
      rows: a panel each: its title, and the columns in it by these names.

    """

    names: list[str]
    rows: dict[str, dict[str, Column]]


def overlaid_curves(shown: Overlaid) -> Figure | None:
    """Draw losses over each other, a block of panels a stage, a panel a row.

    None if none are logged.
    """
    stages: dict[str, dict[str, dict[str, Curve]]] = {}
    for heading, row in shown.rows.items():
        for name, column in row.items():
            for stage, curves in mean_curves(column.runs).items():
                for curve in curves:  # of one column there is one
                    stages.setdefault(stage, {}).setdefault(heading, {})[name] = curve
    if not stages:
        return None
    blocks = {
        stage: [_folded(title) for title in _short(list(rows))][:MOST_PANELS]
        for stage, rows in stages.items()
    }
    figure, panels = _grid(blocks, shown.names)
    for stage, rows in stages.items():
        everything = [
            loss for row in rows.values() for _, losses in row.values() for loss in losses
        ]
        for number, (axes, row) in enumerate(zip(panels[stage], rows.values(), strict=False)):
            for name, curve in row.items():
                axes.plot(*curve, marker="o", markersize=2, **_look(shown.names.index(name)))
            scale_losses(axes, min(everything), max(everything))
            if number % ACROSS == 0:
                axes.set_ylabel("loss")
    figure.supxlabel("step", size=9)
    return figure


def overlaid_rocs(shown: Overlaid) -> Figure | None:
    """Draw ROC curves over each other, a panel a row; None if there are none."""
    rows = {
        heading: {
            name: [curve for run in column.runs if run.is_tested for curve in _rocs_of(run)]
            for name, column in row.items()
        }
        for heading, row in list(shown.rows.items())[:MOST_PANELS]
    }
    rows = {heading: row for heading, row in rows.items() if any(row.values())}
    if not rows:
        return None
    titles = [
        "\n".join([*filter(None, [_folded(heading)]), *_told(row)])
        for heading, row in zip(_short(list(rows)), rows.values(), strict=True)
    ]
    figure, panels = _grid({"": titles}, shown.names)
    for axes, row in zip(panels[""], rows.values(), strict=True):
        _draw_rocs(axes, {shown.names.index(name): curves for name, curves in row.items()})
    figure.supxlabel("false positive rate (normal images flagged)", size=9)
    figure.supylabel("true positive rate (anomalies found)", size=9)
    return figure


def _told(row: dict[str, list]) -> list[str]:
    """Return `a: 0.931`, the mean AUROC, for each that has curves."""
    return [
        textwrap.fill(f"{name}: {np.mean([auc(*curve) for curve in curves]):.3f}", _LETTERS)
        for name, curves in row.items()
        if curves
    ]


def _look(number: int) -> dict:
    return look_of(number) | {"linestyle": _LINES[number % len(_LINES)]}


def _draw_rocs(axes: Axes, curves: dict[int, list[tuple[np.ndarray, np.ndarray]]]) -> None:
    """Draw curves in the colours of their numbers, and the diagonal."""
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=(0, (1, 2)))
    for number, own in curves.items():
        for curve in own:
            axes.plot(*curve, linewidth=1.4 if len(own) == 1 else 0.8, **_look(number))
    axes.set(xlim=(-0.02, 1.0), ylim=(0, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))


def _rocs(column: Column) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return false and true positive rates of each member of a column."""
    return [curve for run in column.runs for curve in _rocs_of(run)]


def _rocs_of(run: Run) -> list[tuple[np.ndarray, np.ndarray]]:
    return [roc_curve(anomalous, scores)[:2] for scores, anomalous in run.tested]


def _aurocs(values: Sequence[float]) -> str:
    mean = f"AUROC {np.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean}, from {min(values):.3f}"


def _short(headings: Sequence[str]) -> Sequence[str]:
    """Return headings without the method's name if all have the same, and settings too."""
    parts = [heading.partition(" (") for heading in headings]
    if len(headings) > 1 and len({name for name, _, _ in parts}) == 1 and all(p[2] for p in parts):
        return [setting.removesuffix(")") for _, _, setting in parts]
    return headings


def _folded(title: str) -> str:
    """Return a title on short lines, on which a setting keeps its value."""
    kept = re.sub(r"(?<!,) (?!and |\()", "\N{NO-BREAK SPACE}", title)
    folded = textwrap.fill(kept, _LETTERS, break_long_words=False, break_on_hyphens=False)
    return folded.replace("\N{NO-BREAK SPACE}", " ")


def _grid(
    blocks: dict[str, list[str]], names: Sequence[str] = ()
) -> tuple[Figure, dict[str, list[Axes]]]:
    """Return a figure with a block of panels of these titles each, and the panels.

    Names stand at its head, beside the lines that go by them.
    """
    heights = {
        name: -(-len(titles) // ACROSS) * (_HEIGHT + _LINE * _lines(titles)) + 0.3 * bool(name)
        for name, titles in blocks.items()
    }
    for name, titles in blocks.items():
        if len(titles) == 1:
            heights[name] = 2.3 + _LINE * _lines(titles)
    ratios = [*([0.1 + 0.18 * len(names)] if names else []), *heights.values()]
    figure = Figure(figsize=(WIDTH, sum(ratios) + 0.4))
    parts = figure.subfigures(len(ratios), 1, squeeze=False, height_ratios=ratios)[:, 0]
    if names:
        lines = [Line2D([], [], label=name, **_look(k)) for k, name in enumerate(names)]
        parts[0].legend(handles=lines, loc="center left")
    panels = {}
    for (name, titles), part in zip(blocks.items(), parts[-len(blocks) :], strict=True):
        across = min(ACROSS, len(titles))
        down = -(-len(titles) // across)
        grid = part.subplots(down, across, squeeze=False, sharex=True, sharey=True).flat
        if name:
            part.suptitle(name, x=0.01, ha="left", size=9, weight="bold")
        for axes, title in zip(grid, titles, strict=False):
            axes.set_title(title, size=7, weight="normal", loc="left")
            axes.tick_params(labelsize=7)
        for axes in grid[len(titles) :]:
            axes.set_axis_off()
        for axes in grid[max(0, len(titles) - across) : len(titles)]:
            axes.tick_params(labelbottom=True)  # of a column that ends above the last row, too
        panels[name] = list(grid[: len(titles)])
    return figure, panels


def _lines(titles: Sequence[str]) -> int:
    return 1 + max(title.count("\n") for title in titles)


def _tell_left_out(figure: Figure, panels: int) -> None:
    if panels > MOST_PANELS:
        figure.suptitle(f"the first {MOST_PANELS} of {panels} settings", size=9, x=0.3)
