"""Runs and sweeps side by side: what stands in a row, what differs, and who is refused."""

import html
import json
import re

import pytest
from report_helpers import change_members

from adjax import reports
from adjax.errors import UserError
from adjax.reports.comparison import metric_tables, settings_table, sides_of


def sides(*folders):
    return sides_of(folders, [reports.read_sweep(folder) for folder in folders])


def write_comparison(path, *folders):
    sweeps = [reports.read_sweep(folder) for folder in folders]
    return reports.write_comparison(path, folders, sweeps, "python launch.py --output=cmp.html")


@pytest.fixture
def pair(write_workdir):
    """A run of AE and one of OE-SDN on two classes, which share one."""
    a = write_workdir("a", "ae", ((3, 0), (8, 0)), config={"teacher.steps": 200})
    b = write_workdir("b", "oe_sdn", ((3, 0), (5, 0)), config={"teacher.steps": 500})
    change_members(a, image_auroc=0.8)
    change_members(b, image_auroc=0.75)
    return a, b


@pytest.fixture
def write_sweep(write_workdir, tmp_path):
    """A function that writes a sweep of AE over rates, of so many steps."""

    def write(name, steps, auroc, rates=(0.001, 0.01)):
        for rate in rates:
            config = {"teacher.learning_rate": rate, "teacher.steps": steps}
            folder = write_workdir(f"{name}/{rate}", "ae", ((3, 0), (3, 1)), config=config)
            change_members(folder, image_auroc=auroc + rate)
        return tmp_path / name

    return write


def test_two_runs_stand_in_the_same_rows_whatever_they_are(pair):
    (table,) = metric_tables(sides(*pair))
    assert table.caption == "MNIST, image AUROC"
    assert table.groups == (("", ("a", "b", "difference")),)
    assert table.rows == (
        ("3", "0.800", "0.750", "\N{MINUS SIGN}0.050"),
        ("5", "\N{EN DASH}", "0.750", "\N{EN DASH}"),
        ("8", "0.800", "\N{EN DASH}", "\N{EN DASH}"),
    )
    assert table.means == ()  # one class is no mean


def test_settings_that_differ_are_told_and_no_others(pair):
    rows = {row[0]: row[1:] for row in settings_table(sides(*pair)).rows}
    assert rows["method"] == ("AE", "OE-SDN")
    assert rows["teacher.steps"] == ("200", "500")
    assert rows["data.normal_class"] == ("3 and 8", "3 and 5")
    assert rows["student.auxiliary"] == ("absent", "rotation")
    assert not {"teacher.learning_rate", "data.name", "seed"} & set(rows)


def test_sweeps_match_by_what_differs_within_them(write_sweep):
    one, two = write_sweep("one", 100, 0.7), write_sweep("two", 900, 0.8)
    (table,) = metric_tables(sides(one, two))
    assert table.rows == (
        ("AE (learning_rate 0.001)", "0.701 ± 0.000", "0.801 ± 0.000", "+0.100"),
        ("AE (learning_rate 0.01)", "0.710 ± 0.000", "0.810 ± 0.000", "+0.100"),
    )
    assert settings_table(sides(one, two)).rows == (("teacher.steps", "100", "900"),)


def test_a_setting_of_one_side_has_a_row_too(write_sweep):
    one, two = write_sweep("one", 100, 0.7), write_sweep("two", 100, 0.8, (0.01, 0.1))
    (table,) = metric_tables(sides(one, two))
    assert [(row[0], row[-1]) for row in table.rows] == [
        ("AE (learning_rate 0.001)", "\N{EN DASH}"),
        ("AE (learning_rate 0.01)", "+0.100"),
        ("AE (learning_rate 0.1)", "\N{EN DASH}"),
    ]


def test_three_have_no_difference(pair, write_workdir):
    third = write_workdir("c", "sdn")
    (table,) = metric_tables(sides(*pair, third))
    assert table.groups == (("", ("a", "b", "c")),)


def test_the_page_of_a_comparison(pair, tmp_path):
    for folder in pair[:1]:
        reports.write_report(folder)
    path = write_comparison(tmp_path / "pages" / "cmp.html", *pair)
    page = path.read_text()
    assert "<h1>a and b compared</h1>" in page
    assert re.findall('<a href="([^"]*)">(.*?)</a>', page) == [("../a/report.html", "a")]
    assert "OE-SDN, classes 3 and 5; 1 run, 2 members" in page
    assert len(re.findall("<img ", page)) == 2
    assert "python launch.py --output=cmp.html" in page
    assert not re.search(r"https?://|@import|<script", page)


def test_what_is_not_of_the_same_images_says_so(pair, tmp_path):
    for folder in pair:
        results = json.loads((folder / "results.json").read_text())
        results["tested_on"] = {"images": 60, "digest": folder.name}
        (folder / "results.json").write_text(json.dumps(results))
    page = write_comparison(tmp_path / "cmp.html", *pair).read_text()
    assert "Not all numbers are of the same test images" in page


def test_a_record_has_tables_without_curves(write_sweep, tmp_path):
    folder = write_sweep("one", 100, 0.7)
    record = reports.write_record(tmp_path / "one.jsonl", reports.read_sweep(folder))
    sweeps = [reports.read_record(record), reports.read_sweep(folder)]
    page = reports.write_comparison(tmp_path / "cmp.html", [record, folder], sweeps).read_text()
    assert "A record holds no curves, so none are drawn: one.jsonl." in page
    assert "<img" not in page
    assert page.count("0.701 ± 0.000") == 2


def test_names_are_text(write_workdir, tmp_path):
    folders = [write_workdir(name, "ae") for name in ("<b>", "$x$")]
    page = write_comparison(tmp_path / "cmp.html", *folders).read_text()
    assert f"<h1>{html.escape('<b> and $x$')} compared</h1>" in page
    assert "<b>" not in page


def test_one_given_twice_is_refused(pair, tmp_path):
    with pytest.raises(UserError, match="is given twice"):
        write_comparison(tmp_path / "cmp.html", pair[0], pair[0].parent / "." / "a")
