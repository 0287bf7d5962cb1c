"""Figures of industrial images: kinds of defects, ground truth, thresholds."""

import itertools

import pytest

from adjax.reports import read_run
from adjax.reports.figures import MOST_OF_CATEGORIES, examples_figure, write_figures
from adjax.reports.plots import histograms_figure, roc_figure


@pytest.fixture
def read(write_industrial):
    """A function that writes a run and reads it."""
    return lambda name="a", **options: read_run(write_industrial(name, **options))


def _title(axes):
    return axes.get_title(loc="left") or axes.get_title()


def _texts(figure):
    return [text.get_text() for text in figure.texts]


def test_figures_of_a_run_with_ground_truth(read):
    assert list(write_figures(read())) == ["examples", "histograms", "roc", "thresholds", "losses"]
    assert "thresholds" not in write_figures(read("b", masks=False))
    assert list(write_figures(read("c", tested=False))) == ["examples", "histograms", "losses"]


def test_examples_have_kinds_and_ground_truth(read):
    run = read()
    figure = examples_figure(run)
    texts = _texts(figure)
    assert texts[0] == "AESc (residual), category toothbrush"
    assert texts.count("kind") == texts.count("ground\ntruth") == 2
    assert texts.count("good") == 3
    assert "kind\n1" in texts
    # 3 normal and the first anomalous ones: input, two reconstructions, map, mask; the scale
    assert len(figure.axes) == 5 * (3 + MOST_OF_CATEGORIES) + 1
    run.examples["class_name"][:] = "contamination"
    figure = examples_figure(run)
    figure.draw_without_rendering()
    names = [text for text in figure.texts if text.get_text() == "contamination"]
    boxes = [text.get_window_extent() for text in names[-MOST_OF_CATEGORIES:]]
    assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(boxes))


def test_examples_without_anomalous_ones(read):
    texts = _texts(examples_figure(read(tested=False)))
    assert "Anomalous" not in texts
    assert "ground\ntruth" not in texts


def test_histograms_show_the_threshold_and_what_there_is(read):
    figure = histograms_figure(read())
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["normal", "anomalous", "threshold"]
    assert _title(figure.axes[0]) == "category toothbrush: AUROC 0.900"
    figure = histograms_figure(read("b", tested=False))
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["normal", "threshold"]
    assert _title(figure.axes[0]) == "category toothbrush"


def test_roc_names_the_category(read):
    (axes,) = roc_figure([read()]).axes
    assert axes.get_legend().get_texts()[0].get_text().startswith("category toothbrush: 0.")
    several = read("b", members=[("screw", seed) for seed in range(6)])
    (axes,) = roc_figure([several]).axes
    assert [t.get_text()[:17] for t in axes.get_legend().get_texts()] == ["AESc (residual): "]


def test_the_figure_of_thresholds_names_its_member(read):
    run = read(members=[("screw", 0), ("screw", 1)])
    first = write_figures(run)["thresholds"].read_bytes()
    run.members[0]["seed"] = 7
    assert write_figures(run)["thresholds"].read_bytes() != first
