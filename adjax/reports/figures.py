"""The figures of a run, written as PNG: examples, histograms, ROC curves, losses.

They are made of `matplotlib.figure.Figure` without pyplot, so that no global state changes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from sklearn.metrics import auc, roc_curve

from adjax.reports.columns import columns
from adjax.reports.curves import curves_figure, loss_curves
from adjax.reports.examples import examples_figure
from adjax.reports.gallery import gallery_figure
from adjax.reports.names import count, member_name
from adjax.reports.run import Run
from adjax.reports.style import ANOMALOUS, DPI, INK, NORMAL, PALETTE, STYLE, WIDTH
from adjax.reports.thresholds import thresholds_figure

MOST_CURVES = 10
MOST_OF_CATEGORIES = 5  # their names are longer
MOST_HISTOGRAMS = 10


def write_figures(run: Run) -> dict[str, Path]:
    """Writes `figures/{examples,histograms,roc,losses,thresholds}.png`, those there are.

    No losses for an untrained method, no ROC without two kinds of test images, no thresholds
    without ground truth.
    """
    with mpl.rc_context(STYLE):
        figures = {"examples": examples_figure(run), "histograms": histograms_figure(run)}
        if run.is_tested:
            figures["roc"] = roc_figure([run])
        if "f1_curve/f1" in run.scores:
            figures["thresholds"] = _thresholds_figure(run)
        if loss_curves(run):
            figures["losses"] = losses_figure(run)
        return {
            name: _save(figure, run.workdir / "figures" / f"{name}.png")
            for name, figure in figures.items()
        }


def _thresholds_figure(run: Run) -> Figure:
    """That of the first member."""
    member = run.members[0]
    threshold, f1 = (run.scores[f"f1_curve/{key}"][0] for key in ("threshold", "f1"))
    chosen = {rule["rule"]: (rule["threshold"], rule["f1"]) for rule in member["thresholds"]}
    chosen.pop("oracle_best_f1")
    stable = member["stability"]["low"], member["stability"]["high"]
    figure = thresholds_figure(threshold, f1, chosen, stable)
    if len(run.members) > 1:
        name = member_name(member, run.members, run.noun)
        figure.axes[0].set_title(f"{name} (the first of {count(len(run.members), 'member')})")
    return figure


def write_roc_figure(runs: Sequence[Run], path: Path) -> Path:
    """Writes one figure with the ROC curves of several runs."""
    with mpl.rc_context(STYLE):
        return _save(roc_figure(runs), path)


def write_curves_figure(runs: Sequence[Run], path: Path) -> Path | None:
    """Writes one figure with the losses of several runs; None if none of them logged any."""
    with mpl.rc_context(STYLE):
        figure = curves_figure(runs)
        return None if figure is None else _save(figure, path)


def write_gallery(sets: dict[str, np.ndarray], path: Path) -> Path:
    """Writes the figure of auxiliary sets, see `gallery_figure`."""
    with mpl.rc_context(STYLE):
        return _save(gallery_figure(sets), path)


def _save(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI, facecolor="white", metadata={"Software": None})
    return path


def histograms_figure(run: Run) -> Figure:
    """Image scores of normal test images against anomalous ones; a panel a member, at most ten."""
    members = run.members[:MOST_HISTOGRAMS]
    across = min(2, len(members))
    down = -(-len(members) // across)
    figure = Figure(figsize=(WIDTH, 3.1 if down == 1 else 1.5 * down + 0.6))
    panels = figure.subplots(down, across, squeeze=False)
    for axes, member, (scores, anomalous) in zip(panels.flat, members, run.tested, strict=False):
        _draw_histogram(axes, scores, anomalous)
        if "image_threshold" in member:
            look = {"color": INK, "linewidth": 1, "linestyle": (0, (3, 2)), "label": "threshold"}
            axes.axvline(member["image_threshold"]["threshold"], **look)
        name = member_name(member, run.members, run.noun)
        auroc = f": AUROC {member['image_auroc']:.3f}" if run.is_tested else ""
        axes.set_title(f"{name}{auroc}", size=8)
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
    """Draws scores [N], each kind of image there is normalised by its own number."""
    edges = np.histogram_bin_edges(scores, bins=40)
    looks = {
        "normal": {"histtype": "stepfilled", "color": NORMAL, "alpha": 0.75},
        "anomalous": {"histtype": "step", "color": ANOMALOUS, "linewidth": 1.6},
    }
    for (label, look), chosen in zip(looks.items(), (~anomalous, anomalous), strict=True):
        if chosen.any():
            weights = np.full(chosen.sum(), 1 / chosen.sum())
            axes.hist(scores[chosen], bins=edges, weights=weights, label=label, **look)
    axes.set_xlim(edges[0], edges[-1])
    axes.grid(axis="x", visible=False)


class _Curve(NamedTuple):
    """One ROC curve: false and true positive rates [T], and whose it is."""

    group: str
    label: str
    false_positives: np.ndarray
    true_positives: np.ndarray
    auroc: float


def _roc_curves(runs: Sequence[Run]) -> list[_Curve]:
    curves = []
    everyone = [member for run in runs for member in run.members]
    for column in columns(runs):
        for run in column.runs:
            for member, (scores, anomalous) in zip(run.members, run.tested, strict=True):
                false, true, _ = roc_curve(anomalous, scores)
                label = member_name(member, everyone, run.noun)
                curves.append(_Curve(column.heading, label, false, true, float(auc(false, true))))
    return curves


def roc_figure(runs: Sequence[Run]) -> Figure:
    """ROC curves of every member of the runs; of many, one colour and legend entry a method."""
    curves = _roc_curves(runs)
    groups = list(dict.fromkeys(curve.group for curve in curves))
    crowded = len(curves) > (MOST_OF_CATEGORIES if runs[0].is_industrial else MOST_CURVES)
    figure = Figure(figsize=(WIDTH, 4.6))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=(0, (1, 2)))
    for index, curve in enumerate(curves):
        turn = groups.index(curve.group) if crowded else index
        axes.plot(
            curve.false_positives,
            curve.true_positives,
            color=PALETTE[turn % len(PALETTE)],
            linestyle="-" if turn < len(PALETTE) else "--",
            linewidth=0.8 if crowded else 1.6,
            label=None if crowded else _curve_label(curve, groups),
        )
    if crowded:
        _label_groups(axes, curves, groups)
    axes.set(xlim=(-0.01, 1.0), ylim=(0, 1.01))
    axes.set_xlabel("false positive rate (normal images flagged)")
    axes.set_ylabel("true positive rate (anomalies found)")
    axes.legend(loc="lower right", title="AUROC", alignment="right", title_fontsize=8)
    return figure


def _curve_label(curve: _Curve, groups: list[str]) -> str:
    name = curve.label if len(groups) == 1 else f"{curve.group}, {curve.label}"
    return f"{name}: {curve.auroc:.3f}"


def _label_groups(axes: Axes, curves: list[_Curve], groups: list[str]):
    """One legend entry a group, with the mean and the range of its AUROC."""
    for turn, group in enumerate(groups):
        values = [curve.auroc for curve in curves if curve.group == group]
        label = f"{group}: {np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
        axes.plot([], [], color=PALETTE[turn % len(PALETTE)], label=label)


def losses_figure(run: Run) -> Figure:
    """Training and validation loss by step, a panel a stage: the mean and range over members."""
    stages = loss_curves(run)
    figure = Figure(figsize=(WIDTH, 0.7 + 2.1 * len(stages)))
    panels = figure.subplots(len(stages), 1, squeeze=False)[:, 0]
    for axes, (stage, curves) in zip(panels, stages.items(), strict=True):
        _draw_losses(axes, curves)
        axes.set_title(stage)
        axes.legend(loc="upper right", ncols=2)
    panels[-1].set_xlabel("step")
    return figure


def _draw_losses(axes: Axes, curves: dict[str, dict[int, list[float]]]):
    looks = {
        "loss": {"label": "training", "color": NORMAL},
        "validation_loss": {
            **{"label": "validation", "color": ANOMALOUS, "linestyle": "--"},
            **{"marker": "o", "markersize": 3},
        },
    }
    for name, by_step in curves.items():
        steps = sorted(by_step)
        # [T, P]; null is a member that has diverged by then
        values = np.array([by_step[step] for step in steps], float)
        axes.plot(steps, np.nanmean(values, axis=1), **looks[name])
        if values.shape[1] > 1:
            low, high = np.nanmin(values, axis=1), np.nanmax(values, axis=1)
            axes.fill_between(steps, low, high, color=looks[name]["color"], alpha=0.15, linewidth=0)
    everything = np.array([v for by_step in curves.values() for v in by_step.values()], float)
    low, high = np.nanmin(everything), np.nanmax(everything)
    if low > 0 and high > 5 * low:
        axes.set_yscale("log")
        if high < 1000 * low:  # few decades: plain numbers read better than powers of ten
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("loss")
