"""Stages in the cache are those that training would give."""

import numpy as np
import pytest
from training_helpers import assert_trees_close, member, tiny_config, train

from adjax.training import loop
from adjax.training.stage_cache import StageCache


def test_entries_of_a_population_serve_its_members_alone(tmp_path, monkeypatch):
    cache = {"stage_cache": str(tmp_path / "stages"), "mesh.member": 1, "mesh.data": 1}
    members = ({"seed": 0}, {"seed": 1})
    together = train(tiny_config("ae", members=members, **cache), tmp_path / "together")
    monkeypatch.setattr(loop, "stage_batches", None)  # no training from here on
    alone = train(tiny_config("ae", seed=1, **cache), tmp_path / "alone")
    assert_trees_close(alone["teacher"], member(together["teacher"], 1), atol=0)
    with pytest.raises(TypeError):
        train(tiny_config("ae", seed=2, **cache), tmp_path / "unknown")
    with pytest.raises(TypeError):
        train(tiny_config("ae", **{"teacher.steps": 6}, **cache), tmp_path / "other")


def test_storing_twice_keeps_the_first(tmp_path):
    cache = StageCache(tmp_path)
    like = {"w": np.zeros((1, 2), np.float32)}
    cache.store(["h"], {"w": np.ones((1, 2), np.float32)}, [], {"steps": 1})
    cache.store(["h"], {"w": np.zeros((1, 2), np.float32)}, [], {"steps": 2})
    tree, record = cache.load(["h"], like)
    np.testing.assert_array_equal(tree["w"], np.ones((1, 2)))
    assert record == {"steps": 1}
    assert cache.load(["h", "missing"], like) is None
    assert [path.name for path in tmp_path.iterdir()] == ["h"]
