"""Our detectors beside PyOD's, whose place a wrapper of scikit-learn takes here."""

import json

import numpy as np
import pytest

from adjax import methods
from adjax.config.layout import check, new_config
from adjax.errors import UserError
from adjax.methods.components import features
from adjax.reports.results_page import markers
from benchmarks import classical, page, tables

FAKE = """
from sklearn.{module} import {name}

class {pyod}({name}):
    def decision_function(self, X):
        return -super().decision_function(X)
"""
METADATA = "Metadata-Version: 2.1\nName: pyod\nVersion: 9.9\n"


@pytest.fixture
def pyod(tmp_path, monkeypatch):
    """PyOD's interface, in every process that this one spawns."""
    models = tmp_path / "pyod" / "models"
    models.mkdir(parents=True)
    for folder in (models, models.parent):
        (folder / "__init__.py").touch()
    code = FAKE.format(module="ensemble", name="IsolationForest", pyod="IForest")
    (models / "iforest.py").write_text(code)
    info = tmp_path / "pyod-9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    monkeypatch.syspath_prepend(tmp_path)


def small(method):
    config = new_config("mnist", method, smoke=True)
    config.data.update(train_split="train[:1500]", test_split="test[:300]")
    return config


@pytest.mark.slow
def test_same_forest_on_both_sides(pyod, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "")
    path = tmp_path / "page.md"
    places = [markers("table", name) for name in tables.NAMES]
    path.write_text("\n".join(line for place in places for line in place))
    config = small("isolation_forest")
    classical.check_config(config)
    rows = {"pyod": [classical.measure(config, 2)]}
    page.measure(lambda: rows, ["pyod"], str(path), "make bench-pyod")
    assert "PyOD's detectors beside adjax's" in capsys.readouterr().out
    (part,) = json.loads(path.with_suffix(".json").read_text())["pyod"]
    assert part["versions"]["pyod"] == "9.9"
    (row,) = part["rows"]
    assert row["case"] == "isolation_forest, mnist 3"
    assert row["scored"] == 300
    assert 100 < row["trained_on"] < 200
    assert row["auroc"]["adjax"] == pytest.approx(row["auroc"]["pyod"], abs=1e-4)
    assert row["auroc"]["pyod"] > 0.5
    for name in ("train", "score"):
        assert row[name]["ratio"] > 0
    assert 0 < row["feature_seconds"] < row["train"]["pyod_seconds"]
    assert "| isolation_forest, mnist 3 | 0." in path.read_text()


def test_features_are_those_of_our_method():
    images = np.random.default_rng(0).random((60, 28, 28, 1), np.float32)
    for contrast in (False, True):
        config = small("ocsvm")
        config.ocsvm.update(contrast=contrast, components=60, support_vectors=60)
        settings = check(config)
        (stage,) = methods.build("ocsvm", settings.sections).stages
        params = stage.compute(lambda size: iter([images]), {}, {"data.normal_class": 3})
        train, features_of = classical.RIVALS["ocsvm"].learn(settings, lambda size: iter([images]))
        seen = np.asarray(features(params, images))[:, : train.shape[1]]
        np.testing.assert_allclose(train, seen, atol=1e-4)
        np.testing.assert_allclose(features_of(images[:5]), seen[:5], atol=1e-4)


def test_what_cannot_be_compared(monkeypatch):
    installed = {"pyod"}
    monkeypatch.setattr(classical, "is_installed", lambda module: module in installed)
    assert classical.choose([]) == ["ocsvm", "isolation_forest"]
    with pytest.raises(UserError, match="deep_svdd needs torch, which is missing"):
        classical.choose(["deep_svdd"])
    with pytest.raises(UserError, match="ae is none of ocsvm, isolation_forest, deep_svdd"):
        classical.check_config(small("ae"))
    config = small("ocsvm")
    config.members = ({"seed": 1}, {"seed": 2})
    with pytest.raises(UserError, match="compares one member"):
        classical.check_config(config)
    installed.clear()
    with pytest.raises(UserError, match=r"PyOD is missing; run `pip install -e '.\[pyod\]'`"):
        classical.choose([])


def test_table_tells_what_deep_svdd_of_pyod_lacks():
    times = {"ratio": 2.0, "spread": 0.1, "adjax_seconds": 1.5, "pyod_seconds": 3.0}
    row = {"auroc": {"adjax": 0.91236, "pyod": 0.9}, "feature_seconds": 0.25, "seed": 0}
    row |= {"trained_on": 5825, "scored": 10000, "train": times, "score": times}
    table = tables.tables("pyod", [row | {"case": "deep_svdd, mnist 3"}])["pyod"]
    expected = ["0.9124", "0.9000", "2.00", "10%", "1.50", "3.00", "0.25", "2.00", "10%"]
    assert list(table.rows[0][1:10]) == expected
    assert "5,825 training images, 10,000 scored, seed 0." in table.notes
    assert "no pre-training" in table.notes[-1]
