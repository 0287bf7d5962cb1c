"""Runs and stage caches of earlier versions are read, continued and reported.

`adopted_runs.tar.gz` was written by commit 20f9aca (2026-11-25), whose configs held the sections of
all methods: an OE-SDN run stopped at step 4 of its student and what it came to without a stop, a
finished AE run and the stage cache it filled, and the configs of all methods.
"""

import json
import tarfile

import numpy as np
import pytest

from adjax import experiment, reports, workdir
from adjax.config import adopt, identity
from adjax.errors import UserError
from configs import mnist, mvtec_ad

FILES = {"mnist": mnist, "mvtec_ad": mvtec_ad}


@pytest.fixture(scope="module")
def adopted(tmp_path_factory, repository):
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(repository / "tests" / "adopted_runs.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "adopted"


def assert_same_log(one, other):
    """Equal but for measured rates, and for rounding: these are other devices."""
    logs = [list(map(json.loads, path.read_text().splitlines())) for path in (one, other)]
    for a, b in zip(*logs, strict=True):
        assert (a["stage"], a["step"], *a) == (b["stage"], b["step"], *b)
        for name in a.keys() - {"stage", "images_per_second"}:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-4, err_msg=name)


# Values of these runs that are no defaults any more.
OLD_DEFAULTS = {"maps.sigma": 0.0, "teacher.code_size": 16}


def test_configs_lose_what_their_methods_never_read(adopted):
    paths = sorted((adopted / "configs").iterdir())
    assert len(paths) == 33
    for path in paths:
        name, _, method = path.stem.partition("-")
        config = adopt.adopt_config(json.loads(path.read_text()))
        today = FILES[name].get_config(method)
        desired = identity.essential(today)
        desired |= {key: value for key, value in OLD_DEFAULTS.items() if key in desired}
        assert identity.essential(config) == desired, path.stem


def test_interrupted_run_goes_on_to_the_same_end(adopted):
    folder = adopted / "interrupted"
    assert "itae" in json.loads((folder / "config.json").read_text())
    config = workdir.read_config(folder)
    assert "itae" not in config
    results = experiment.train_and_evaluate(config, folder)
    (expected,) = json.loads((adopted / "expected.json").read_text())["members"]
    assert results["members"][0]["image_auroc"] == pytest.approx(expected["image_auroc"], abs=0.02)
    assert_same_log(folder / "metrics.jsonl", adopted / "expected.jsonl")
    assert "itae" not in json.loads((folder / "config.json").read_text())
    assert workdir.finished_results(config, folder)["about"]["title"] == "OE-SDN"


def test_another_run_is_still_refused_its_folder(adopted):
    config = workdir.read_config(adopted / "finished")
    config.teacher.learning_rate = 0.5
    with pytest.raises(UserError, match=r"holds another run: its config.teacher.learning_rate"):
        experiment.train_and_evaluate(config, adopted / "finished")


def test_finished_run_is_reported(adopted):
    results = json.loads((adopted / "finished" / "results.json").read_text())
    run = reports.read_run(adopted / "finished")
    text = reports.console_table([run])
    assert "MNIST, image AUROC" in text
    assert f"{results['members'][0]['image_auroc']:.3f}" in text
    assert "0.950" in text  # published of AE on threes
    assert reports.write_report(adopted / "finished").is_file()


def test_stage_cache_is_used(adopted, tmp_path):
    config = workdir.read_config(adopted / "finished")
    config.stage_cache = str(adopted / "stages")
    results = experiment.train_and_evaluate(config, tmp_path)
    (stage,) = results["stages"]
    assert stage["cached"]
    earlier = json.loads((adopted / "finished" / "results.json").read_text())
    assert results["members"] == earlier["members"]


def test_settings_of_a_later_version_are_refused():
    config = mnist.get_config("vae").to_dict()
    config["vae"]["newest"] = 3
    with pytest.raises(UserError, match=r"config.vae.newest: another version of adjax wrote it"):
        adopt.adopt_config(config)
