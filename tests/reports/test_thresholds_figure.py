"""The figure of thresholds shows what it is given."""

import io

import numpy as np

from adjax.reports.thresholds import thresholds_figure

THRESHOLD = np.linspace(0.1, 0.9, 50)
F1 = 0.8 - (THRESHOLD - 0.6) ** 2


def _legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_legend_names_the_points_with_their_f1():
    chosen = {"quantile": (0.5, 0.79), "k_sigma": (0.3, 0.71), "minimum_area": (1.2, 0.0)}
    figure = thresholds_figure(THRESHOLD, F1, chosen, (0.4, 0.8))
    assert _legend(figure) == [
        "within 5 % of the best",
        "oracle best F1: 0.800",
        "quantile: 0.790",
        "k sigma: 0.710",
        "minimum area: 0.000",
    ]
    (axes,) = figure.axes
    curve, best, *points = axes.lines
    np.testing.assert_array_equal(curve.get_xydata(), np.stack([THRESHOLD, F1], -1))
    assert best.get_xydata().tolist() == [[THRESHOLD[F1.argmax()], F1.max()]]
    # a vertical line and a point each
    assert [tuple(point.get_xydata()[0]) for point in points[1::2]] == list(chosen.values())
    assert axes.get_xlim()[1] > 1.2
    assert axes.get_xscale() == "linear"


def test_thresholds_of_several_orders_are_on_a_logarithmic_axis():
    figure = thresholds_figure(np.geomspace(1e-4, 1, 50), F1, {})
    assert figure.axes[0].get_xscale() == "log"
    assert _legend(figure) == ["oracle best F1: 0.800"]


def test_it_can_be_drawn():
    figure = thresholds_figure(THRESHOLD, F1, {"quantile": (0.5, 0.79)}, (0.4, 0.8))
    buffer = io.BytesIO()
    figure.savefig(buffer)
    assert buffer.getvalue().startswith(b"\x89PNG")
