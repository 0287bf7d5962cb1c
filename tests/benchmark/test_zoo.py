"""A tiny zoo from measurement to rows, and what cannot be measured."""

import dataclasses
import os
import subprocess
import sys

import pytest

from adjax.benchmark import cases, page, zoo
from adjax.errors import UserError

TINY = cases.Case("tiny", "ae", 12, 1, 2, 3, "distance")


@pytest.fixture
def tiny(monkeypatch):
    """A zoo of one network, measured in no time."""
    monkeypatch.setattr(cases, "ZOO", (TINY,))
    monkeypatch.setattr(zoo, "POPULATION", dataclasses.replace(TINY, batch_size=1))
    monkeypatch.setattr(zoo, "POPULATIONS", (1, 2))
    monkeypatch.setattr(zoo, "BLOCK_SECONDS", 1e-3)
    monkeypatch.setenv("XLA_FLAGS", "")


def test_names_choose_cases():
    assert cases.choose([]) == list(cases.ZOO)
    assert [case.name for case in cases.choose(["ae_28", "rnan_28"])] == ["ae_28", "rnan_28"]
    with pytest.raises(UserError, match="--cases=vgg: choose among ssim_ae_128, rnan_28"):
        cases.choose(["ae_28", "vgg"])


def test_students_see_auxiliary_images_too():
    assert {case.name: case.images_per_step for case in cases.ZOO} == {
        "ssim_ae_128": 64,
        "rnan_28": 16,
        "rnan_32": 16,
        "ae_28": 128,
        "ae_32": 128,
    }


def test_adjax_alone(tiny, tmp_path, capsys):
    path = tmp_path / "page.md"
    names = [name for names in page.TABLES.values() for name in names]
    path.write_text("".join(f"{page._start(n)}\n{page._end(n)}\n" for n in names))
    zoo.run(
        [],
        ["float32", "bfloat16"],
        ["xla"],
        against=None,
        repeats=2,
        output=str(path),
        command="make bench",
    )
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "measuring tiny float32 xla",
        "measuring tiny bfloat16 xla",
        "measuring tiny xla beside a busy process",
        "measuring tiny float32 xla populations",
    ]
    assert "Training and scoring" in said.out
    text = path.read_text()
    assert "| tiny, float32, xla |" in text
    assert "| tiny, xla, 2, unroll |" in text
    assert "| tiny, xla |" in text
    assert "`make bench`, " in text


def test_rows_of_one_case(tiny):
    rows = zoo.measure_alone([TINY], ["float32"], ["xla"], repeats=1)
    (row,) = rows["speed"]
    for name, images in (("train", 2), ("score", 3)):
        measured = row[name]
        assert measured["images_per_second"] > 0
        assert measured["compile_seconds"] > 0
        assert measured["program_bytes"] > images * 12 * 12 * 4
        share = measured["flops_per_second"] / row["matmul_flops_per_second"]
        assert measured["peak_share"] == pytest.approx(share)
    assert row["peak_bytes"] >= row["idle_bytes"] > 1e8
    shares = row["ssim_share"], row["windows_ssim_share"]
    assert max(shares) < 1
    alone, *others = rows["population"]
    assert (alone["members"], alone["axis"], alone["of_one_alone"]) == (1, "map", 1.0)
    assert [(r["members"], r["axis"]) for r in others] == [
        (1, "vmap"),
        (1, "unroll"),
        (2, "map"),
        (2, "vmap"),
        (2, "unroll"),
    ]


def test_against_torch(tiny):
    pytest.importorskip("torch", reason="the extra `torch` is not installed")
    rows = zoo.measure_against_torch([TINY], ["float32", "bfloat16"], ["xla"], repeats=1)["torch"]
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
    monkeypatch.setattr(zoo, "is_installed", lambda module: module != missing)
    with pytest.raises(UserError) as error:
        zoo.check(precisions, convolutions, against)
    assert str(error.value) == says


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--cases=vgg"], "--cases=vgg: choose among ssim_ae_128, "),
        (["--output=nowhere.md"], "--output=nowhere.md: there is no such page"),
        (["--repeats=0"], "--repeats=0: "),
        (
            ["--config=configs/mnist.py:ae", "--against=torch"],
            "--against is for the zoo: leave --config out, or --against",
        ),
    ],
)
def test_wrong_flags(repository, arguments, says):
    done = subprocess.run(
        [sys.executable, "launch.py", "--mode=benchmark", *arguments],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"XLA_FLAGS": ""},
    )
    assert done.stderr.startswith(f"error: {says}")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 2
