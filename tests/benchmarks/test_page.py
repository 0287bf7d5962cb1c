"""Rows become tables, and tables go between the markers of a page, again and again."""

import json

import pytest

from adjax.errors import UserError
from adjax.reports.rendering import ABSENT
from adjax.reports.results_page import markers
from benchmarks import page, tables

ORIGIN = {
    "command": "python -m benchmarks",
    "date": "2026-01-02T03:04:05+00:00",
    "versions": {"python": "3.11.7", "jax": "0.10.2"},
    "hardware": "2 cores of a machine",
}


def rates(images_per_second):
    return {
        "images_per_second": images_per_second,
        "spread": 0.031,
        "flops_per_second": 5e10,
        "peak_share": 0.25,
        "compile_seconds": 3.21,
        "program_bytes": 330e6,
    }


def speed_row(precision, **extra):
    return {
        "case": "net",
        "precision": precision,
        "convolution": "xla",
        "matmul_flops_per_second": 2e11,
        "input_images_per_second": 43210.0,
        "idle_bytes": 700e6,
        "peak_bytes": 1500e6,
        "in_loop": 1.04,
        "step_seconds": 0.2,
        "ssim_share": 0.05,
        "windows_step_seconds": 0.4,
        "windows_ssim_share": 0.525,
        "train": rates(98.76),
    } | extra


def comparison(ratio):
    return {"adjax_seconds": 0.2, "torch_seconds": 0.2 * ratio, "ratio": ratio, "spread": 0.02}


SPEED = [speed_row("float32", score=rates(1234.5)), speed_row("bfloat16")]
POPULATION = [
    {
        "case": "net",
        "batch_size": 64,
        "convolution": "xla",
        "members": 10,
        "axis": "map",
        "images_per_second": 990.0,
        "spread": 0.01,
        "of_one_alone": 0.985,
        "compile_seconds": 2.5,
    }
]
TORCH = [
    {
        "case": "net",
        "precision": "float32",
        "convolution": "xla",
        "train": comparison(0.91),
        "score": comparison(1.1),
        "usual_ssim": 1.5,
        "adjax_peak_bytes": 900e6,
        "torch_peak_bytes": 800e6,
    }
]


LOAD = [
    {
        "case": "net",
        "convolution": "xla",
        "alone": {"float32": 0.2, "bfloat16": 0.1, "gain": 2.0},
        "loaded": {"float32": 0.35, "bfloat16": 0.25, "gain": 1.4},
    }
]


def section(rows):
    return {**ORIGIN, "rows": rows}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "performance.md"
    pairs = ["\n".join(markers("table", name)) for name in tables.NAMES]
    path.write_text("# Title\n\n" + "\n\nProse.\n\n".join(pairs) + "\n\nThe end.\n")
    return path


def cells(table):
    return [dict(zip(_names(table), row[1:], strict=True)) for row in table.rows]


def _names(table):
    return [f"{heading} {name}" for heading, names in table.groups for name in names]


def test_speed_and_the_share_of_ssim():
    made = tables.tables("speed", SPEED)
    full, half = cells(made["speed"])
    assert made["speed"].rows[1][0] == "net, bfloat16, xla"
    assert full == {
        "train images/s": "98.8",
        "train spread": "3%",
        "train GFLOP/s": "50.0",
        "train of peak": "25%",
        "train compile s": "3.2",
        "train in a loop": "1.04",
        "score images/s": "1234",
        "score spread": "3%",
        "score of peak": "25%",
        "input images/s": "43210",
        "memory step MB": "330",
        "memory process MB": "1500",
    }
    assert half["score images/s"] == half["score of peak"] == ABSENT
    assert "200 GFLOP/s" in made["speed"].notes[0]
    assert cells(made["ssim"])[0] == {
        "as commonly written step ms": "400",
        "as commonly written SSIM": "52%",
        "now step ms": "200",
        "now SSIM": "5%",
    }


def test_the_cost_model_predicts_from_the_other_networks():
    """Half a GFLOP an image; the others reach 0.2 and 0.4 of the peak of 200 GFLOP/s."""
    rows = [speed_row("float32", train=rates(100.0))]
    rows += [
        speed_row("float32", case=f"other{share}", train=rates(1.0) | {"peak_share": share})
        for share in (0.2, 0.4)
    ]
    rows.append(speed_row("bfloat16", case="lone"))
    first, *_, lone = cells(tables.tables("speed", rows)["model"])
    assert list(first.values()) == ["0.500", "120", "100", "1.20"]
    assert list(lone.values())[1:] == [ABSENT] * 3


def test_populations():
    (row,) = cells(tables.tables("population", POPULATION)["population"])
    assert row["train of one alone"] == "0.98"
    assert row["train images/s"] == "990"


def test_input_pipelines():
    row = {"case": "net", "convolution": "xla", "images": "rotation", "members": 10}
    row |= {"images_per_second": 5000.0, "spread": 0.1, "train_images_per_second": 50.0}
    (row,) = cells(tables.tables("pipeline", [row])["pipeline"])
    assert list(row.values()) == ["5000", "10%", "50.0", "100"]


def test_steps_beside_a_busy_process():
    (row,) = cells(tables.tables("load", LOAD)["load"])
    assert list(row.values()) == ["200", "100", "2.00", "350", "250", "1.40"]


def test_ratios():
    (row,) = cells(tables.tables("torch", TORCH)["torch"])
    assert (row["train ratio"], row["train adjax ms"], row["train torch ms"]) == (
        "0.91",
        "200",
        "182",
    )
    assert (row["score ratio"], row["score spread"]) == ("1.10", "2%")
    assert row["train usual SSIM"] == "1.50"


def test_tables_are_replaced_and_prose_stays(path):
    page.check(path)
    page.write(path, {"speed": section(SPEED), "population": section(POPULATION)})
    once = path.read_text()
    assert once.count("| net, float32, xla |") == 3
    assert once.count("Prose.") == len(tables.NAMES) - 1
    assert once.endswith("\n\nThe end.\n")
    assert "`python -m benchmarks`, 2026-01-02, 2 cores of a machine; python" in once
    page.write(path, {"speed": section(SPEED), "population": section(POPULATION)})
    assert path.read_text() == once


def test_tables_of_earlier_commands_are_made_again(path):
    page.write(path, {"speed": section(SPEED)})
    first = path.read_text()
    data = path.with_suffix(".json")
    assert json.loads(data.read_text())["speed"] == [section(SPEED)]
    page.write(path, {"torch": section(TORCH)})
    text = path.read_text()
    assert text.count("| net, float32, xla |") == 4
    place = markers("table", "torch")[0]
    assert first.split(place)[0] == text.split(place)[0]
    # The page can be lost: its rows make it again.
    path.write_text("".join("".join(markers("table", n)) for n in ("speed", "torch")))
    page.write(path, {})
    assert path.read_text().count("| net, float32, xla |") == 2


def test_rows_measured_again_replace_themselves_alone(path):
    page.write(path, {"speed": section(SPEED)})
    faster = speed_row("bfloat16", train=rates(777.0))
    later = section([faster]) | {"date": "2026-02-03"}
    page.write(path, {"speed": later})
    parts = json.loads(path.with_suffix(".json").read_text())["speed"]
    assert parts == [section(SPEED[:1]), later]
    text = path.read_text()
    assert text.index("| net, float32, xla | 98.8") < text.index("| net, bfloat16, xla | 777")
    assert "net: `python -m benchmarks`, 2026-02-03" in text
    page.write(path, {"speed": section(SPEED)})
    assert "2026-02-03" not in path.read_text()


def test_a_page_without_a_place_for_a_table_is_refused(path):
    path.write_text(path.read_text().replace("<!-- table: ssim -->", ""))
    with pytest.raises(UserError, match=r"no place for the table ssim; add the lines <!-- table"):
        page.check(path)
    with pytest.raises(UserError, match=r"nothing\.md: there is no such page"):
        page.check(path.with_name("nothing.md"))


def test_the_page_of_this_repository_has_its_places(repository):
    page.check(repository / "docs" / "performance.md")


def test_console_shows_every_table():
    text = page.console({"speed": section(SPEED), "torch": section(TORCH)})
    for caption in ("Training and scoring", "What SSIM takes", "PyTorch's time over adjax's"):
        assert caption in text
