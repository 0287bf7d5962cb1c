"""Pages, sweeps and the page of results of industrial images."""

import json

import pytest

from adjax.config.identity import as_json
from adjax.config.layout import new_config
from adjax.reports import read_sweep, remarks, write_report, write_results, write_sweep_report
from adjax.reports.finished_sweep import changed_settings

METHODS = ("aesc_residual", "aesc_uncertainty")


@pytest.fixture
def sweep(write_industrial, tmp_path):
    """A sweep of two methods on two categories, one of them without masks."""
    for method in METHODS:
        for category in ("toothbrush", "bottle"):
            config = {"data.size": 64, "autoencoder.steps": 8, "data.normal_class": category}
            write_industrial(
                f"sweep/{method}/{category}/seed0",
                method,
                [(category, 0)],
                masks=category != "bottle",
                config=config,
                command="python launch.py --mode=sweep",
            )
    return read_sweep(tmp_path / "sweep")


def test_a_page_speaks_of_categories(write_industrial):
    page = write_report(write_industrial("a")).read_text()
    assert "<h1>AESc (residual) on MVTec AD, category toothbrush</h1>" in page
    assert (
        "Trained on normal images alone with seed 0 (autoencoder 1,200 steps), then scored on 60 "
        "test images, 54 of them defective."
    ) in page
    assert "<dt>pixel AUROC</dt><dd>0.850</dd>" in page
    assert "class toothbrush" not in page
    headings = ["Results", "Figures", "Thresholds", "Time"]
    places = [page.index(f"<h2>{heading}</h2>") for heading in headings]
    assert places == sorted(places)
    assert page.count("Collin and De Vleeschouwer") == 1
    assert page.count("<img") == 5


def test_a_page_of_a_set_without_categories(write_industrial):
    options = {"dataset": "kolektor_sdd", "members": [("kolektor_sdd", 0)], "known": ()}
    page = write_report(write_industrial("a", **options)).read_text()
    assert "<h1>AESc (residual) on KolektorSDD</h1>" in page
    assert "kolektor_sdd</" not in page


def test_a_page_without_anomalous_images_says_so(write_industrial):
    options = {"dataset": "folder", "members": [("folder", 0)], "known": (), "tested": False}
    page = write_report(write_industrial("a", **options)).read_text()
    assert "<h1>AESc (residual) on own images</h1>" in page
    assert "then scored on 6 images, none of them defective." in page
    assert (
        "There are no anomalous test images, so no AUROC. Of the normal images scored 25.0%" in page
    )
    assert '<dl class="headline">' not in page
    assert "<h2>Thresholds</h2>" in page
    assert page.count("<img") == 3


def test_a_population_of_categories(write_industrial):
    members = [("screw", 0), ("zipper", 0)]
    page = write_report(write_industrial("a", members=members)).read_text()
    assert "<h1>AESc (residual) on MVTec AD, categories screw and zipper</h1>" in page
    assert "2 members, each trained on normal images alone" in page
    assert "pixel AUROC, mean over 2 members" in page


def test_a_sweep_names_the_categories_that_it_lacks(sweep):
    (remark,) = remarks(sweep)
    assert remark.startswith("Not measured: carpet, grid, leather, ")
    assert remark.endswith("transistor and zipper (13 of the 15 categories of MVTec AD).")
    page = write_sweep_report(sweep).read_text()
    assert f"<li>{remark}</li>" in page
    assert "<h1>AESc (residual) and AESc (uncertainty) on MVTec AD</h1>" in page
    assert "on categories bottle and toothbrush with 4 members, one for each method, " in page
    assert "setting, category and seed." in page
    assert "different losses do not compare" in page


def test_categories_of_a_single_run_are_not_missed(write_industrial, tmp_path):
    write_industrial("sweep/a")
    assert remarks(read_sweep(tmp_path / "sweep")) == []


def test_a_member_that_diverged_is_named_by_its_category(sweep):
    folder = sweep.directory / "ae_l2"
    folder.mkdir()
    config = as_json(new_config("mvtec_ad", "ae_l2"))
    (folder / "config.json").write_text(json.dumps(config))
    failure = {"seed": 0, "data.normal_class": "screw", "stage": "autoencoder", "step": 3}
    failure |= {"reason": "the loss is not finite"}
    (folder / "failed.json").write_text(json.dumps({"failed": [failure]}))
    assert remarks(read_sweep(sweep.directory))[0].startswith(
        "Diverged and in no number here: AE (L2), category screw, seed 0, in its autoencoder"
    )


def test_the_page_of_results(sweep, tmp_path):
    def defaults(method):
        (config, *_) = [run.config for run in sweep.runs if run.method == method]
        return config | {"data": config["data"] | {"size": 256}}

    text = write_results(tmp_path / "results.md", [sweep], [defaults]).read_text()
    assert "- settings: data.size 64 instead of 256\n" in text
    assert "- Not measured: carpet, " in text
    assert text.count("| category | image AUROC ours | image AUROC paper | ") == 1
    assert "| best F1 oracle |" in text
    assert "- parameters: autoencoder 300,000\n" in text
    assert "Thresholds of the anomaly map" not in text


def test_what_the_results_lack_is_told_in_markdown(write_industrial, tmp_path):
    options = {"dataset": "folder", "members": [("folder", 0)], "known": (), "tested": False}
    write_industrial("sweep/a", **options)
    sweep = read_sweep(tmp_path / "sweep")
    page = write_results(tmp_path / "results.md", [sweep], [lambda _: sweep.runs[0].config])
    text = page.read_text()
    assert "- There are no anomalous test images" in text
    assert "**Threshold of the image score, own images**" in text  # of a single run


def test_settings_are_compared_with_those_of_the_method(write_industrial, tmp_path):
    steps = {"aesc_residual": 8, "ae_l2": 9, "ssim_ae": 9}
    for method, count in steps.items():
        config = {"autoencoder.steps": count, "data.size": 64, "data.patch": 0, "data.crops": ""}
        write_industrial(f"sweep/{method}", method, config=config)
    runs = read_sweep(tmp_path / "sweep").runs
    usual = {run.method: json.loads(json.dumps(run.config)) for run in runs}
    assert changed_settings(runs, usual.get) == "the defaults"
    for config in usual.values():
        config["data"] |= {"size": 256, "patch": 64, "crops": "rotated_crops"}
        config["autoencoder"]["steps"] = 100
    everywhere = "data.crops '' instead of rotated_crops, data.patch 0 instead of 64, "
    assert changed_settings(runs, usual.get) == (
        f"{everywhere}data.size 64 instead of 256; "
        "AE (L2) and SSIM-AE: autoencoder.steps 9 instead of 100; "
        "AESc (residual): autoencoder.steps 8 instead of 100"
    )
