"""Checkpoints come back as they were, or say what is wrong."""

import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from adjax.errors import UserError
from adjax.training.checkpoints import Checkpoints


def tree(value):
    return {"params": {"w": jnp.full((2, 3), value)}, "step": jnp.full(2, 7)}


def test_latest_of_two_kept_is_restored(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest_step() is None
    for step in (10, 20, 30):
        checkpoints.save(step, tree(float(step)), {"step": step})
    checkpoints.close()
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == [20, 30]
    restored, record = Checkpoints(tmp_path).restore(tree(0.0))
    np.testing.assert_array_equal(restored["params"]["w"], np.full((2, 3), 30.0))
    assert record == {"step": 30}


def test_other_structure_is_refused_by_name(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(10, tree(1.0), {})
    checkpoints.close()
    with pytest.raises(UserError, match=r"checkpoint of step 10 is damaged or of another version"):
        Checkpoints(tmp_path).restore({"params": jnp.zeros(3)})


def test_damaged_checkpoint_is_refused_by_name(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(10, tree(1.0), {})
    checkpoints.close()
    shutil.rmtree(tmp_path / "10" / "tree")
    with pytest.raises(UserError, match=r"checkpoint of step 10 is damaged"):
        Checkpoints(tmp_path).restore(tree(0.0))
