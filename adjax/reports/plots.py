"""Plots: histograms, ROC curves, losses and thresholds; and the style that all figures share.

Figures are 5 inches wide with type of 8 to 10 points, legible on a phone. No meaning rests on
colour alone: the palette is Okabe and Ito's, and lines and fills differ in kind too. They are made
of `matplotlib.figure.Figure` without pyplot, so that no global state changes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from sklearn.metrics import auc, roc_curve

from adjax.reports.columns import make_columns
from adjax.reports.finished_run import Run
from adjax.reports.words import rule_name

MOST_CURVES = 10
MOST_OF_CATEGORIES = 5  # their names are longer
MOST_HISTOGRAMS = 10

WIDTH = 5.0
NORMAL, ANOMALOUS = "#0072B2", "#D55E00"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
INK, FAINT = "#333333", "#d0d0d0"
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same bytes everywhere
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#ececec",
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.constrained_layout.use": True,
}
_DASHED = (0, (3, 2))

NewFigure = Callable[..., Figure]  # `Figure`, or pyplot's, which a notebook shows
Losses = dict[str, dict[int, list[float]]]  # `loss` | `validation_loss` -> step -> P values


def histograms_figure(run: Run, new: NewFigure = Figure) -> Figure:
    """Draw image scores of normal test images against anomalous ones, a panel a member."""
    members = run.members[:MOST_HISTOGRAMS]
    across = min(2, len(members))
    down = -(-len(members) // across)
    figure = new(figsize=(WIDTH, 3.1 if down == 1 else 1.5 * down + 0.6))
    panels = figure.subplots(down, across, squeeze=False)
    for axes, member, (scores, anomalous) in zip(panels.flat, members, run.tested, strict=False):
        _draw_histogram(axes, scores, anomalous)
        if "image_threshold" in member:
            look: dict[str, Any] = {
                "color": INK,
                "linewidth": 1,
                "linestyle": _DASHED,
                "label": "threshold",
            }
            axes.axvline(member["image_threshold"]["threshold"], **look)
        auroc = f": AUROC {member['image_auroc']:.3f}" if run.is_tested else ""
        axes.set_title(f"{run.member_name(member)}{auroc}", size=8)
    for axes in panels.flat[len(members) :]:
        axes.set_axis_off()
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3)
    figure.supxlabel(f"image score ({run.results['image_score']})", size=9)
    figure.supylabel("share of the images", size=9)
    if len(members) < len(run.members):
        figure.suptitle(f"the first {len(members)} of {len(run.members)} members", size=9, x=0.3)
    return figure


def _draw_histogram(axes: Axes, scores: np.ndarray, anomalous: np.ndarray):
    """Draw scores [N], each kind of image there is normalised by its own number."""
    edges = np.histogram_bin_edges(scores, bins=40)
    looks: dict[str, dict[str, Any]] = {
        "normal": {"histtype": "stepfilled", "color": NORMAL, "alpha": 0.75},
        "anomalous": {"histtype": "step", "color": ANOMALOUS, "linewidth": 1.6},
    }
    for (label, look), chosen in zip(looks.items(), (~anomalous, anomalous), strict=True):
        if chosen.any():
            weights = np.full(chosen.sum(), 1 / chosen.sum())
            axes.hist(scores[chosen], bins=edges, weights=weights, label=label, **look)
    axes.set_xlim(edges[0], edges[-1])
    axes.grid(axis="x", visible=False)


def roc_figure(runs: Sequence[Run], new: NewFigure = Figure) -> Figure | None:
    """Draw the ROC curve of every member of the runs; many share a colour and an entry a method.

    None if no run has normal and anomalous test images.
    """
    runs = [run for run in runs if run.is_tested]
    if not runs:
        return None
    everyone = [member for run in runs for member in run.members]
    crowded = len(everyone) > (MOST_OF_CATEGORIES if runs[0].about.has_categories else MOST_CURVES)
    figure = new(figsize=(WIDTH, 4.6))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=(0, (1, 2)))
    columns, drawn = make_columns(runs), 0
    for turn, column in enumerate(columns):
        aurocs = []
        for run in column.runs:
            for member, (scores, anomalous) in zip(run.members, run.tested, strict=True):
                false, true, _ = roc_curve(anomalous, scores)
                aurocs.append(float(auc(false, true)))
                whose = f"{column.heading}, " if len(columns) > 1 else ""
                label = f"{whose}{run.member_name(member, everyone)}: {aurocs[-1]:.3f}"
                look = {"linewidth": 0.8} if crowded else {"linewidth": 1.6, "label": label}
                axes.plot(false, true, **look, **look_of(turn if crowded else drawn))
                drawn += 1
        if crowded:
            label = f"{np.mean(aurocs):.3f} ({min(aurocs):.3f} to {max(aurocs):.3f})"
            axes.plot([], [], color=look_of(turn)["color"], label=f"{column.heading}: {label}")
    axes.set(xlim=(-0.01, 1.0), ylim=(0, 1.01))
    axes.set_xlabel("false positive rate (normal images flagged)")
    axes.set_ylabel("true positive rate (anomalies found)")
    axes.legend(loc="lower right", title="AUROC", alignment="right", title_fontsize=8)
    return figure


def look_of(turn: int) -> dict[str, Any]:
    """Colour and line of the curve of this number; dashes where the palette starts again."""
    first = turn < len(PALETTE)
    return {"color": PALETTE[turn % len(PALETTE)], "linestyle": "-" if first else "--"}


def loss_curves(run: Run) -> dict[str, Losses]:
    """Return what was logged of the losses of each stage.

    A resumed run may log a step again; its last line counts.
    """
    curves: dict[str, Losses] = {}
    for line in run.metrics:
        for name in ("loss", "validation_loss"):
            if name in line:
                curves.setdefault(line["stage"], {}).setdefault(name, {})[line["step"]] = line[name]
    return curves


def losses_figure(run: Run, new: NewFigure = Figure) -> Figure | None:
    """Draw losses by step, a panel a stage: mean and range over members; None if there are none."""
    stages = loss_curves(run)
    if not stages:
        return None
    figure, panels = _stage_panels(list(stages), 2.1, new)
    for axes, losses in zip(panels, stages.values(), strict=True):
        _draw_losses(axes, losses)
        axes.legend(loc="upper right", ncols=2)
    return figure


def _stage_panels(
    stages: Sequence[str], height: float, new: NewFigure = Figure
) -> tuple[Figure, Sequence[Axes]]:
    """A figure with a panel a stage, each `height` inches high."""
    figure = new(figsize=(WIDTH, 0.7 + height * len(stages)))
    panels = figure.subplots(len(stages), 1, squeeze=False)[:, 0]
    for axes, stage in zip(panels, stages, strict=True):
        axes.set_title(stage)
        axes.set_ylabel("loss")
    panels[-1].set_xlabel("step")
    return figure, panels


def _draw_losses(axes: Axes, losses: Losses):
    looks: dict[str, dict[str, Any]] = {
        "loss": {"label": "training", "color": NORMAL},
        "validation_loss": {
            "label": "validation",
            "color": ANOMALOUS,
            "linestyle": "--",
            "marker": "o",
            "markersize": 3,
        },
    }
    for name, by_step in losses.items():
        steps = sorted(by_step)
        # [T, P]; null is a member that has diverged by then
        values = np.array([by_step[step] for step in steps], float)
        axes.plot(steps, np.nanmean(values, axis=1), **looks[name])
        if values.shape[1] > 1:
            low, high = np.nanmin(values, axis=1), np.nanmax(values, axis=1)
            axes.fill_between(steps, low, high, color=looks[name]["color"], alpha=0.15, linewidth=0)
    everything = np.array([v for by_step in losses.values() for v in by_step.values()], float)
    scale_losses(axes, np.nanmin(everything), np.nanmax(everything))


def scale_losses(axes: Axes, low: float, high: float) -> None:
    """Make the axis of losses logarithmic if their range is wide."""
    if low > 0 and high > 5 * low:
        axes.set_yscale("log")
        if high < 1000 * low:  # few decades: plain numbers read better than powers of ten
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())


def thresholds_figure(
    threshold: np.ndarray,
    f1: np.ndarray,
    chosen: Mapping[str, tuple[float, float]],
    stable: tuple[float, float] | None = None,
) -> Figure:
    """Draw F1 on the test set, with the best point and those chosen on normal images alone.

    Args:
      threshold: lowest first, `[T]`.
      f1: `[T]`.
      chosen: threshold and its F1, by the name of the rule.
      stable: the range of thresholds that is shaded: F1 within 5 % of the best.

    """
    figure = Figure(figsize=(WIDTH, 3.2))
    axes = figure.subplots()
    if stable is not None:
        label = "within 5 % of the best"
        axes.axvspan(*stable, color=NORMAL, alpha=0.12, linewidth=0, label=label)
    axes.plot(threshold, f1, color=NORMAL)
    best, point = int(np.argmax(f1)), dict[str, Any](linestyle="none")
    label = f"oracle best F1: {f1[best]:.3f}"
    axes.plot(threshold[best], f1[best], marker="o", color=ANOMALOUS, label=label, **point)
    point |= {"markeredgecolor": INK, "markeredgewidth": 0.5}
    for turn, (rule, (value, reached)) in enumerate(chosen.items()):
        color, marker = PALETTE[2 + turn % (len(PALETTE) - 2)], "sD^vP"[turn % 5]
        axes.axvline(value, color=color, linewidth=0.8, linestyle=_DASHED)
        label = f"{rule_name(rule)}: {reached:.3f}"
        axes.plot(value, reached, marker=marker, color=color, label=label, **point)
    values = [threshold[0], threshold[-1], *(value for value, _ in chosen.values())]
    if min(values) > 0 and max(values) > 20 * min(values):
        axes.set_xscale("log")
        axes.tick_params(which="minor", length=0)
    else:
        axes.locator_params(axis="x", nbins=6)  # small numbers are long
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("threshold of the anomaly map")
    axes.set_ylabel("F1 of the pixels of the test set")
    figure.legend(loc="outside upper center", ncols=2)
    return figure
