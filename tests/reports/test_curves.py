import numpy as np

from adjax.reports import read_run
from adjax.reports.curves import curves_figure, mean_curves


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
