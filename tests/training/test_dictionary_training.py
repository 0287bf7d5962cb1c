"""A dictionary through the product: populations, runs that go on, scores."""

import numpy as np
import pytest
from dictionary_helpers import cnn_dictionary, use_few_features
from training_helpers import assert_trees_close, member, tiny_config, train

from adjax.config.layout import check
from adjax.experiment import train_and_evaluate
from adjax.run import build_method

MEMBERS = ({"seed": 0, "data.normal_class": 3}, {"seed": 1, "data.normal_class": 5})


def test_run_of_a_population(tmp_path, monkeypatch):
    loadings = use_few_features(monkeypatch)
    config = tiny_config("cnn_dictionary", members=MEMBERS)
    method = build_method(check(config))
    together = train(config, tmp_path / "two", method)
    config = tiny_config("cnn_dictionary", members=MEMBERS[1:])
    alone = train(config, tmp_path / "one", method)
    assert_trees_close(member(together["dictionary"], 1), alone["dictionary"], atol=0)
    assert len(loadings) == 3

    # A run that ended after its first stage: what is there is found, the rest is computed.
    build = cnn_dictionary.build
    monkeypatch.setattr(cnn_dictionary, "build", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(config, tmp_path / "cut", method)
    monkeypatch.setattr(cnn_dictionary, "build", build)
    results = train_and_evaluate(config, tmp_path / "cut", method=method)
    assert len(loadings) == 4
    again = train(config, tmp_path / "cut", method)
    assert_trees_close(again["dictionary"], alone["dictionary"], atol=0)
    (found,) = results["members"]
    assert set(found["image_auroc_by_score"]) == {"max", "mean"}
    with np.load(tmp_path / "cut" / "examples.npz") as examples:
        assert np.isfinite(examples["anomaly_map"]).all()
        assert not any(name.startswith("reconstruction") for name in examples)
