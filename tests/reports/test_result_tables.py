import json
import re

import numpy as np
import pytest

from adjax.reports import console_table, markdown_table, read_run
from adjax.reports.pages import to_html
from adjax.reports.rendering import Table, markdown, to_markdown, to_text
from adjax.reports.result_tables import results_tables, summary


@pytest.fixture
def run_with(write_workdir):
    """A function that reads a run whose members have the given (class, seed, AUROC)."""

    def make(name, method, members, config=(), **extra):
        workdir = write_workdir(name, method, [member[:2] for member in members], config=config)
        results = json.loads((workdir / "results.json").read_text())
        for entry, (_, _, auroc) in zip(results["members"], members, strict=True):
            entry |= {"image_auroc": auroc, **extra}
        (workdir / "results.json").write_text(json.dumps(results))
        return read_run(workdir)

    return make


def test_one_class_and_seed_stand_beside_the_paper(run_with):
    runs = [run_with("a", "ae", [(3, 0, 0.94)]), run_with("b", "oe_sdn", [(3, 0, 0.9712)])]
    (table,) = results_tables(runs)
    assert table.groups == (("AE", ("ours", "paper")), ("OE-SDN", ("ours", "paper")))
    assert table.rows == (("3", "0.940", "0.950", "0.971", "0.974"),)
    assert table.means == ()
    assert not any("±" in note for note in table.notes)
    assert "AE: seed 0; teacher 1,200 steps; image score d; config ab12cd34." in table.notes


def test_protocols_have_tables_of_their_own_and_the_paper_stands_beside_its_own(run_with):
    reverse = (("data.protocol", "leave_one_out"),)
    usual = run_with("a", "ae", [(3, 0, 0.94), (8, 0, 0.9)])
    runs = [usual, run_with("b", "ae", [(3, 0, 0.6), (8, 0, 0.7)], config=reverse)]
    first, second = results_tables(runs)
    assert (first.corner, second.corner) == ("normal class", "abnormal class")
    assert second.caption == "MNIST, image AUROC, one class left out"
    assert second.groups == (("AE", ("ours",)),)
    assert second.rows == (("3", "0.600"), ("8", "0.700"))
    assert [note for note in first.notes if "paper" in note]
    assert not [note for note in second.notes if "paper" in note]
    assert summary(runs[1]) == (pytest.approx(0.65), None)
    assert runs[1].about.noun == "abnormal class"


def test_auxiliary_sets_of_the_reverse_protocol_have_no_printed_averages(run_with):
    reverse = (("data.protocol", "leave_one_out"),)
    runs = [
        run_with(name, "oe_sdn", [(3, 0, 0.6)], config=(*reverse, ("student.auxiliary", name)))
        for name in ("rotation", "shearing")
    ]
    (table,) = results_tables(runs)
    assert table.groups == (("abnormal class 3", ("ours",)),)
    assert table.caption == "MNIST, image AUROC of OE-SDN by auxiliary set, one class left out"


def test_columns_of_one_setting_share_a_note(run_with):
    runs = [run_with(m, m, [(3, 0, 0.94)]) for m in ("sdn", "oe_sdn")]
    for run in runs:
        run.results["config_hash"] = run.results["method"]
    (table,) = results_tables(runs)
    steps = "teacher 1,200 steps, student 1,200 steps"
    assert table.notes[0] == f"All: seed 0; {steps}; image score d."


def test_seeds_become_mean_and_spread(run_with):
    values = [(3, 0, 0.94), (3, 1, 0.95), (8, 0, 0.90), (8, 1, 0.93)]
    (table,) = results_tables([run_with("a", "ae", values)])
    assert table.rows[0] == ("3", f"0.945 ± {np.std([0.94, 0.95], ddof=1):.3f}", "0.950")
    spread = np.std([(0.94 + 0.90) / 2, (0.95 + 0.93) / 2], ddof=1)
    assert table.means == (("mean", f"0.930 ± {spread:.3f}", f"{(0.950 + 0.912) / 2:.3f}"),)
    assert table.notes[0] == (
        "Mean over 2 of 10 classes (3 and 8); the paper's beside it is over the same classes."
    )
    assert table.notes[1].startswith("AE: seeds 0 and 1; ")
    assert "± is the sample standard deviation over seeds." in table.notes


def test_seeds_in_runs_of_their_own_are_pooled(run_with):
    runs = [run_with(str(seed), "ae", [(3, seed, 0.9 + seed / 10)]) for seed in (0, 1)]
    (table,) = results_tables(runs)
    assert table.rows == (("3", "0.950 ± 0.071", "0.950"),)


def test_runs_that_repeat_a_seed_keep_columns_of_their_own(run_with):
    runs = [run_with(name, "ae", [(3, 0, 0.9)]) for name in ("small", "large")]
    (table,) = results_tables(runs)
    assert [heading for heading, _ in table.groups] == ["AE (small)", "AE (large)"]


def test_unequal_seeds_have_no_spread_of_the_mean(run_with):
    values = [(3, 0, 0.94), (3, 1, 0.96), (8, 0, 0.91)]
    (table,) = results_tables([run_with("a", "ae", values)])
    assert table.means[0][1] == "0.930"
    assert "AE: seeds 0 and 1, not all of every class; " in table.notes[1]


def test_a_method_that_lacks_a_class_has_no_mean(run_with):
    runs = [run_with("a", "ae", [(3, 0, 0.9), (8, 0, 0.9)]), run_with("b", "sdn", [(8, 0, 0.9)])]
    (table,) = results_tables(runs)
    assert table.rows[0][3:] == ("–", "0.933")  # noqa: RUF001
    assert table.means[0][3] == "–"  # noqa: RUF001


def test_all_classes_need_no_note_and_end_in_the_printed_average(run_with):
    members = [(c, 0, 0.97) for c in range(10)]
    (table,) = results_tables([run_with("a", "oe_sdn", members)])
    assert table.means == (("mean", "0.970", "0.975"),)
    assert not any(note.startswith("Mean over") for note in table.notes)


def test_every_mean_stands_beside_means_of_the_same_classes(run_with):
    runs = [
        run_with("a", "ae", [(c, 0, 0.94) for c in range(10)]),
        run_with("b", "sdn", [(c, 0, 0.95) for c in (3, 8)]),
        run_with("c", "oe_sdn", [(c, 0, 0.96) for c in (3, 8)]),
    ]
    (table,) = results_tables(runs)
    assert table.means == (
        ("mean of 10", "0.940", "0.961", "–", "0.958", "–", "0.975"),  # noqa: RUF001
        ("mean of 2", "0.940", "0.931", "0.950", "0.927", "0.960", "0.948"),
    )
    assert table.notes[1].startswith("Mean over 2 of 10 classes (3 and 8); the paper's")


def test_columns_that_overlap_are_compared_where_they_do(run_with):
    runs = [
        run_with("a", "ae", [(c, 0, 0.9 + c / 100) for c in (1, 3, 8)]),
        run_with("b", "sdn", [(c, 0, 0.9) for c in (3, 8, 9)]),
    ]
    (table,) = results_tables(runs)
    assert [row[0] for row in table.means] == [
        "mean of 1, 3 and 8",
        "mean of 3, 8 and 9",
        "mean of 2",
    ]
    assert [row[1] for row in table.means] == ["0.940", "–", "0.955"]  # noqa: RUF001


def test_runs_of_other_settings_are_no_replicates(run_with):
    settings = {"short": 500, "long": 1200}
    runs = [
        run_with(name, "ae", [(3, seed, 0.9)], config={"teacher.steps": steps})
        for name, steps in settings.items()
        for seed in [steps]
    ]
    (table,) = results_tables(runs)
    assert [heading for heading, _ in table.groups] == ["AE (steps 500)", "AE (steps 1,200)"]


def test_settings_of_one_last_name_are_written_out(run_with):
    configs = [{"student.steps": 5, "teacher.steps": 6}, {"student.steps": 7, "teacher.steps": 8}]
    runs = [run_with(str(i), "sdn", [(3, i, 0.9)], config=c) for i, c in enumerate(configs)]
    (table,) = results_tables(runs)
    assert [heading for heading, _ in table.groups] == [
        "SDN (student.steps 5, teacher.steps 6)",
        "SDN (student.steps 7, teacher.steps 8)",
    ]


@pytest.fixture
def sets(run_with):
    """A function that makes runs of SDN and OE-SDN with three sets on some classes, seed 0."""

    def make(classes, dropped=()):
        runs = []
        for row, name in enumerate(("none", "shearing", "rotation", "vertical_flip")):
            method = "sdn" if name == "none" else "oe_sdn"
            for c in classes:
                if (name, c) not in dropped:
                    config = {} if name == "none" else {"student.auxiliary": name}
                    auroc = 0.9 + row / 100 + c / 500
                    run = f"{name}/class{c}"
                    runs.append(run_with(run, method, [(c, 0, auroc)], config=config))
        return runs

    return make


def test_auxiliary_sets_stand_beside_table_3(sets):
    (table,) = results_tables(sets(range(10)))
    assert table.caption == "MNIST, image AUROC of OE-SDN by auxiliary set"
    assert table.groups == (
        *((f"class {c}", ("ours",)) for c in range(10)),
        ("mean", ("ours", "paper")),
    )
    assert [(row[0], *row[-2:]) for row in table.rows] == [
        ("rotation", "0.929", "0.975"),
        ("shearing", "0.919", "0.958"),
        ("vertical flip", "0.939", "0.968"),
        ("none (SDN)", "0.909", "0.958"),
    ]
    assert table.rows[0][1:4] == ("0.920", "0.922", "0.924")


def test_some_classes_of_a_set_have_no_published_mean(sets):
    """Only rotation and none are printed by class; the others' average is apart, over all ten."""
    (table,) = results_tables(sets((3, 8)))
    assert table.groups == (
        ("class 3", ("ours",)),
        ("class 8", ("ours",)),
        ("mean", ("ours", "paper")),
        ("mean of all 10", ("paper",)),
    )
    assert [row[3:] for row in table.rows] == [
        ("0.931", "0.948", "0.975"),
        ("0.921", "–", "0.958"),  # noqa: RUF001
        ("0.941", "–", "0.968"),  # noqa: RUF001
        ("0.911", "0.927", "0.958"),
    ]
    assert "for rotation and none" in " ".join(table.notes)
    assert max(map(len, to_text(table).splitlines())) <= 80


def test_a_set_that_lacks_a_class_has_its_own_mean(sets):
    (table,) = results_tables(sets((1, 3, 8), dropped={("shearing", 1)}))
    assert [heading for heading, _ in table.groups[3:]] == [
        "mean of 3",
        "mean of 2",
        "mean of all 10",
    ]
    assert table.rows[1][4:] == ("–", "–", "0.921", "–", "0.958")  # noqa: RUF001


def test_another_set_is_not_compared_with_rotation(run_with):
    config = {"student.auxiliary": "shearing"}
    run = run_with("a", "oe_sdn", [(3, 0, 0.9)], config=config)
    (table,) = results_tables([run])
    assert table.groups == (("OE-SDN with shearing", ("ours",)),)
    assert summary(run) == (0.9, None)
    everything = run_with("b", "oe_sdn", [(c, 0, 0.9) for c in range(10)], config=config)
    (table,) = results_tables([everything])
    assert table.means == (("mean", "0.900", "0.958"),)
    assert "Table 3" in table.notes[-1]


def test_an_unpublished_method_has_no_paper_column(run_with):
    (table,) = results_tables([run_with("a", "vae", [(3, 0, 0.9)])])
    assert table.groups == (("VAE", ("ours",)),)
    assert not any(note.startswith("paper") for note in table.notes)


def test_further_metrics_get_tables_of_their_own(run_with):
    tables = results_tables([run_with("a", "ae", [(3, 0, 0.9)], pixel_auroc=0.8)])
    assert [table.caption for table in tables] == ["MNIST, image AUROC", "MNIST, pixel AUROC"]


def test_summary_is_the_mean_over_classes(run_with):
    values = [(3, 0, 0.94), (3, 1, 0.96), (8, 0, 0.91)]
    ours, theirs = summary(run_with("a", "ae", values))
    assert ours == pytest.approx(0.93)
    assert theirs == pytest.approx(0.931)


def test_console_table_fits_80_columns(run_with):
    members = [(c, s, 0.9 + s / 100) for c in (3, 8) for s in (0, 1, 2)]
    text = console_table([run_with(m, m, members) for m in ("ae", "sdn", "oe_sdn")])
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("normal class") == 1
    lines = text.splitlines()
    assert lines[0] == "MNIST, image AUROC"
    assert lines[5] == (
        "3             0.910 ± 0.010  0.950  0.910 ± 0.010  0.933  0.910 ± 0.010  0.974"
    )


def test_groups_that_do_not_fit_go_below():
    groups = tuple((f"method {i}", ("ours", "paper")) for i in range(6))
    table = Table("t", "class", groups, (("3", *["0.900"] * 12),))
    text = to_text(table, width=40)
    assert max(map(len, text.splitlines())) <= 40
    assert text.count("class") == 3


ODD = "a|b\n*c* _d_ <e> [f](g) `h` \\ é \udcff"


def test_names_stay_in_their_rows():
    table = Table(ODD, ODD, (("", (ODD,)),), ((ODD, ODD),), means=((ODD, ODD),), notes=(ODD,))
    lines = to_text(table).splitlines()
    assert [line.count(r"a|b\n*c* _d_") for line in lines if line] == [1, 2, 0, 2, 0, 2, 1]
    markdown = to_markdown(table)
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [3, 3, 3, 3]
    assert r"a\|b\\n\*c\* \_d\_ \<e\> \[f\](g) \`h\` \\ é \\xff" in markdown
    assert "<e>" not in to_html(table)


def test_plain_names_are_not_escaped():
    plain = "svd_blurring, class 3 (0.5) student.steps 2,000 AE × é – 50 %"  # noqa: RUF001
    assert markdown(plain) == plain


def test_markdown(run_with):
    text = markdown_table([run_with("a", "ae", [(3, 0, 0.94), (8, 0, 0.92)])])
    assert "| normal class | AE ours | AE paper |\n| --- | ---: | ---: |\n" in text
    assert "| **mean** | **0.930** | **0.931** |" in text


def test_html_is_escaped_and_scoped():
    table = Table(
        "<c>", "x & y", (("<b>", ("ours",)),), (("<r>", "<1"),), (("mean", "2"),), ("<n>",)
    )
    text = to_html(table)
    for raw in ("<b>", "<c>", "<r>", "<1", "<n>", "x & y"):
        assert raw not in text
    assert '<th scope="row">&lt;r&gt;</th><td>&lt;1</td>' in text
    assert '<th scope="colgroup" colspan="1">' in text
    assert "colgroup" not in to_html(Table("c", "x", (("", ("a", "b")),), (("r", "1", "2"),)))


def test_a_table_without_notes_or_mean_is_whole():
    table = Table("c", "x", (("m", ("ours",)),), (("r", "1"),))
    assert to_text(table) == "c\n\n    m\nx  ours\n─  ────\nr     1\n"
    assert to_markdown(table) == "**c**\n\n| x | m ours |\n| --- | ---: |\n| r | 1 |\n"
