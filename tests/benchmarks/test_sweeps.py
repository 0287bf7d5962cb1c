"""What a sweep costs beside its training is measured on the product's own functions."""

import pytest

from benchmarks import page, sweeps


@pytest.mark.slow
def test_every_part_has_a_row():
    rows = sweeps.measure(seeds=2, short=3)
    assert {row["case"]: row["runs"] for row in rows} == {
        "expand and check a sweep": 60,
        "check its data": 60,
        "plan it": 60,
        "finish short runs of AE": 2,
        "report them, 12 in full": 3,
        "read results from folders": 60,
        "write results.parquet": 60,
        "read results by results.parquet": 60,
        "make their tables": 60,
    }
    assert all(row["seconds"] > 0 for row in rows)
    (finished,) = [row for row in rows if "files" in row]
    assert finished["files"] <= 13  # with what the sweep has once


def test_table_of_rows():
    rows = [
        {"case": "plan", "runs": 9990, "seconds": 1.5, "seconds_per_run": 15e-5},
        {"case": "finish", "runs": 2, "seconds": 0.1, "seconds_per_run": 0.05, "files": 12.0},
    ]
    text = page.console({"sweeps": {"rows": rows}})
    assert "A sweep beside its training" in text
    for word in ("9,990", "0.15", "50.00", "12.0"):
        assert word in text
