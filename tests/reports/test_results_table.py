"""The results of a sweep as data: a row a member, the same numbers in Parquet and in CSV."""

import csv
import errno
import json
import os

import pyarrow.parquet
import pytest

from adjax import reports
from adjax.reports.results_table import columns, write_sweep_table, write_table


def change(folder, **values):
    path = folder / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.fixture
def sweep(write_workdir, tmp_path):
    """AE of two members and OE-SDN with two auxiliary sets."""
    write_workdir("sweep/ae", "ae", ((3, 0), (8, 0)), config={"teacher.learning_rate": 0.002})
    for name in ("rotation", "shearing"):
        write_workdir(f"sweep/oe_sdn/{name}", config={"student.auxiliary": name})
    return reports.read_sweep(tmp_path / "sweep")


def rows(path):
    return pyarrow.parquet.read_table(path).to_pylist()


def test_a_row_is_a_member_with_settings_that_differ_and_metrics(sweep):
    path = write_sweep_table(sweep)
    assert path == sweep.directory / "results.parquet"
    found = rows(path)
    assert [(row["run"], row["normal_class"]) for row in found] == [
        ("ae", 3),
        ("ae", 8),
        ("oe_sdn/rotation", 3),
        ("oe_sdn/shearing", 3),
    ]
    assert [row["title"] for row in found] == ["AE", "AE", "OE-SDN", "OE-SDN with shearing"]
    members = [member for run in sweep.runs for member in run.members]
    assert [row["image_auroc"] for row in found] == [m["image_auroc"] for m in members]
    assert [row["student.auxiliary"] for row in found] == [None, None, "rotation", "shearing"]
    assert [row["teacher.learning_rate"] for row in found] == [0.002, 0.002, 0.001, 0.001]
    assert "teacher.steps" not in found[0]  # all have the same
    assert "student.steps" not in found[0]  # all that have it have the same


def test_nested_metrics_have_names_of_their_own(write_industrial, tmp_path):
    write_industrial("sweep/a", members=(("toothbrush", 0),))
    write_industrial("sweep/b", members=(("bottle", 1),))
    found = reports.read_sweep(tmp_path / "sweep")
    (row, _) = rows(write_sweep_table(found))
    member = found.runs[0].members[0]
    assert row["class_name"] == member["class_name"]
    assert row["pixel_auroc"] == member["pixel_auroc"]
    for rule in member["thresholds"]:
        assert row[f"thresholds.{rule['rule']}.threshold"] == rule["threshold"]
    assert row["image_threshold.threshold"] == member["image_threshold"]["threshold"]


def test_costs_of_rows_add_up_to_what_was_spent(write_workdir, tmp_path):
    stage = {"name": "teacher", "train_seconds": 30.0, "compile_seconds": 3.0}
    write_workdir("sweep/a", "ae", ((3, 0), (8, 0)), stages=[stage])
    write_workdir("sweep/b", "ae", ((4, 0),), stages=[{**stage, "cached": True}])
    found = reports.read_sweep(tmp_path / "sweep")
    found_columns = columns(found)
    assert found_columns["train_seconds"] == [15.0, 15.0, 0.0]
    assert found_columns["compile_seconds"] == [1.5, 1.5, 0.0]


def test_members_that_differ_in_a_hyper_parameter_are_told_apart(write_workdir, tmp_path):
    folder = write_workdir("sweep/ae", "ae", ((3, 0), (3, 1)))
    members = json.loads((folder / "results.json").read_text())["members"]
    for member, rate in zip(members, (1e-3, 3e-3), strict=True):
        member["teacher.learning_rate"] = rate
    change(folder, members=members)
    found = reports.read_sweep(tmp_path / "sweep")
    assert columns(found)["teacher.learning_rate"] == [1e-3, 3e-3]


def test_csv_has_the_same_rows(sweep, tmp_path):
    parquet = rows(write_table(tmp_path / "new" / "a.parquet", sweep))
    with write_table(tmp_path / "a.csv", sweep).open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(parquet)
    for line, row in zip(lines, parquet, strict=True):
        assert line == {key: "" if value is None else str(value) for key, value in row.items()}


def test_values_of_several_types_are_written_as_text(write_workdir, tmp_path):
    for number, value in enumerate(("\udcff", "b,\n'", "π")):
        folder = write_workdir(f"sweep/{number}", "ae", ((number, 0),))
        members = json.loads((folder / "results.json").read_text())["members"]
        members[0] |= {"class_name": value, "odd": [1, "a", None][number]}
        change(folder, members=members)
    found = reports.read_sweep(tmp_path / "sweep")
    for name in ("a.parquet", "a.csv"):
        assert write_table(tmp_path / name, found).stat().st_size
    kept = rows(tmp_path / "a.parquet")
    assert [row["class_name"] for row in kept] == ["?", "b,\n'", "π"]
    assert [row["odd"] for row in kept] == ["1", "a", None]


def test_no_text_in_csv_is_a_formula(write_workdir, tmp_path):
    folder = write_workdir("sweep/=1+1", "ae")
    members = json.loads((folder / "results.json").read_text())["members"]
    change(folder, members=[members[0] | {"class_name": "@cat", "below": -1.5}])
    found = reports.read_sweep(tmp_path / "sweep")
    with write_table(tmp_path / "a.csv", found).open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["run"], line["class_name"], line["below"]) == ("'=1+1", "'@cat", "-1.5")


def test_a_table_that_cannot_be_written_leaves_the_old_one(sweep, monkeypatch):
    path = write_sweep_table(sweep)
    before = sorted(sweep.directory.iterdir()), path.read_bytes()

    def full(_, file, **_options):
        file.write(b"PAR1")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pyarrow.parquet, "write_table", full)
    with pytest.raises(OSError, match="No space left"):
        write_sweep_table(sweep)
    assert (sorted(sweep.directory.iterdir()), path.read_bytes()) == before
