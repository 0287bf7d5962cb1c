"""Plots of losses and of thresholds show what they are given."""

import io

import numpy as np

from adjax.reports import read_run
from adjax.reports.plots import curves_figure, mean_curves, thresholds_figure

THRESHOLD = np.linspace(0.1, 0.9, 50)
F1 = 0.8 - (THRESHOLD - 0.6) ** 2


def test_a_curve_is_the_mean_over_classes_and_seeds(write_workdir):
    runs = [read_run(write_workdir(str(c), "ae", ((c, 0), (c, 1)))) for c in (3, 8)]
    for run, offset in zip(runs, (0.0, 0.4), strict=True):
        run.metrics[:] = [
            {
                "stage": "teacher",
                "step": step,
                "validation_loss": [offset + step, offset + step + 1],
            }
            for step in (10, 20)
        ]
    ((curve, headings),) = mean_curves(runs)["teacher"].items()
    assert headings == ["AE"]
    assert curve[0] == (10, 20)
    np.testing.assert_allclose(curve[1], (10.7, 20.7))


def test_members_that_diverged_are_left_out(write_workdir):
    run = read_run(write_workdir(members=((3, 0), (3, 1))))
    run.metrics[:] = [
        {"stage": "teacher", "step": 10, "loss": [1.0, 3.0]},
        {"stage": "teacher", "step": 20, "loss": [0.5, None]},
    ]
    assert list(mean_curves([run])["teacher"]) == [((10, 20), (2.0, 0.5))]


def test_methods_that_share_a_stage_share_its_curve(write_workdir):
    runs = [read_run(write_workdir(method, method)) for method in ("ae", "sdn", "oe_sdn")]
    runs[2].metrics[-1]["validation_loss"] = [0.5]
    figure = curves_figure(runs)
    teacher, student = figure.axes
    assert len(teacher.lines) == 1
    assert teacher.get_legend() is None
    assert [t.get_text() for t in student.get_legend().get_texts()] == ["SDN", "OE-SDN"]


def test_without_logged_losses_there_is_no_figure(write_workdir):
    run = read_run(write_workdir())
    run.metrics.clear()
    assert curves_figure([run]) is None


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
