"""The benchmark measures every stage and the score, and says on what."""

import re

import pytest

from adjax.benchmark import stages
from configs import mnist


@pytest.mark.slow
def test_table_has_a_row_for_each_program():
    text = stages.run(mnist.get_config("oe_sdn,smoke"), repeats=1, seconds=0.01)
    head, _, columns, *rows = text.splitlines()
    assert head.startswith("mnist, oe_sdn, population 1 (map)")
    assert columns.split() == ["images/s", "spread", "compile", "s", "GFLOP/s", "input", "wait"]
    assert [re.split(r"\s{2,}", row)[0] for row in rows] == [
        "train teacher",
        "train student",
        "score",
    ]
    for row in rows:
        rate, spread, compile_seconds, flops = re.split(r"\s{2,}", row)[1:5]
        assert float(rate) > 0
        assert float(compile_seconds) > 0
        assert float(flops) >= 0
        assert spread.endswith("%")
