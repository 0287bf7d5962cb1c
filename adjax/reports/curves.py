"""Losses over the steps of a sweep: a panel a stage, a curve a method."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from adjax.reports.columns import columns
from adjax.reports.names import listing
from adjax.reports.run import Run
from adjax.reports.style import PALETTE, WIDTH

Curve = tuple[tuple[int, ...], tuple[float, ...]]  # steps, losses


def loss_curves(run: Run) -> dict[str, dict[str, dict[int, list[float]]]]:
    """stage -> `loss` | `validation_loss` -> step -> P values.

    A resumed run may log a step again; its last line counts.
    """
    curves: dict[str, dict[str, dict[int, list[float]]]] = {}
    for line in run.metrics:
        for name in ("loss", "validation_loss"):
            if name in line:
                curves.setdefault(line["stage"], {}).setdefault(name, {})[line["step"]] = line[name]
    return curves


def mean_curves(runs: Sequence[Run]) -> dict[str, dict[Curve, list[str]]]:
    """stage -> curve -> the headings of the columns whose curve it is.

    A curve is the mean over all members (classes and seeds) of a column of their validation loss,
    or where there is none of their training loss. Columns that share a stage share its curve.
    """
    stages: dict[str, dict[Curve, list[str]]] = {}
    for column in columns(runs):
        by_stage: dict[str, dict[int, list[float]]] = {}
        for run in column.runs:
            for stage, curves in loss_curves(run).items():
                found = by_stage.setdefault(stage, {})
                curve = curves.get("validation_loss") or curves["loss"]
                for step, values in curve.items():
                    found.setdefault(step, []).extend(v for v in values if v is not None)
        for stage, by_step in by_stage.items():
            steps = tuple(step for step in sorted(by_step) if by_step[step])
            curve = steps, tuple(float(np.mean(by_step[step])) for step in steps)
            stages.setdefault(stage, {}).setdefault(curve, []).append(column.heading)
    return stages


def curves_figure(runs: Sequence[Run]) -> Figure | None:
    """Validation loss by step, a panel a stage; None if no run logged any."""
    stages = mean_curves(runs)
    if not stages:
        return None
    figure = Figure(figsize=(WIDTH, 0.7 + 2.6 * len(stages)))
    panels = figure.subplots(len(stages), 1, squeeze=False)[:, 0]
    for axes, (stage, curves) in zip(panels, stages.items(), strict=True):
        for turn, ((steps, losses), headings) in enumerate(curves.items()):
            axes.plot(
                steps,
                losses,
                color=PALETTE[turn % len(PALETTE)],
                linestyle="-" if turn < len(PALETTE) else "--",
                marker="o",
                markersize=3,
                label=listing(headings, most=3),
            )
        losses = [loss for _, curve in curves for loss in curve]
        if min(losses) > 0 and max(losses) > 5 * min(losses):
            axes.set_yscale("log")
        axes.set_title(stage)
        axes.set_ylabel("loss")
        if len(curves) > 1:  # else it is everyone's
            axes.legend(loc="upper right")
    panels[-1].set_xlabel("step")
    return figure
