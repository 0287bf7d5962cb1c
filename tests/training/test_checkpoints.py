"""Checkpoints come back as they were, or say what is wrong."""

import contextlib
import itertools
import shutil
import time

import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from adjax.errors import UserError
from adjax.training import checkpoints as checkpoints_module
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


def flip(path, position):
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= 1 << (position % 8)
    path.write_bytes(content)


def saved(folder, *steps):
    checkpoints = Checkpoints(folder)
    for step in steps:
        checkpoints.save(step, tree(float(step)), {"step": step, "names": ("a", 0.1)})
    checkpoints.close()
    return folder


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_bit_gives_what_was_saved_or_is_told(tmp_path, seed):
    saved(tmp_path, 10)
    rng = np.random.default_rng(seed)
    paths = sorted(path for path in (tmp_path / "10").rglob("*") if path.is_file())
    paths = [path for path in paths if path.stat().st_size]
    flip(paths[rng.integers(len(paths))], int(rng.integers(1 << 20)))
    restored = None
    with contextlib.suppress(UserError):  # as told in the test above
        restored, record = Checkpoints(tmp_path).restore(tree(0.0))
    if restored is not None:
        np.testing.assert_array_equal(restored["params"]["w"], np.full((2, 3), 10.0))
        assert record == {"step": 10, "names": ["a", 0.1]}


def test_other_values_than_those_saved_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints_module, "digest", lambda tree, record: "another")
    saved(tmp_path, 10)
    monkeypatch.undo()
    with pytest.raises(UserError, match="its content is not what was saved"):
        Checkpoints(tmp_path).restore(tree(0.0))


def test_training_falls_back_to_the_one_before_and_says_so(tmp_path, capsys):
    saved(tmp_path, 10, 20)
    shutil.rmtree(tmp_path / "20" / "tree")
    restored, record = Checkpoints(tmp_path).restore(tree(0.0), fall_back=True)
    np.testing.assert_array_equal(restored["params"]["w"], np.full((2, 3), 10.0))
    assert record["step"] == 10
    assert "step 20 is damaged" in capsys.readouterr().err
    assert Checkpoints(tmp_path).latest_step() == 10
    shutil.rmtree(tmp_path / "10" / "tree")
    assert Checkpoints(tmp_path).restore(tree(0.0), fall_back=True) is None


def test_a_clock_that_jumps_stops_no_save(tmp_path, monkeypatch):
    now, days = time.time, itertools.cycle((0, 4000, -4000, 1))
    monkeypatch.setattr(time, "time", lambda: now() + 24 * 3600 * next(days))
    saved(tmp_path, 10, 20)
    monkeypatch.undo()
    restored, record = Checkpoints(tmp_path).restore(tree(0.0))
    np.testing.assert_array_equal(restored["params"]["w"], np.full((2, 3), 20.0))
    assert record["step"] == 20


def test_checkpoints_without_a_digest_are_read(tmp_path, monkeypatch):
    def without(step, args):
        record = ocp.args.JsonSave(args["record"].item["record"])
        return save(step, args=ocp.args.Composite(tree=args["tree"], record=record))

    checkpoints = Checkpoints(tmp_path)
    save = checkpoints._manager.save
    monkeypatch.setattr(checkpoints._manager, "save", without)
    checkpoints.save(10, tree(1.0), {"step": 10})
    checkpoints.close()
    assert Checkpoints(tmp_path).restore(tree(0.0))[1] == {"step": 10}
