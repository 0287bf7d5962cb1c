"""The benchmark of searches measures equal trials, whatever they trained beside."""

import pytest

from benchmarks import page, trials
from benchmarks.tables import NAMES


@pytest.mark.slow
def test_ways_differ_in_time_alone():
    rows = trials.measure(2, **{"teacher.steps": 8, "log_every": 2, "checkpoint_every": 2})
    assert [row["case"] for row in rows] == [way.name for way in trials.WAYS]
    assert [row["steps"] for row in rows] == [10, 10]
    assert rows[0]["ratio"] == 1
    assert all(row["seconds"] > 0 for row in rows)
    assert rows[0]["best"] == rows[1]["best"]
    assert rows[0]["value"] == rows[1]["value"]
    text = page.console({"trials": {"rows": rows}})
    assert "Equal trials came to equal bytes" in text
    assert "trials" in NAMES
