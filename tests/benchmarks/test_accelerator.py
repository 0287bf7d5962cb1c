"""What an accelerator is asked, and what becomes of its answers."""

import json

import numpy as np
import pytest

from adjax.errors import UserError
from benchmarks.on_device import NETWORKS, SCANNED, Form, Network, Training
from tools import accelerator

TINY = Network(
    "tiny",
    "ae",
    "mnist",
    (28, 28, 1),
    (("teacher.widths", (4, 4)), ("teacher.batch_size", 8), ("distance.window", 3)),
)
RIGHT = {"network": "AE", "what": "first loss", "difference": 1e-7, "limit": 1e-4, "right": True}
ROW = {"network": "AE", "members": 32, "precision": "tf32", "axis": "vmap"}
SPEED = {"images_per_second": 12345.6, "spread": 0.05, "share_of_peak": 0.1, "kernels": 150}
RESULT = {
    "command": "python -m tools.accelerator",
    "date": "2026-11-28T12:00:00",
    "device": "a device",
    "versions": {"jax": "0.10.2"},
    "correctness": [RIGHT, RIGHT | {"what": "scores", "difference": 1.0, "right": False}],
    "speed": [
        ROW | SPEED | {"feed": "device, scan"},
        *(ROW | {"feed": feed, "left_out": "no device form"} for feed in ("device", "host")),
    ],
    "torch": [ROW | {"feed": "torch.compile", "images_per_second": 99.0}],
}


@pytest.mark.parametrize("feed", ["host", "device", "device, scan"])
def test_steps_go_down_and_are_the_same_again(feed):
    training = Training(TINY, Form(members=2, feed=feed))
    calls = 8 // training.steps or 1
    losses = np.asarray(training.run(calls))
    assert losses.shape == (calls * training.steps, 2)
    assert training.steps == (SCANNED if feed == "device, scan" else 1)
    assert (losses[-1] < losses[0]).all()
    assert training.scores().shape == (2, 8)
    training.restart()
    np.testing.assert_array_equal(training.run(calls), losses)
    assert training.images == 2 * 8


def test_every_network_has_a_reference():
    reference = json.loads(accelerator.REFERENCE.read_text())
    assert set(reference) == {network.name for network in NETWORKS}
    for given in reference.values():
        assert np.shape(given["losses"]) == (accelerator.STEPS, accelerator.MEMBERS)
        assert np.shape(given["scores"]) == (accelerator.MEMBERS, 8)


def test_all_forms_are_tried_those_that_say_most_first():
    forms = list(accelerator.forms(quick=False))
    assert len(set(forms)) == len(forms)
    assert forms[0] == Form(1, "float32", "device, scan")
    assert {(f.members, f.precision) for f in forms} >= {
        (members, precision)
        for members in (1, 8, 32, 128)
        for precision in ("float32", "tf32", "bfloat16")
    }


def test_differences_are_relative():
    assert accelerator._difference([[1.0, 2.0]], [[1.0, 4.0]]) == 0.5


def test_answers_become_tables_in_their_place_of_a_page(tmp_path):
    measured, page = tmp_path / "accelerator.json", tmp_path / "page.md"
    measured.write_text(json.dumps(RESULT))
    page.write_text("no place\n")
    with pytest.raises(UserError, match="it has no place for what an accelerator gave"):
        accelerator.main([f"--page={page}", f"--output={measured}"])
    page.write_text("<!-- measured: accelerator -->\n<!-- end of measured: accelerator -->\n")
    assert accelerator.main([f"--page={page}", f"--output={measured}"]) == 0
    text = page.read_text()
    assert "| AE | first loss | 1.0e-07 | 1e-04 | right |" in text
    assert "| AE | scores | 1.0e+00 | 1e-04 | WRONG |" in text
    assert "| AE | 32 (vmap) | tf32 | device, scan | 12,346 | 5% | 10.0% | 150 |" in text
    assert "Left out: AE 32 tf32 device, AE 32 tf32 host: no device form." in text
    assert "| AE | 32 | tf32 | torch.compile | 99 |" in text
    assert "`python -m tools.accelerator`, 2026-11-28, a device; jax 0.10.2." in text


@pytest.mark.slow
def test_rehearsal_on_this_machine(tmp_path, capsys):
    output = tmp_path / "accelerator.json"
    assert accelerator.main(["--quick", "--minutes=3", f"--output={output}"]) == 0
    result = json.loads(output.read_text())
    assert any("images_per_second" in row for row in result["speed"])
    assert "Correctness" in capsys.readouterr().out
