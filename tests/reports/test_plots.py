"""Plots of losses and of thresholds show what they are given."""

import io

import numpy as np

from adjax.reports import read_run
from adjax.reports.plots import thresholds_figure
from adjax.reports.small_multiples import curves_figure, mean_curves, rocs_figure

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
    teacher, sdn, oe_sdn = figure.axes
    assert [part.get_suptitle() for part in figure.subfigs] == ["teacher", "student"]
    assert teacher.get_title(loc="left") == ""
    assert [axes.get_title(loc="left") for axes in (sdn, oe_sdn)] == ["SDN", "OE-SDN"]
    assert [len(axes.lines) for axes in (teacher, sdn, oe_sdn)] == [1, 2, 2]
    for axes in figure.axes:  # its own curve lies on top, in the colour that the others lack
        own = max(axes.lines, key=lambda line: line.get_zorder())
        assert [line.get_color() for line in axes.lines].count(own.get_color()) == 1
        assert axes.get_legend() is None
    assert oe_sdn.lines[-1].get_ydata()[-1] == 0.5


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


def grid_of(write_workdir, rates=(0.01, 0.001, 0.003), steps=(100, 200)):
    """Runs of AE that differ in two settings."""
    return [
        read_run(
            write_workdir(
                f"sweep/{rate}_{count}",
                "ae",
                ((3, 0), (3, 1)),
                config={"teacher.learning_rate": rate, "teacher.steps": count},
            )
        )
        for rate in rates
        for count in steps
    ]


def test_settings_have_a_panel_each_in_the_order_of_their_values(write_workdir):
    runs = grid_of(write_workdir)
    for place, run in enumerate(runs):
        run.metrics[-1]["validation_loss"] = [0.1 + place, 0.1 + place]
    expected = [
        f"learning_rate {rate:g}, steps {steps}"
        for rate in (0.001, 0.003, 0.01)
        for steps in (100, 200)
    ]
    titles = [axes.get_title(loc="left") for axes in curves_figure(runs).axes]
    assert [title.replace("\n", " ") for title in titles[:6]] == expected
    assert titles[6:] == []
    rocs = rocs_figure(runs)
    titles = [axes.get_title(loc="left").rpartition("\n") for axes in rocs.axes]
    assert [title.replace("\n", " ") for title, _, _ in titles] == expected
    for (_, _, auroc), axes in zip(titles, rocs.axes, strict=True):
        assert auroc.startswith("AUROC 0.")
        assert len(axes.lines) == 1 + 2  # the diagonal and a member each


def test_of_very_many_settings_the_first_are_drawn(write_workdir, monkeypatch):
    monkeypatch.setattr("adjax.reports.small_multiples.MOST_PANELS", 4)
    runs = grid_of(write_workdir)
    figure = rocs_figure(runs)
    assert len([axes for axes in figure.axes if axes.lines]) == 4
    assert figure.get_suptitle() == "the first 4 of 6 settings"


def test_without_two_kinds_of_images_there_is_no_roc(write_industrial):
    options = {"dataset": "folder", "members": [("folder", 0)], "known": (), "tested": False}
    assert rocs_figure([read_run(write_industrial("a", **options))]) is None
