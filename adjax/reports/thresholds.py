"""The figure of thresholds: F1 against the threshold, and where the rules put it."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from adjax.reports.names import rule_name
from adjax.reports.style import ANOMALOUS, INK, NORMAL, PALETTE, WIDTH

MARKERS = "sD^vP"


def thresholds_figure(
    threshold: np.ndarray,
    f1: np.ndarray,
    chosen: Mapping[str, tuple[float, float]],
    stable: tuple[float, float] | None = None,
) -> Figure:
    """F1 on the test set, with the best point and those chosen on normal images alone.

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
    best = int(np.argmax(f1))
    axes.plot(
        *(threshold[best], f1[best]),
        **{"marker": "o", "color": ANOMALOUS, "linestyle": "none"},
        label=f"oracle best F1: {f1[best]:.3f}",
    )
    for turn, (name, (value, reached)) in enumerate(chosen.items()):
        color = PALETTE[2 + turn % (len(PALETTE) - 2)]
        axes.axvline(value, color=color, linewidth=0.8, linestyle=(0, (3, 2)))
        axes.plot(
            *(value, reached),
            **{"marker": MARKERS[turn % len(MARKERS)], "color": color, "linestyle": "none"},
            **{"markeredgecolor": INK, "markeredgewidth": 0.5},
            label=f"{rule_name(name)}: {reached:.3f}",
        )
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
