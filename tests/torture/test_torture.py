"""The campaign itself: what it calls wrong, what it finds, what it says."""

import json
import random
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from adjax.errors import UserError
from torture import campaign, command, configs, images, page, state
from torture.bench import Bench
from torture.campaign import KINDS, Campaign, tally
from torture.damage import DAMAGES, damage
from torture.outcome import CLEAR, RIGHT, WRONG, Outcome, judge, judge_stopped
from torture.process import Done, Server


def done(code, stderr="", stdout=""):
    return Done(code, stdout, stderr, 1.0, ("launch.py",))


TRACEBACK = "Traceback (most recent call last):\n  File ...\nValueError: no\n"


@pytest.mark.parametrize(
    ("how", "difference", "ending"),
    [
        (done(0), "", RIGHT),
        (done(0, "teacher  step 20/20  loss 0.7\n"), "", RIGHT),
        (done(0), "scores.npz differs", WRONG),
        (done(0, TRACEBACK), "", WRONG),
        (done(None), "", WRONG),
        (done(-11), "", WRONG),
        (done(1, TRACEBACK), "", WRONG),
        (done(2), "", WRONG),
        (done(2, "error: config.seed=-1: must not be negative\n"), "", CLEAR),
        (done(2, "error: no\n"), "", WRONG),
        (done(2, "error: indices must be integers, not 'str'\n"), "", WRONG),
        (done(2, "error: unexpected argument 'launch.py'\n"), "", CLEAR),
        (done(2, "config.seed=-1: must not be negative\n"), "", WRONG),
        (done(2, "oh\nerror: config.seed=-1: must not be negative\n"), "", WRONG),
        (done(2, "error: a/b: no\nerror: a/b: no\n"), "", WRONG),
        (done(3, "diverged: runs/x: class 3 seed 0, stage teacher\n"), "", CLEAR),
        (
            done(1, "[1/6] failed: a/b: no\nnot done: ae: a/b: no\nnot done: sdn: a/b: no\n"),
            "",
            CLEAR,
        ),
        (done(1, "[1/6] failed: a/b: no\n"), "", WRONG),
    ],
)
def test_endings(how, difference, ending):
    assert judge(how, difference).ending == ending


@pytest.mark.parametrize(
    ("how", "number", "ending"),
    [
        (done(-9), 9, RIGHT),
        (done(0), 9, RIGHT),
        (done(143), 15, RIGHT),
        (done(130, "interrupted; the same command continues from the last checkpoint\n"), 2, RIGHT),
        (done(130), 2, WRONG),
        (done(-11), 15, WRONG),
        (done(1, TRACEBACK), 2, WRONG),
        (done(2, "error: a/b: cannot be read\n"), 15, WRONG),
        (done(None), 15, WRONG),
    ],
)
def test_endings_after_a_signal(how, number, ending):
    assert judge_stopped(how, number).ending == ending


@pytest.mark.parametrize("how", sorted(set(DAMAGES)))
def test_damage_changes_a_file(tmp_path, how):
    path = tmp_path / "file"
    path.write_bytes(b"content " * 9)
    damage(path, how, random.Random(1))
    assert not path.exists() or path.read_bytes() != b"content " * 9


def test_state_knows_what_matters(tmp_path):
    def written(folder, loss, date):
        folder.mkdir()
        record = {"stage": "teacher", "step": 1, "loss": loss, "images_per_second": date}
        (folder / "metrics.jsonl").write_text(json.dumps(record) + "\n")
        (folder / "results.json").write_text(json.dumps({"date": date, "at": str(folder / "x")}))
        np.savez(folder / "scores.npz", label=np.arange(3))
        (folder / "report.html").write_text(str(date))
        return state.of_folder(folder)

    one, other = written(tmp_path / "a", 0.5, 1), written(tmp_path / "b", 0.5, 2)
    assert state.difference(one, other) == ""
    differs = state.difference(written(tmp_path / "c", 0.25, 1), one)
    assert differs == "metrics.jsonl differs from the undisturbed one"
    del other["scores.npz"]
    assert state.difference(other, one) == "scores.npz is missing"
    assert state.difference(one, other) == "scores.npz should not be there"


def kind(name, share, run):
    return SimpleNamespace(NAME=name, SHARE=share, TITLE=name, run=run)


def test_every_kind_has_its_share_and_its_seeds():
    one = kind("one", 3, lambda bench, seed: Outcome("one", seed, "", RIGHT))
    other = kind("other", 1, lambda bench, seed: iter(()))
    left = Campaign([one, other], seed=7, seconds=60, cases=4)
    outcomes = left.run(None, 1, lambda outcome: None)
    assert sorted(outcome.seed for outcome in outcomes) == [7, 8, 9, 10]
    assert Campaign([one], seed=0, seconds=-1).run(None, 2, lambda outcome: None) == []


def test_a_fault_of_the_campaign_is_wrong():
    def fails(bench, seed):
        raise ValueError("no")

    (outcome,) = campaign.outcomes_of(kind("kills", 1, fails), None, 3)
    assert (outcome.ending, outcome.seed) == (WRONG, 3)
    assert "ValueError: no" in outcome.reason


OUTCOMES = [
    Outcome("kills", 0, "train: SIGKILL", RIGHT),
    Outcome("kills", 17, "predict: SIGINT", WRONG, "a traceback"),
    Outcome("configs", 0, "--x=1", CLEAR, "error"),
]


def test_page_has_the_figures_and_what_is_wrong(tmp_path):
    path = tmp_path / "page.md"
    with pytest.raises(UserError, match="there is no such page"):
        page.check(path)
    path.write_text("by hand\n")
    with pytest.raises(UserError, match="it has no place for the figures"):
        page.check(path)
    path.write_text("before\n<!-- campaign: figures -->\n<!-- end of campaign: figures -->\nafter")
    page.check(path)
    page.write(path, OUTCOMES, ["disks: no"], "python -m torture --seed=0", 29.6)
    text = path.read_text()
    assert "| commands killed, then repeated | 2 | 1 | 0 | 1 |" in text
    assert "| **all** | **3** | **1** | **1** | **1** |" in text
    assert "Wrong: kills, seed 17: predict: SIGINT: a traceback" in text
    assert "Left out: disks: no" in text
    assert "`python -m torture --seed=0`" in text
    assert "30 minutes" in text
    assert tally(OUTCOMES)["kills"] == {"tried": 2, RIGHT: 1, CLEAR: 0, WRONG: 1}


def test_wrong_flags_are_one_line(repository):
    for flags, says in (("--only=kills,x", "'x' is none of"), ("--output=x", "no such page")):
        run = subprocess.run(
            [sys.executable, "-m", "torture", flags],
            cwd=repository,
            capture_output=True,
            text=True,
            check=False,
        )
        assert says in run.stderr
        assert run.stderr.startswith("error: ")
        assert run.returncode == 1
    with pytest.raises(UserError, match="leave --only out"):
        command.run(["--only=kills", "--output=docs/reliability.md"])


@pytest.fixture(scope="module")
def bench(tmp_path_factory, repository):
    folder = tmp_path_factory.mktemp("torture")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        patch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
        server = Server(folder / "server")
    yield Bench(server, folder)
    server.close()


def test_mutated_configs(bench):
    found = [
        outcome for seed in range(12) for outcome in campaign.outcomes_of(configs, bench, seed)
    ]
    assert {outcome.ending for outcome in found} <= {RIGHT, CLEAR}
    assert CLEAR in {outcome.ending for outcome in found}
    assert [outcome.seed for outcome in found] == list(range(12))


def test_damaged_images(bench):
    (found,) = campaign.outcomes_of(images, bench, 0)  # one of a data set, that is checked
    assert found.what.startswith("check_data with ")
    assert found.ending in (RIGHT, CLEAR)


@pytest.mark.parametrize(
    ("row", "kind", "what", "ending"),
    [
        ({"error": "", "image_score": "0.5"}, "png", "png: bit 1 of byte 9 flipped", RIGHT),
        ({"error": "", "image_score": "0.4"}, "png", "png: bit 1 of byte 9 flipped", WRONG),
        ({"error": "", "image_score": "0.4"}, "jpg", "jpg: bit 1 of byte 9 flipped", RIGHT),
        ({"error": "x.png: damaged", "image_score": ""}, "png", "png: emptied", CLEAR),
        ({"error": "damaged", "image_score": ""}, "png", "png: emptied", WRONG),
        ({"error": "", "image_score": "0.5"}, "jpg", "jpg: emptied", WRONG),
        (None, "jpg", "jpg: emptied", WRONG),
    ],
)
def test_rows_of_damaged_images(row, kind, what, ending):
    assert images.judge_row(row, "x.png", kind, what, "0.5").ending == ending


def test_commands_end_as_they_do_alone(bench):
    config = "--config=configs/mnist.py:ae,smoke"
    ended = bench.server.run(config, "--config.seed=-1", "--workdir=nowhere")
    assert ended[:3] == (2, "", "error: config.seed=-1: must not be negative\n")
    hung = bench.server.start("--mode=report", "--workdir=nowhere").wait(0)
    assert hung.code is None


PROMISES = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_promise_names_a_test_that_is_there(repository):
    text = (repository / "docs" / "reliability.md").read_text()
    named = PROMISES.findall(text)
    rows = [line for line in text.splitlines() if line.startswith("| ") and "`tests/" in line]
    assert len(rows) > 20
    for path, test in named:
        assert f"\ndef {test}(" in (repository / path).read_text(), f"{path}::{test}"
    for table in re.findall(r"\| promise \| held by \|\n\|.*\n((?:\|.*\n)+)", text):
        for row in table.splitlines():
            assert PROMISES.search(row), row


def test_page_of_the_checkout_has_a_place_for_the_figures(repository):
    page.check(repository / "docs" / "reliability.md")


def test_every_kind_says_what_it_is():
    assert [kind.NAME for kind in KINDS.values()] == list(KINDS)
    assert all(kind.TITLE and kind.SHARE > 0 for kind in KINDS.values())
