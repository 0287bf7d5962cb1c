"""A tiny zoo from measurement to rows and page, and commands that cannot be done."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from adjax.errors import UserError
from adjax.reports.results_page import markers
from benchmarks import cases, networks, page, tables

TINY = cases.Case("tiny", "ae", "mnist", 12, 1, 2, 3)


@pytest.fixture
def tiny(monkeypatch):
    """A zoo of one network, measured in no time."""
    monkeypatch.setattr(cases, "ZOO", (TINY,))
    monkeypatch.setattr(cases, "OTHERS", ())
    monkeypatch.setattr(networks, "POPULATION", dataclasses.replace(TINY, batch_size=1))
    monkeypatch.setattr(networks, "POPULATIONS", ((1, "map"), (2, "vmap")))
    monkeypatch.setattr(networks, "BLOCK_SECONDS", 1e-3)
    monkeypatch.setenv("XLA_FLAGS", "")


def test_names_choose_cases():
    assert cases.choose([]) == [*cases.ZOO, *cases.OTHERS]
    assert [case.name for case in cases.choose(["ae_28", "rnan_28"])] == ["ae_28", "rnan_28"]
    with pytest.raises(UserError, match="--cases=vgg: choose among ssim_ae_128, rnan_28"):
        cases.choose(["ae_28", "vgg"])


@pytest.mark.slow
def test_adjax_alone(tiny, tmp_path, capsys):
    path = tmp_path / "page.md"
    places = [markers("table", name) for name in tables.NAMES]
    path.write_text("\n".join(line for place in places for line in place))
    page.measure(
        lambda: networks.measure_alone([TINY], ["float32"], ["xla"], repeats=2),
        packages=[],
        output=str(path),
        command="make bench",
    )
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "measuring tiny float32 xla",
        "measuring tiny float32 xla populations",
    ]
    assert "Training and scoring" in said.out
    text = path.read_text()
    assert "| tiny, float32, xla |" in text
    assert "| tiny, xla, 2, vmap |" in text
    assert "`make bench`, " in text
    sections = json.loads(path.with_suffix(".json").read_text())
    (part,) = sections["speed"]
    (speed,) = part["rows"]
    check_speed(speed)
    (part,) = sections["population"]
    alone, two = part["rows"]
    assert (alone["members"], alone["axis"], alone["of_one_alone"]) == (1, "map", 1.0)
    assert two["of_one_alone"] > 0


def check_speed(row):
    for name, images in (("train", 2), ("score", 3)):
        measured = row[name]
        assert measured["images_per_second"] > 0
        assert measured["compile_seconds"] > 0
        assert measured["program_bytes"] > images * 12 * 12 * 4
        share = measured["flops_per_second"] / row["matmul_flops_per_second"]
        assert measured["peak_share"] == pytest.approx(share)
    assert row["peak_bytes"] >= row["idle_bytes"] > 1e8
    assert max(row["ssim_share"], row["windows_ssim_share"]) < 1
    assert row["in_loop"] > 0


@pytest.mark.slow
def test_beside_a_busy_process(tiny):
    row = networks._load(TINY, "xla", repeats=1)
    for when in ("alone", "loaded"):
        measured = row[when]
        gain = measured["float32"] / measured["bfloat16"]
        assert measured["gain"] == pytest.approx(gain)  # of the only repeat


@pytest.mark.slow
def test_input_pipeline(tiny, monkeypatch):
    monkeypatch.setattr(networks, "PIPELINE_MEMBERS", (1, 2))
    monkeypatch.setattr(networks, "AESC", dataclasses.replace(cases.AESC, size=64, batch_size=2))
    measured = networks.measure_alone([networks.AESC], ["float32"], ["xla"], 1, ["pipeline"])
    rows = measured["pipeline"]
    assert not any(measured[section] for section in networks.SECTIONS if section != "pipeline")
    assert [(row["images"], row["members"]) for row in rows] == [
        (name, members) for name in ("stain", "scratch", "drops", "gaussian") for members in (1, 2)
    ]
    assert all(row["images_per_second"] > 0 for row in rows)
    assert len({row["train_images_per_second"] for row in rows}) == 1


def test_against_torch(tiny):
    pytest.importorskip("torch", reason="the extra `torch` is not installed")
    rows = networks.measure_against_torch([TINY], ["float32", "bfloat16"], ["xla"], repeats=1)[
        "torch"
    ]
    assert [row["precision"] for row in rows] == ["float32", "bfloat16"]
    assert "score" not in rows[1]  # is float32 at any precision of training
    for row in rows:
        train = row["train"]
        assert train["ratio"] == pytest.approx(train["torch_seconds"] / train["adjax_seconds"])
        assert train["spread"] == 0  # one repeat
        assert row["usual_ssim"] > 0


@pytest.mark.parametrize(
    ("precisions", "convolutions", "against", "missing", "says"),
    [
        (["float16"], ["xla"], None, "", "--precision=float16: choose among float32, bfloat16"),
        (["float32"], ["auto"], None, "", "--convolution=auto: choose among xla, onednn"),
        (
            ["float32"],
            ["onednn"],
            None,
            "adjax_native",
            "--convolution=onednn: adjax_native is missing; run `make native`",
        ),
        (
            ["float32"],
            ["xla"],
            "torch",
            "torch",
            "--against=torch: PyTorch is missing; run `pip install -e '.[torch]'`",
        ),
    ],
)
def test_what_cannot_be_measured(monkeypatch, precisions, convolutions, against, missing, says):
    monkeypatch.setattr(networks, "is_installed", lambda module: module != missing)
    with pytest.raises(UserError) as error:
        networks.check(precisions, convolutions, against)
    assert str(error.value) == says


WRONG = (
    (["--cases=vgg"], "--cases=vgg: choose among ssim_ae_128, "),
    (["--output=nowhere.md"], "--output=nowhere.md: there is no such page"),
    (["--repeats=0"], "--repeats=0: "),
    (
        ["--cases=metrics", "--precision=bfloat16"],
        "--precision is for the zoo: leave --cases=metrics out, or --precision",
    ),
    (["--sections=all"], "--sections=all: choose among speed, load, pipeline, population"),
    (
        ["--config=configs/mnist.py:ae", "--against=torch"],
        "--against is for the zoo: leave --config out, or --against",
    ),
    (["--distributed"], "--mode=benchmark runs in one process: leave --distributed and "),
)
IN_TURN = """
import json, os, sys
import launch
for arguments in json.loads(sys.argv[1]):
    if not os.fork():
        os._exit(launch.main(["launch.py", "--mode=benchmark", *arguments]))
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_wrong_flags(repository):
    """A child for each, because flags are parsed once a process."""
    done = run([sys.executable, "-c", IN_TURN, json.dumps([a for a, _ in WRONG])], repository)
    for (_, says), error in zip(WRONG, done.stderr.splitlines(), strict=True):
        assert error.startswith(f"error: {says}")
    assert done.stdout.split() == ["2"] * len(WRONG)


def test_the_folder_is_a_command(repository):
    done = run([sys.executable, "-m", "benchmarks", "--cases=vgg"], repository)
    assert done.stderr.startswith("error: --cases=vgg: choose among ssim_ae_128, ")
    assert done.returncode == 2


def test_without_the_folder_one_line_says_so(repository, tmp_path):
    script = tmp_path / "launch.py"
    script.write_text((repository / "launch.py").read_text())
    done = run([sys.executable, str(script), "--mode=benchmark", "--cases=ae_28"], tmp_path)
    assert done.stderr.startswith("error: --mode=benchmark without --config needs the folder ")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 2


def run(command, folder):
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"XLA_FLAGS": ""},
    )
