"""Stages that are computed at once, on a toy: the mean image and a random number of the seed."""

import dataclasses

import jax
import numpy as np
import optax
import pytest
from training_helpers import (
    ONE_DEVICE,
    assert_trees_close,
    industrial_config,
    member,
    method_of,
    records,
    tiny_config,
    train,
)

from adjax.config.layout import check
from adjax.datasets.tasks import create_task
from adjax.errors import DivergedError
from adjax.methods.stage import Fit, Limit

MEMBERS = ({"seed": 0, "data.normal_class": 3}, {"seed": 1, "data.normal_class": 5})


def method_with_fit(config, compute=None, calls=None, network=False):
    """A `Fit` of the mean image, and after it the autoencoder if wanted."""

    def mean(images, frozen, settings):
        if calls is not None:
            calls.append(settings["seed"])
        batches = list(images(64))
        assert all(len(batch) <= 64 for batch in batches)
        image = np.concatenate(batches)
        draw = np.random.default_rng(settings["seed"]).random(2, np.float32)
        return {"mean": image.mean(0, dtype=np.float64).astype(np.float32), "draw": draw}

    def shapes(image_shape):
        shapes = {"mean": image_shape, "draw": (2,)}
        return {name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in shapes.items()}

    method = method_of(config)
    fit = Fit("mean", ("data",), shapes, compute or mean)
    return dataclasses.replace(method, stages=(fit, *method.stages[: 1 if network else 0]))


def test_sees_every_training_image_of_its_member_once(tmp_path):
    config = tiny_config("ae", members=MEMBERS)
    found = train(config, tmp_path, method_with_fit(config))["mean"]["params"]
    task = create_task(check(config).data)
    table = task.training_table()
    for row, settings in enumerate(MEMBERS):
        rows = task.split(table, settings).train
        np.testing.assert_allclose(
            found["mean"][row], (table.image[rows] / 255).mean(0), rtol=0, atol=1e-6
        )
        draw = np.random.default_rng(settings["seed"]).random(2, np.float32)
        np.testing.assert_array_equal(found["draw"][row], draw)


def test_member_of_a_population_equals_the_same_alone(tmp_path):
    config = tiny_config("ae", members=MEMBERS)
    together = train(config, tmp_path / "two", method_with_fit(config))["mean"]
    config = tiny_config("ae", members=MEMBERS[1:])
    alone = train(config, tmp_path / "one", method_with_fit(config))["mean"]
    assert_trees_close(member(together, 1), alone, atol=0)


def test_finished_fits_are_found_again(tmp_path):
    calls = []
    config = tiny_config("ae", members=MEMBERS, stage_cache=str(tmp_path / "cache"))
    method = method_with_fit(config, calls=calls, network=True)
    first = train(config, tmp_path / "a", method)
    assert calls == [0, 1]
    assert_trees_close(train(config, tmp_path / "a", method), first, atol=0)
    assert_trees_close(train(config, tmp_path / "b", method), first, atol=0)
    assert calls == [0, 1]
    assert [r["step"] for r in records(tmp_path / "b") if r["stage"] == "mean"] == [1]


def test_member_without_a_finite_result_is_left_behind(tmp_path):
    def compute(images, frozen, settings):
        value = np.float32("nan" if settings["seed"] == 0 else 1)
        return {"mean": np.full((28, 28, 1), value), "draw": np.ones(2, np.float32)}

    config = tiny_config("ae", members=MEMBERS)
    found = train(config, tmp_path / "two", method_with_fit(config, compute, network=True))
    assert np.isfinite(found["mean"]["params"]["mean"][1]).all()
    config = tiny_config("ae", members=MEMBERS[:1])
    with pytest.raises(DivergedError, match=r"stage mean, step 1, member 0 .* is not finite"):
        train(config, tmp_path / "one", method_with_fit(config, compute))


def test_crops_are_those_of_an_epoch(tmp_path):
    patches = {"data.crops": "rotated_crops", "data.patch": 16, "data.samples": 70}
    patches |= {"windows.stride": 16}
    config = industrial_config(tmp_path / "images", "ae_d6_residual", **patches)
    seen = []

    def compute(images, frozen, settings):
        seen.extend(images(32))
        return {"mean": np.zeros((16, 16, 1), np.float32), "draw": np.zeros(2, np.float32)}

    train(config, tmp_path / "run", method_with_fit(config, compute))
    assert [batch.shape for batch in seen] == [(32, 16, 16, 1)] * 2
    assert len({batch.tobytes() for batch in seen}) == 2


def test_member_below_a_limit_is_left_behind(tmp_path):
    config = tiny_config("ae", **ONE_DEVICE)
    method = method_of(config)
    (stage,) = method.stages

    def limited(least, after):
        limits = (Limit("grad_norm", least, after, "it learns nothing"),)
        return dataclasses.replace(method, stages=(dataclasses.replace(stage, limits=limits),))

    train(config, tmp_path / "early", limited(1e9, after=stage.steps))  # does not hold yet
    train(config, tmp_path / "well", limited(1e-9, after=0))
    with pytest.raises(
        DivergedError, match=r"step 6.* below 1e\+09: it learns nothing; the checkpoint of step 4"
    ):
        train(config, tmp_path / "ill", limited(1e9, after=4))


def test_numbers_of_a_member_below_a_limit_are_null_from_then_on(tmp_path):
    # The second member's rate is far too small for the limit on what it moves.
    members = ({"seed": 0}, {"seed": 0, "teacher.learning_rate": 1e-10})
    config = tiny_config("ae", members=members, **ONE_DEVICE)
    method = method_of(config)
    (stage,) = method.stages
    lazy = Limit("moved", 1e-6, 2, "it does not move")

    def update(state, *others):
        new, metrics = stage.update(state, *others)
        moved = jax.tree.map(lambda a, b: a - b, new.params, state.params)
        return new, metrics | {"moved": optax.tree.norm(moved)}

    stages = (dataclasses.replace(stage, update=update, limits=(lazy,)),)
    train(config, tmp_path, dataclasses.replace(method, stages=stages))
    moved = {record["step"]: record["moved"] for record in records(tmp_path) if "moved" in record}
    assert [None not in moved[step] for step in (2, 4)] == [True, True]
    assert [value[1] for step, value in moved.items() if step > 4] == [None, None]
