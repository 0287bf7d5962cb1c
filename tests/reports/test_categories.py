"""The table of industrial images: all metrics of categories and methods, beside the published."""

import json

import numpy as np
import pytest

from adjax.config.identity import as_json
from adjax.config.layout import new_config
from adjax.datasets.catalog import CATEGORIES
from adjax.reports import (
    console_table,
    markdown_table,
    read_record,
    read_run,
    read_sweep,
    remarks,
    write_record,
)
from adjax.reports.pages import to_html
from adjax.reports.published import GROUPS, published, published_mean
from adjax.reports.rendering import ABSENT, to_text
from adjax.reports.result_tables import results_tables
from adjax.workdir import write_refusal

MVTEC_AD = CATEGORIES["mvtec_ad"]
SWEEP = """MVTec AD

                     image AUROC   pixel AUROC   AUPRO  pixel AP    F1   best F1
category              ours  paper   ours  paper   ours      ours   ours   oracle
───────────────────  ────────────  ────────────  ─────  ────────  ─────  ───────
bottle
 AESc (residual)     0.900  0.980      –  0.840      –         –      –        –
 AESc (uncertainty)  0.900  0.820      –  0.880      –         –      –        –
toothbrush
 AESc (residual)     0.900  1.000  0.850  0.930  0.600     0.500  0.550    0.650
 AESc (uncertainty)  0.900  0.990  0.850  0.930  0.600     0.500  0.550    0.650
───────────────────  ────────────  ────────────  ─────  ────────  ─────  ───────
mean of 2
 AESc (residual)     0.900  0.990      –  0.885      –         –      –        –
 AESc (uncertainty)  0.900  0.905      –  0.905      –         –      –        –
"""  # noqa: RUF001


@pytest.fixture
def read(write_industrial):
    """A function that writes a run and reads it."""
    return lambda *arguments, **options: read_run(write_industrial(*arguments, **options))


def test_one_run_is_one_row_of_all_metrics(read):
    (table,) = results_tables([read("a")])
    assert table.caption == "MVTec AD, AESc (residual)"
    assert table.groups == (
        ("image AUROC", ("ours", "paper")),
        ("pixel AUROC", ("ours", "paper")),
        ("AUPRO", ("ours",)),
        ("pixel AP", ("ours",)),
        ("F1", ("ours",)),
        ("best F1", ("oracle",)),
    )
    cells = ("0.900", "1.000", "0.850", "0.930", "0.600", "0.500", "0.550", "0.650")
    assert table.rows == (("toothbrush", *cells),)
    assert table.means == ()
    assert table.notes[0].startswith("F1 is of all test pixels together, at the threshold chosen")
    assert table.notes[1] == "AESc (residual): seed 0; autoencoder 1,200 steps; image score d; " + (
        "config ab12cd34."
    )
    assert [note[:5] for note in table.notes[2:]] == ["paper"]


def test_methods_stand_below_their_category(read):
    runs = [
        read(f"{method}/{category}", method, [(category, 0)], masks=category != "bottle")
        for method in ("aesc_residual", "aesc_uncertainty")
        for category in ("bottle", "toothbrush")
    ]
    table, _ = results_tables(runs)
    text = to_text(table)
    assert text.startswith(SWEEP)
    assert console_table(runs).startswith(text)
    notes = " ".join(table.notes)
    assert "Mean over 2 of 15 categories (bottle and toothbrush); the paper's beside it" in notes
    assert "No masks, so nothing is known of pixels: bottle." in notes
    heading = '<tr class="heading"><th scope="rowgroup" colspan="9">bottle</th></tr>'
    assert to_html(table).count(heading) == 1
    assert f"| **bottle** |{'  |' * 8}" in markdown_table(runs).splitlines()


def test_methods_on_one_category_are_its_rows(read):
    runs = [read(method, method) for method in ("aesc_residual", "ae_l2")]
    table, _ = results_tables(runs)
    assert table.caption == "MVTec AD, category toothbrush"
    assert table.corner == "method"
    assert [row[:5] for row in table.rows] == [
        ("AESc (residual)", "0.900", "1.000", "0.850", "0.930"),
        ("AE (L2)", "0.900", "–", "0.850", "0.930"),  # noqa: RUF001
    ]
    assert table.means == ()


def test_a_set_without_categories_goes_by_its_own_name(read):
    options = {"dataset": "kolektor_sdd", "members": [("kolektor_sdd", 0)], "known": ()}
    (one,) = results_tables([read("a", **options)])
    assert one.rows[0][0] == "KolektorSDD"
    assert one.groups[0] == ("image AUROC", ("ours",))
    two, _ = results_tables([read("b", **options), read("c", "ae_l2", **options)])
    assert two.caption == "KolektorSDD"


def test_all_categories_end_in_the_printed_means(read):
    members = [(name, 0) for name in MVTEC_AD]
    (table,) = results_tables([read("a", members=members)])
    assert [row[0] for row in table.rows] == list(MVTEC_AD)
    assert [row[:5] for row in table.means] == [
        ("mean of textures", "0.900", "0.940", "0.850", "0.840"),
        ("mean of objects", "0.900", "0.870", "0.850", "0.810"),
        ("mean of all 15", "0.900", "0.890", "0.850", "0.820"),
    ]
    assert not any(note.startswith("Mean over") for note in table.notes)


def test_means_of_some_categories_say_which(read):
    members = [(name, 0) for name in ("wood", "bottle", "screw", "zipper")]
    (table,) = results_tables([read("a", members=members)])
    assert [row[0] for row in table.means] == ["mean of 3 objects", "mean of 4"]
    assert table.notes[0] == (
        "Mean over 3 of 15 categories (bottle, screw and zipper); the paper's beside it is over "
        "the same."
    )


def test_means_of_pixels_are_over_what_has_masks(read):
    values = {name: {"image_auroc": 0.9} for name in ("bottle", "screw", "zipper")}
    runs = [
        read(name, members=[(name, 0)], values=values, masks=name != "bottle") for name in values
    ]
    table, _ = results_tables(runs)
    assert [row[0] for row in table.means] == ["mean of 2", "mean of 3"]
    assert [row[3] for row in table.means] == ["0.850", "–"]  # noqa: RUF001


def test_seeds_become_mean_and_spread(read):
    runs = [
        read(str(seed), members=[("screw", seed)], values={"aupro": 0.5 + seed / 10})
        for seed in (0, 1)
    ]
    table, _ = results_tables(runs)
    assert f"0.550 ± {np.std([0.5, 0.6], ddof=1):.3f}" in table.rows[0]
    assert "AESc (residual): seeds 0 and 1; " in " ".join(table.notes)


def test_settings_that_follow_the_category_make_no_columns(read):
    patches = {"wood": 128, "screw": 256}
    runs = [
        read(name, "ssim_ae", [(name, 0)], config={"data.patch": patch})
        for name, patch in patches.items()
    ]
    table, _ = results_tables(runs)
    assert table.caption == "MVTec AD, SSIM-AE"
    other = read("other", "ssim_ae", [("screw", 0)], config={"data.patch": 64})
    table, _ = results_tables([*runs, other])
    labels = [row[0] for row in table.rows if len(row) > 1]
    assert labels[:3] == ["SSIM-AE (patch 128)", "SSIM-AE (patch 256)", "SSIM-AE (patch 64)"]


@pytest.mark.parametrize(
    ("dataset", "category", "value"),
    [("dagm2007", "Class8", "0.960"), ("rsdds", "type_i", "0.810")],
)
def test_published_f1_stands_beside_ours(read, dataset, category, value):
    run = read("a", "unet_ae", [(category, 0)], dataset=dataset, known=CATEGORIES[dataset])
    (table,) = results_tables([run])
    assert table.groups[4] == ("F1", ("ours", "paper"))
    assert table.rows[0][5:7] == ("0.550", value)
    assert "Minhas and Zelek" in table.notes[-1]


def test_the_networks_of_others_stand_beside_what_they_were_quoted_with():
    for method, bottle, textures in (("ssim_ae", 0.93, 0.78), ("ae_l2", 0.86, 0.70)):
        assert published("mvtec_ad", method, "bottle", "pixel_auroc") == bottle
        of_textures = GROUPS["mvtec_ad"]["textures"]
        assert published_mean("mvtec_ad", method, of_textures, "pixel_auroc") == textures
        assert published("mvtec_ad", method, "bottle") is None


def test_cost_and_decisions_of_several_models_stand_in_a_table_of_their_own(read):
    runs = [
        read(f"{method}/{category}{seed}", method, [(category, seed)], config={"data.patch": patch})
        for method, patch in (("aesc_residual", 0), ("ae_l2", 64))
        for category in ("bottle", "screw")
        for seed in (0, 1)
    ]
    runs[0].members[0]["image_threshold"]["false_positive_rate"] = 0.35
    runs[-1].results["stages"][0]["steps"] = 2000
    _, table = results_tables(runs)
    assert table.caption == "MVTec AD: cost and decisions"
    assert [name for _, names in table.groups for name in names] == [
        *("steps", "pixels", "core-min", "normal flagged", "anomalies found")
    ]
    rows = {row[0]: row[1:] for row in table.rows[3:] if len(row) > 1}
    size = f"{runs[0].config['data']['size']}"
    minutes = f"{45.1 * 2 / 60:.1f}"  # of two cores
    found = "0.750 ± 0.000"
    assert table.rows[1][1:] == ("1,200", size, minutes, "0.300 ± 0.071", found)
    assert rows["AE (L2)"] == (ABSENT, f"64 of {size}", minutes, "0.250 ± 0.000", found)
    assert table.means[1][1:] == ("1,200", size, minutes, "0.275 ± 0.035", found)
    assert table.means[2][1] == ABSENT
    notes = " ".join(table.notes)
    assert "times the cores" in notes
    assert "held-out normal images alone" in notes


def test_the_cost_of_a_population_is_shared_among_its_members(read):
    runs = [read(str(seed), members=[("screw", seed), ("wood", seed)]) for seed in (0, 1)]
    runs[0].results["hardware"]["platform"] = "gpu"
    _, table = results_tables(runs)
    assert "device-min" in table.groups[0][1]
    assert table.rows[0][3] == f"{(45.1 / 2 + 45.1) / 2 / 60:.1f}"  # a device; two cores
    del runs[0].results["stages"][0]["train_seconds"]
    _, table = results_tables(runs)
    assert table.rows[0][3] == ABSENT


def test_runs_without_anomalous_images_say_what_they_have(read):
    run = read("a", members=[("folder", 0)], dataset="folder", known=(), tested=False)
    assert results_tables([run]) == []
    assert " ".join(console_table([run]).split()) == (
        "There are no anomalous test images, so no AUROC. Of the normal images scored 25.0% are "
        "above 0.05, the threshold that held-out normal images set (quantile 0.95)."
    )
    other = read("b", "ae_l2", [("folder", 0)], dataset="folder", known=(), tested=False)
    assert "own images, AE (L2): there are no anomalous" in console_table([run, other])
    del run.results["members"][0]["image_threshold"]
    assert console_table([run]).endswith("so no AUROC.")


def test_image_classes_keep_a_table_a_metric(write_workdir):
    run = read_run(write_workdir())
    assert not run.about.has_categories
    assert [table.corner for table in results_tables([run])] == ["normal class"]


def test_a_confounded_category_is_marked_and_its_controlled_scores_stand_below(write_industrial):
    controlled = {"image_auroc": 0.6, "false_positive_rate": 0.1, "true_positive_rate": 0.25}
    folder = write_industrial("a")
    results = json.loads((folder / "results.json").read_text())
    results["members"][0]["controlled"] = controlled
    results["confounded"] = ["the mean of an image alone tells all"]
    (folder / "results.json").write_text(json.dumps(results))
    (table,) = results_tables([read_run(folder)])
    assert table.rows[0][0] == "toothbrush \N{DAGGER}"
    assert table.notes[0] == "\N{DAGGER} toothbrush: the mean of an image alone tells all."
    assert table.notes[1] == (
        "toothbrush at one median brightness, image AUROC (normal images flagged, anomalies "
        "found): AESc (residual) 0.600 (10%, 25%)."
    )


def test_a_threshold_is_not_judged_by_what_set_it(write_industrial):
    folder = write_industrial("a", tested=False)
    results = json.loads((folder / "results.json").read_text()) | {"tests_held_out": True}
    (folder / "results.json").write_text(json.dumps(results))
    text = " ".join(console_table([read_run(folder)]).split())
    assert text.endswith(
        "so no AUROC. The threshold is not judged either: the images scored are the held-out "
        "normal ones that set it."
    )


@pytest.mark.parametrize("as_record", [False, True])
def test_categories_that_could_not_be_done_have_rows_without_numbers(
    write_industrial, tmp_path, as_record
):
    for name in ("screw", "wood"):
        write_industrial(f"sweep/{name}", members=[(name, 0)])
    config = new_config("mvtec_ad", "aesc_residual", changes={"data.normal_class": "cable"})
    reason = "data/cable/train/good/003.png: damaged image"
    write_refusal(tmp_path / "sweep/cable", as_json(config), reason)
    sweep = read_sweep(tmp_path / "sweep")
    if as_record:
        sweep = read_record(write_record(tmp_path / "sweep.jsonl", sweep))
    table, cost = results_tables(sweep.runs, sweep.refused)
    assert [row[0] for row in table.rows] == ["wood", "cable", "screw"]
    parts = [part for _, group in table.groups for part in group]
    ours = [cell for cell, part in zip(table.rows[1][1:], parts, strict=True) if part != "paper"]
    assert {*ours} == {*cost.rows[1][1:]} == {ABSENT}
    assert table.means[0][0] == "mean of 2"
    assert f"1 run not done, cable: {reason}." in remarks(sweep)
    assert sweep.unfinished == []
    assert "cable" in console_table(sweep.runs, sweep.refused)
