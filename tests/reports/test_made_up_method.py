"""A method that no code here names: titles, variants and tables follow from what its runs say."""

import dataclasses
import json
import sys
import types

import pytest

from adjax import methods
from adjax.methods.info import MethodInfo
from adjax.reports import console_table, read_run, read_sweep, write_report, write_sweep_report
from adjax.reports.finished_sweep import changed_settings
from adjax.reports.result_tables import results_tables
from adjax.settings import Section, count, word


@dataclasses.dataclass(frozen=True)
class Guess(Section):
    """The only stage."""

    steps: int = count(10, "updates")
    trick: str = word("plain", "what it does besides")


def declare(name, title, **more):
    sections = {"guess": Guess()}
    return MethodInfo(
        name=name, title=title, builder="", sections=sections, image_score="d", **more
    )


DECLARED = {
    "oracle_bone": declare(
        "oracle_bone", "Oracle Bone", variant="guess.trick", usual_variant="plain"
    ),
    "bare_bone": declare("bare_bone", "Bare Bone", variants_of="oracle_bone"),
    "borrowed": declare("borrowed", "Borrowed", published_as="deep_svdd"),
}


@pytest.fixture
def write(write_workdir, monkeypatch):
    """A function that writes a run of a made-up method on some classes, seed 0."""
    for name in DECLARED:
        monkeypatch.setitem(methods.PACKAGES, name, "made_up")
    declared = types.SimpleNamespace(METHODS=tuple(DECLARED.values()))
    monkeypatch.setitem(sys.modules, "adjax.methods.made_up", declared)

    def write(name, method="oracle_bone", classes=(3,), auroc=0.9, **config):
        config = {f"guess.{key}": value for key, value in config.items()}
        workdir = write_workdir(name, method, [(c, 0) for c in classes], config=config)
        results = json.loads((workdir / "results.json").read_text())
        results["stages"] = []
        for member in results["members"]:
            member["image_auroc"] = auroc
        (workdir / "results.json").write_text(json.dumps(results))
        return workdir

    return write


def test_its_own_page_and_table(write):
    workdir = write("a", trick="deep_breath")
    page = write_report(workdir).read_text()
    assert "<h1>Oracle Bone with deep breath on MNIST, class 3</h1>" in page
    assert "in the paper" not in page
    (table,) = results_tables([read_run(workdir)])
    assert table.groups == (("Oracle Bone with deep breath", ("ours",)),)


def test_settings_and_variants_make_columns(write):
    runs = [read_run(write(str(steps), steps=steps)) for steps in (5, 6)]
    (table,) = results_tables(runs)
    assert [heading for heading, _ in table.groups] == [
        "Oracle Bone (steps 5)",
        "Oracle Bone (steps 6)",
    ]
    defaults = {**runs[0].config, "guess": {"steps": 10, "trick": "deep_breath"}}
    assert changed_settings(runs, lambda _: defaults) == "guess.steps 5 and 6 instead of 10"


def test_several_variants_make_a_table_that_the_bare_method_joins(write):
    tricks = {"plain": 0.9, "deep_breath": 0.92}
    runs = [read_run(write(t, classes=(3, 8), auroc=a, trick=t)) for t, a in tricks.items()]
    runs.append(read_run(write("bare", "bare_bone", (3, 8), auroc=0.8)))
    runs.append(read_run(write("ae", "borrowed", (3, 8), auroc=0.7)))
    variants, others = results_tables(runs)
    assert variants.caption == "MNIST, image AUROC of Oracle Bone by variant"
    assert variants.corner == "variant"
    assert [(row[0], row[1], row[3]) for row in variants.rows] == [
        ("plain", "0.900", "0.900"),
        ("deep breath", "0.920", "0.920"),
        ("none (Bare Bone)", "0.800", "0.800"),
    ]
    assert others.groups == (("Borrowed", ("ours", "paper")),)
    assert others.rows[0] == ("3", "0.700", "0.919")  # of the method that it is published as


def test_it_stands_after_the_methods_of_papers(write, write_workdir, tmp_path):
    write("sweep/a")
    write_workdir("sweep/b", "sdn")
    failed = write("sweep/c", trick="deep_breath")
    (failed / "results.json").unlink()
    failure = {"seed": 1, "data.normal_class": 3, "stage": "guess", "step": 7, "reason": "why"}
    (failed / "failed.json").write_text(json.dumps({"failed": [failure]}))
    sweep = read_sweep(tmp_path / "sweep")
    assert "<h1>SDN and Oracle Bone on MNIST</h1>" in write_sweep_report(sweep).read_text()
    assert sweep.failures == [
        "Oracle Bone with deep breath, class 3, seed 1, in its guess at step 7: why"
    ]
    assert console_table(sweep.runs).count("Oracle Bone") == 2  # a heading and a note
