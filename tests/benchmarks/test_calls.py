"""Steps by input and by steps a call are measured on the product's own loop."""

import pytest

from benchmarks import calls, page

ROWS = [
    {
        "case": "tiny",
        "images": "tfdata, 1 step a call",
        "seconds": 4e-3,
        "spread": 0.1,
        "faster": 1,
    },
    {"case": "tiny", "images": "device", "seconds": 1e-3, "spread": 0.2, "faster": 4.04},
]


@pytest.mark.slow
def test_every_variant_has_a_row():
    training = calls.TRAININGS[0]
    short = training._replace(values=training.values | {"teacher.steps": 20})
    rows = calls.measure(1, (short,))
    assert [row["images"] for row in rows] == list(calls.VARIANTS)
    assert all(row["seconds"] > 0 for row in rows)
    assert rows[0]["faster"] == 1


def test_table_of_rows():
    text = page.console({"calls": {"rows": ROWS}})
    assert "Steps by input" in text
    for word in ("tiny, device", "4.0", "1.0", "4.04", "20%"):
        assert word in text
