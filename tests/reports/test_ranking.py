"""The settings of a sweep: a row each, the best first and marked."""

import itertools
import re

import pytest
from report_helpers import change_members

from adjax.reports import read_sweep, write_sweep_report
from adjax.reports.parallel import parallel_coordinates
from adjax.reports.ranking import rankings

RATES, STEPS = (0.01, 0.001), (100, 2000)


@pytest.fixture
def write_grid(write_workdir, tmp_path):
    """A function that writes a grid of AE, whose AUROC rises from run to run; reads the sweep."""

    def write(batch_sizes=(64,)):
        points = list(itertools.product(RATES, STEPS, batch_sizes))
        for place, (rate, steps, size) in enumerate(points, 1):
            config = {"teacher.learning_rate": rate, "teacher.steps": steps}
            config |= {"teacher.batch_size": size}
            name = f"sweep/{rate}/{steps}/{size}"
            folder = write_workdir(name, "ae", ((3, 0), (3, 1)), config=config)
            change_members(folder, image_auroc=0.5 + 0.01 * place)
        return read_sweep(tmp_path / "sweep")

    return write


def test_a_row_is_a_setting_and_a_column_what_differs(write_grid):
    sweep = write_grid()
    (ranking,) = rankings(sweep.runs, sweep.directory)
    assert ranking.parameters == ["learning_rate", "steps"]
    assert ranking.metrics == ["image AUROC"]
    cells = [[cell.text for cell in (*row.parameters, *row.metrics)] for row in ranking.rows]
    assert cells == [
        ["0.001", "2,000", "0.540 ± 0.000"],
        ["0.001", "100", "0.530 ± 0.000"],
        ["0.01", "2,000", "0.520 ± 0.000"],
        ["0.01", "100", "0.510 ± 0.000"],
    ]
    assert [row.metrics[0].is_best for row in ranking.rows] == [True, False, False, False]
    assert ranking.notes == ["± is the sample standard deviation over seeds."]


def test_settings_that_are_equal_as_printed_are_equally_good(write_grid):
    sweep = write_grid()
    for run, auroc in zip(sweep.runs, (0.7, 0.9001, 0.9, 0.8), strict=True):
        change_members(run.workdir, image_auroc=auroc)
    (ranking,) = rankings(read_sweep(sweep.directory).runs, sweep.directory)
    assert [row.metrics[0].is_best for row in ranking.rows] == [True, True, False, False]


def test_means_are_over_the_classes_that_all_have(write_workdir, tmp_path):
    for rate, classes in {0.01: (3, 8), 0.001: (3,)}.items():
        for c in classes:
            config = {"teacher.learning_rate": rate}
            change_members(
                write_workdir(f"sweep/{rate}/{c}", "ae", ((c, 0),), config=config),
                image_auroc=c / 10,
            )
    sweep = read_sweep(tmp_path / "sweep")
    (ranking,) = rankings(sweep.runs, sweep.directory)
    assert [row.metrics[0].text for row in ranking.rows] == ["0.300", "0.300"]
    assert ranking.notes == ["Means are over the 1 of 2 classes that all settings have: 3."]


def test_repeated_settings_are_told_apart_by_their_folders(write_workdir, tmp_path):
    for name in ("first", "second"):
        write_workdir(f"sweep/{name}", "ae")
    sweep = read_sweep(tmp_path / "sweep")
    (ranking,) = rankings(sweep.runs, sweep.directory)
    assert ranking.parameters == ["folder"]
    assert {row.parameters[0].text for row in ranking.rows} == {"first", "second"}


def test_what_was_not_measured_comes_last(write_industrial, tmp_path):
    for rate in (0.1, 0.2):
        masks = rate == 0.2
        config = {"autoencoder.learning_rate": rate}
        write_industrial(f"sweep/{rate}", masks=masks, config=config)
    sweep = read_sweep(tmp_path / "sweep")
    (ranking,) = rankings(sweep.runs, sweep.directory)
    place = ranking.metrics.index("pixel AUROC")
    assert {row.metrics[place].value for row in ranking.rows} == {0.85, None}
    assert not any(row.metrics[place].is_best for row in ranking.rows)  # of one there is no best


def test_the_page_has_what_its_script_sorts_by(write_grid):
    sweep = write_grid()
    page = write_sweep_report(sweep).read_text()
    table = page.partition('<table class="ranking"')[2].partition("</table>")[0]
    assert re.findall(r'aria-sort="(\w+)"><button type="button">([^<]*)', table) == [
        ("none", "method"),
        ("none", "learning_rate"),
        ("none", "steps"),
        ("descending", "image AUROC"),
    ]
    assert table.count(">best</span>") == 1
    assert 'data-label="steps" data-value="2000">2,000</td>' in table
    assert "student" not in page.lower()


def test_three_hyper_parameters_have_parallel_coordinates(write_grid):
    sweep = write_grid((16, 64))
    (ranking,) = rankings(sweep.runs, sweep.directory)
    drawing = parallel_coordinates(ranking)
    names = ["batch_size", "learning_rate", "steps", "image AUROC"]
    assert [axis.name for axis in drawing.axes] == names
    assert [text for _, text in drawing.axes[1].ticks] == ["0.001", "0.01"]
    assert len(drawing.lines) == 8
    assert drawing.lines[-1].is_best  # on top
    assert [line.merit for line in drawing.lines] == sorted(line.merit for line in drawing.lines)
    ends = [float(line.points.rpartition(",")[2]) for line in drawing.lines]
    assert ends == sorted(ends, reverse=True)  # upwards is better
    page = write_sweep_report(sweep).read_text()
    assert page.count("<polyline ") == 8


def test_fewer_are_read_off_the_table(write_grid):
    sweep = write_grid()
    (ranking,) = rankings(sweep.runs, sweep.directory)
    assert parallel_coordinates(ranking) is None
