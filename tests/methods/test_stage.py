"""The optimiser against Optax on a toy problem, and what an update averages."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from adjax.methods.stage import DATA_AXIS, TrainState, dynamic_keys, learning_curve, minimise

STEPS = 4
TARGET = np.random.default_rng(0).standard_normal((6, 3), np.float32)
START = {"w": np.array([1.0, -2.0, 0.5], np.float32), "b": np.float32(0.3)}


def loss(params, target):
    return jnp.square(params["w"][None] * target + params["b"]).mean()


def ours(schedule, learning_rate, weight_decay, shares=1, milestones=(), decoupled=True):
    """Parameters after `STEPS` updates, and the last metrics; `shares` devices share a batch."""
    optimizer = optax.scale_by_adam()
    curve = learning_curve(schedule, STEPS, milestones)

    def objective(variables, frozen, batch, key, member):
        seen = {"seen": variables["seen"] + 1}
        return loss(variables["params"], batch["target"]), ({"double": batch["target"].sum()}, seen)

    update = jax.vmap(
        minimise("stage", objective, optimizer, curve, decoupled),
        in_axes=(None, None, 0, None, None),
        out_axes=None,
        axis_name=DATA_AXIS,
    )
    state = TrainState(jnp.int32(0), START, {"seen": jnp.float32(0)}, optimizer.init(START))
    member = {
        "stage.learning_rate": jnp.float32(learning_rate),
        "stage.weight_decay": jnp.float32(weight_decay),
    }
    batch = {"target": TARGET.reshape(shares, -1, 3)}
    for _ in range(STEPS):
        state, metrics = jax.jit(update)(state, {}, batch, jax.random.key(0), member)
    return state, metrics


def optax_params(schedule, weight_decay, decoupled=True):
    """The oracle: AdamW, or Adam on decayed gradients, after `STEPS` updates."""
    optimizer = optax.adamw(schedule, weight_decay=weight_decay)
    if not decoupled:
        optimizer = optax.chain(optax.add_decayed_weights(weight_decay), optax.adam(schedule))
    params, state = START, optimizer.init(START)
    for _ in range(STEPS):
        gradient = jax.grad(loss)(params, TARGET)
        with jax.numpy_dtype_promotion("standard"):  # Optax raises floats to integer powers
            updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    return params


def assert_close(actual, desired):
    jax.tree.map(lambda a, d: np.testing.assert_allclose(a, d, rtol=1e-5), actual, desired)


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_constant_schedule_is_adamw(weight_decay):
    state, _ = ours("constant", 0.1, weight_decay)
    assert_close(state.params, optax_params(0.1, weight_decay))
    assert state.step == STEPS


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_cosine_schedule_is_adamw_whose_rate_falls_to_zero(weight_decay):
    state, _ = ours("cosine", 0.1, weight_decay)
    assert_close(state.params, optax_params(optax.cosine_decay_schedule(0.1, STEPS), weight_decay))


@pytest.mark.parametrize("milestones", [(), (2,), (1, 3)])
def test_step_schedule_falls_to_a_tenth_at_each_milestone(milestones):
    state, _ = ours("step", 0.1, 0.5, milestones=milestones)
    rate = optax.piecewise_constant_schedule(0.1, dict.fromkeys(milestones, 0.1))
    assert_close(state.params, optax_params(rate, 0.5))


def test_decay_that_is_part_of_the_gradient():
    state, metrics = ours("constant", 0.1, 0.5, decoupled=False)
    assert_close(state.params, optax_params(0.1, 0.5, decoupled=False))
    assert abs(state.params["w"] - ours("constant", 0.1, 0.5)[0].params["w"]).max() > 1e-3
    assert np.isfinite(metrics["grad_norm"])


def test_halving_schedule_halves_after_every_tenth():
    curve = learning_curve("halving", 200)
    found = [float(curve(jnp.int32(step))) for step in (0, 19, 20, 39, 40, 179, 180, 199)]
    assert found == [1, 1, 0.5, 0.5, 0.25, 0.5**8, 0.5**9, 0.5**9]


def test_one_cycle_schedule_rises_and_falls():
    curve = learning_curve("one_cycle", 100)
    rates = [float(curve(jnp.int32(step))) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 25)
    assert np.argmax(rates) == 30
    assert rates[30] == pytest.approx(1)
    assert (np.diff(rates[:31]) > 0).all()
    assert (np.diff(rates[30:]) < 0).all()
    assert rates[-1] < 1e-3


def test_a_shared_batch_gives_the_same_update():
    (alone, metrics), (shared, shared_metrics) = (ours("constant", 0.1, 0.0, n) for n in (1, 3))
    assert_close(shared.params, alone.params)
    assert_close(shared_metrics["loss"], metrics["loss"])
    assert_close(shared_metrics["double"], metrics["double"] / 3)  # the mean over devices
    assert shared.model_state == {"seen": STEPS}


def test_metrics_are_of_this_update():
    state, metrics = ours("constant", 0.1, 0.5)
    assert set(metrics) == {"loss", "grad_norm", "param_norm", "double"}
    norm = np.sqrt(sum(np.square(x).sum() for x in state.params.values()))
    np.testing.assert_allclose(metrics["param_norm"], norm, rtol=1e-6)
    assert metrics["loss"] < loss(START, TARGET)


def test_zero_rate_changes_nothing():
    state, metrics = ours("cosine", 0.0, 0.5)
    jax.tree.map(np.testing.assert_array_equal, state.params, START)
    gradient = jax.grad(loss)(START, TARGET)
    np.testing.assert_allclose(metrics["grad_norm"], optax.tree.norm(gradient), rtol=1e-6)


def test_dynamic_keys_are_the_rates_of_the_stage():
    assert dynamic_keys("teacher") == ("teacher.learning_rate", "teacher.weight_decay")


def test_unknown_schedule_raises():
    with pytest.raises(KeyError, match="linear"):
        learning_curve("linear", 10)
