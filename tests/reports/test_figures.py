import json

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

from adjax.reports import read_run
from adjax.reports.figures import (
    MOST_EXAMPLES,
    examples_figure,
    gallery_figure,
    write_figure,
    write_figures,
)
from adjax.reports.plots import histograms_figure, loss_curves, losses_figure, roc_figure

ALL_CLASSES = tuple((c, 0) for c in range(10))


@pytest.fixture
def run(write_workdir):
    return read_run(write_workdir())


def _texts(figure):
    return [text.get_text() for text in figure.texts]


def test_figures_are_the_same_bytes_twice(run):
    first = {name: path.read_bytes() for name, path in write_figures(run).items()}
    second = {name: path.read_bytes() for name, path in write_figures(run).items()}
    assert list(first) == ["examples", "histograms", "roc", "losses"]
    assert first == second
    assert all(data.startswith(b"\x89PNG") and b"matplotlib" not in data for data in first.values())
    assert sorted(path.name for path in (run.workdir / "figures").iterdir()) == sorted(
        f"{name}.png" for name in first
    )


@pytest.mark.parametrize("name", [r"$\frac", "$x$", r"a\$b", "日本\n\udcff", "{}%^_"])
def test_names_are_drawn_as_they_are(tmp_path, name):
    figure = Figure()
    figure.text(0, 0, name)
    path = write_figure(tmp_path / "figure.png", lambda _: figure, None)
    assert path.read_bytes().startswith(b"\x89PNG")
    text, is_formula = figure.texts[0]._preprocess_math(figure.texts[0].get_text())
    assert not is_formula
    assert text == name.replace("\udcff", r"\xff")


def test_no_global_state_changes(run):
    before = dict(mpl.rcParams)
    write_figures(run)
    assert dict(mpl.rcParams) == before


def test_examples_show_normal_ones_first_then_anomalous(run):
    figure = examples_figure(run)
    texts = _texts(figure)
    assert texts.index("Normal") < texts.index("Anomalous")
    for label in ("input", "AE", "student", "anomaly\nmap", "class", "score"):
        assert texts.count(label) == 2
    # 3 normal examples and the first of 27 anomalous ones, in 4 rows, and the colour scale
    assert len(figure.axes) == 4 * (3 + MOST_EXAMPLES) + 1
    assert len(figure.artists) + len(figure.lines) == 1  # the divider


def test_anomaly_maps_share_one_colour_scale(run):
    maps = [axes.images[0] for axes in examples_figure(run).axes[:-1]]
    limits = {image.get_clim() for image in maps if image.get_cmap().name == "magma"}
    everything = run.examples["anomaly_map"][0]
    assert limits == {(everything.min(), everything.max())}


def test_examples_of_a_population_are_the_first_members(write_workdir):
    run = read_run(write_workdir(members=((3, 0), (8, 0))))
    assert _texts(examples_figure(run))[0] == "OE-SDN, class 3 (the first of 2 members)"


def test_examples_in_colour_and_of_one_kind(write_workdir):
    run = read_run(write_workdir(channels=3))
    run.examples["anomalous"][:] = True
    figure = examples_figure(run)
    assert "Normal" not in _texts(figure)
    assert figure.axes[0].images[0].get_array().shape == (12, 12, 3)


def test_histograms_have_a_panel_a_member_up_to_ten(write_workdir):
    members = tuple((c, s) for c in range(10) for s in (0, 1))
    figure = histograms_figure(read_run(write_workdir(members=members)))
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]
    assert len(titles) == 10
    assert titles[1].startswith("class 0, seed 1: AUROC 0.")
    assert figure.get_suptitle() == "the first 10 of 20 members"


def test_each_histogram_sums_to_one(run):
    (axes,) = histograms_figure(run).axes
    filled, outlined = axes.patches
    for patch in (filled, outlined):
        corners = patch.get_xy()
        tops = corners[1:-1:2, 1][:40]
        assert tops.sum() == pytest.approx(1)


def test_roc_legend_has_the_auroc_of_each_member(write_workdir):
    run = read_run(write_workdir(members=((3, 0), (8, 0))))
    (axes,) = roc_figure([run]).axes
    expected = [
        f"class {c}: {roc_auc_score(run.anomalous[p], run.image_scores[p]):.3f}"
        for p, c in enumerate((3, 8))
    ]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == expected


def test_roc_of_several_runs_names_the_method(write_workdir):
    runs = [read_run(write_workdir(method, method)) for method in ("ae", "sdn", "oe_sdn")]
    (axes,) = roc_figure(runs).axes
    labels = [text.get_text().split(":")[0] for text in axes.get_legend().get_texts()]
    assert labels == ["AE, class 3", "SDN, class 3", "OE-SDN, class 3"]


def test_roc_of_many_members_has_one_entry_a_method(write_workdir):
    runs = [read_run(write_workdir(method, method, ALL_CLASSES)) for method in ("ae", "oe_sdn")]
    (axes,) = roc_figure(runs).axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [label.split(":")[0] for label in labels] == ["AE", "OE-SDN"]
    assert " to " in labels[0]
    assert len(axes.lines) == 1 + 20 + 2


def test_losses_have_a_panel_a_stage(run):
    figure = losses_figure(run)
    assert len(figure.axes) == 2
    for axes in figure.axes:
        assert axes.get_yscale() == "log"
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == ["training", "validation"]


def test_a_small_or_signed_range_is_not_logarithmic(run):
    for line in run.metrics:
        line["loss"] = [0.1 - line["step"] / 1000]
    assert [axes.get_yscale() for axes in losses_figure(run).axes] == ["linear", "linear"]


def test_a_step_logged_again_counts_once(run):
    run.metrics.append({"stage": "teacher", "step": 50, "loss": [7.0]})
    by_step = loss_curves(run)["teacher"]["loss"]
    assert by_step[50] == [7.0]
    assert len(by_step) == 8


def test_a_method_without_training_has_no_losses(write_workdir):
    workdir = write_workdir(stages=[])
    (workdir / "metrics.jsonl").write_text("")
    assert "losses" not in write_figures(read_run(workdir))


def test_scores_are_not_changed(run):
    before = run.image_scores.copy()
    write_figures(run)
    np.testing.assert_array_equal(run.image_scores, before)
    assert json.loads((run.workdir / "results.json").read_text()) == run.results


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_of_a_gallery_are_the_sets_in_order(channels):
    images = np.random.default_rng(0).random((2, 3, 8, 8, channels), np.float32)
    figure = gallery_figure({"normal": images[0], "svd_blurring": images[1]})
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == [
        "normal",
        "SVD blurring",
    ]
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    desired = np.broadcast_to(images, (2, 3, 8, 8, 3)).reshape(6, 8, 8, 3)
    np.testing.assert_array_equal(shown, desired)
