"""The record of a sweep: tables are made from it as from the folders."""

import json

import pytest

from adjax import reports
from adjax.errors import UserError
from adjax.files import unsealed
from adjax.reports.finished_sweep import provenance


@pytest.fixture
def sweep(write_workdir, tmp_path):
    for method in ("oe_sdn", "sdn", "ae"):  # papers list them in another order than names
        for seed in (0, 1):
            write_workdir(f"sweep/{method}/class3/seed{seed}", method, ((3, seed),))
    (tmp_path / "sweep" / "unfinished").mkdir()
    (tmp_path / "sweep" / "unfinished" / "config.json").write_text("{}")
    return reports.read_sweep(tmp_path / "sweep")


def test_tables_and_facts_are_those_of_the_folders(sweep, tmp_path):
    kept = reports.read_record(reports.write_record(tmp_path / "kept" / "sweep.jsonl", sweep))
    assert reports.markdown_table(kept.runs) == reports.markdown_table(sweep.runs)
    assert reports.remarks(kept) == reports.remarks(sweep) != []
    assert provenance(kept) == provenance(sweep)
    assert kept.directory == sweep.directory
    assert [run.workdir for run in kept.runs] == [run.workdir for run in sweep.runs]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda lines: [], "cannot read .*as the record of a sweep"),
        (lambda lines: lines[:1], "0 of 6 runs are there"),
        (lambda lines: lines[:-1], "5 of 6 runs are there"),
        (lambda lines: lines[1:], "cannot read .*as the record of a sweep"),
        (lambda lines: [*lines[:-1], lines[-1][:-9]], "cannot read .*as the record of a sweep"),
        (
            lambda lines: [lines[0], json.dumps({"run": "a", "results": {}, "config": {}})],
            "choose one of|cannot read",
        ),
    ],
)
def test_damaged_record_is_told_in_one_line(sweep, tmp_path, damage, says):
    path = reports.write_record(tmp_path / "sweep.jsonl", sweep)
    path.write_text("\n".join(damage(path.read_text().splitlines())))
    with pytest.raises(UserError, match=says):
        reports.read_record(path)


def test_a_changed_number_in_a_record_is_told(sweep, tmp_path):
    path = reports.write_record(tmp_path / "sweep.jsonl", sweep)
    auroc = json.dumps(sweep.runs[0].members[0]["image_auroc"])
    path.write_text(path.read_text().replace(auroc, auroc[:-1] + str(9 - int(auroc[-1])), 1))
    with pytest.raises(UserError, match="its content is not what was written"):
        reports.read_record(path)


def test_records_of_earlier_versions_are_read(sweep, tmp_path):
    path = reports.write_record(tmp_path / "sweep.jsonl", sweep)
    head, *lines = (unsealed(json.loads(line)) for line in path.read_text().splitlines())
    del head["runs"]
    path.write_text("".join(json.dumps(line) + "\n" for line in (head, *lines)))
    assert len(reports.read_record(path).runs) == len(sweep.runs)


def test_runs_that_measured_nothing_are_not_kept(write_workdir, tmp_path):
    folder = write_workdir("sweep/ae", "ae")
    results = json.loads((folder / "results.json").read_text())
    results["members"][0].pop("image_auroc")
    (folder / "results.json").write_text(json.dumps(results))
    with pytest.raises(UserError, match="ae: it has no AUROC"):
        reports.write_record(tmp_path / "sweep.jsonl", reports.read_sweep(folder))
