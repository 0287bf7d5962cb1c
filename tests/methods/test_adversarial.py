"""What adversarial methods share: losses, the penalty, draws, turns, the sign of collapse."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import log_expit

from adjax.methods import adversarial
from adjax.methods.stage import DATA_AXIS, TrainState, drawn_share
from adjax.ops import Conv, ConvTranspose

RNG = np.random.default_rng(0)


def on_devices(function, shares, in_axes=0):
    """`function` where the axis `data` exists; arguments carry it in front."""
    return jax.jit(jax.vmap(function, in_axes, axis_name=DATA_AXIS, axis_size=shares))


def test_ranges():
    image = RNG.random((2, 3, 3, 1), np.float32)
    signed = adversarial.to_signed(image)
    assert signed.min() < -0.5
    np.testing.assert_allclose(adversarial.to_unit(signed), image, atol=1e-6)


@pytest.mark.parametrize("target", [0.0, 1.0, 0.9])
def test_binary_cross_entropy_equals_scipy_for_any_logit(target):
    logit = np.array([-80, -5, -0.1, 0, 0.1, 5, 80], np.float32)
    found = adversarial.binary_cross_entropy(logit, target)
    exact = np.float64(logit)
    desired = -target * log_expit(exact) - (1 - target) * log_expit(-exact)
    np.testing.assert_allclose(found, desired, rtol=1e-6, atol=1e-30)


def test_losses_of_the_players():
    real, fake = RNG.standard_normal((2, 5), np.float32)
    exact = np.float64(real), np.float64(fake)
    desired = -log_expit(exact[0]).mean() - log_expit(-exact[1]).mean()
    np.testing.assert_allclose(adversarial.discriminator_loss(real, fake), desired, rtol=1e-6)
    desired = -log_expit(exact[1]).mean()
    np.testing.assert_allclose(adversarial.generator_loss(fake), desired, rtol=1e-6)


def test_penalty_of_a_linear_critic_is_that_of_its_weights():
    w = RNG.standard_normal((4, 4, 2), np.float32)
    real, fake = RNG.random((2, 3, 4, 4, 2), np.float32)
    mix = RNG.random(3, np.float32)
    found = adversarial.gradient_penalty(lambda x: (x * w[None]).sum((1, 2, 3)), real, fake, mix)
    np.testing.assert_allclose(found, np.full(3, (np.linalg.norm(w) - 1) ** 2), rtol=1e-5)


def test_penalty_of_a_quadratic_critic_is_taken_between_the_images():
    real, fake = RNG.random((2, 3, 4, 4, 2), np.float32)
    mix = np.array([0, 1, 0.3], np.float32)
    found = adversarial.gradient_penalty(lambda x: jnp.square(x).sum((1, 2, 3)), real, fake, mix)
    between = np.stack([real[0], fake[1], 0.7 * real[2] + 0.3 * fake[2]])
    desired = (2 * np.sqrt((between**2).sum((1, 2, 3))) - 1) ** 2
    np.testing.assert_allclose(found, desired, rtol=1e-5)


def test_penalty_of_a_flat_critic_has_a_derivative():
    real, fake = RNG.random((2, 3, 4, 4, 2), np.float32)

    def penalty(w):
        critic = lambda x: w * x.sum((1, 2, 3))  # noqa: E731
        return adversarial.gradient_penalty(critic, real, fake, real[:, 0, 0, 0]).sum()

    value, slope = jax.value_and_grad(penalty)(0.0)
    np.testing.assert_allclose(value, 3, rtol=1e-5)
    assert np.isfinite(slope)


class Critic(nn.Module):
    """Every layer through which a penalty is differentiated twice."""

    @nn.compact
    def __call__(self, x):
        """`[B, 6, 6, 2]` to `[B]`."""
        x = nn.softplus(Conv(3, (4, 4), (2, 2))(x))
        x = nn.LayerNorm(reduction_axes=(1, 2, 3), feature_axes=-1)(x)
        x = nn.softplus(ConvTranspose(2, (4, 4), (2, 2))(x))
        x = nn.softplus(Conv(3, (3, 3), upsample=True)(x))
        return nn.Dense(1)(x.reshape(x.shape[0], -1))[:, 0]


def test_derivative_of_the_penalty_equals_finite_differences():
    model = Critic()
    real, fake = RNG.random((2, 2, 6, 6, 2))
    mix = np.array([0.2, 0.7])
    shapes = jax.eval_shape(model.init, jax.random.key(0), np.float32(real))
    params = jax.tree.map(lambda leaf: RNG.standard_normal(leaf.shape), shapes)
    direction = jax.tree.map(lambda leaf: RNG.standard_normal(leaf.shape), shapes)
    # Flax's layer promotes float64 with float32, to float64.
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):

        @jax.jit
        def penalty(params):
            critic = lambda x: model.apply(params, x)  # noqa: E731
            return adversarial.gradient_penalty(critic, real, fake, mix).mean()

        def along(step):
            return float(penalty(jax.tree.map(lambda p, d: p + step * d, params, direction)))

        gradient = jax.device_get(jax.jit(jax.grad(penalty))(params))
        h = 1e-5
        desired = (along(h) - along(-h)) / (2 * h)
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {np.dtype(np.float64)}
    products = jax.tree.map(lambda g, d: (g * d).sum(), gradient, direction)
    assert sum(jax.tree.leaves(products)) == pytest.approx(desired, rel=1e-6)


@pytest.mark.parametrize("shares", [1, 2, 4])
def test_devices_draw_what_one_would(shares):
    key = jax.random.key(3)

    def draw(_):
        return drawn_share(jax.random.normal, key, (8 // shares, 5))

    found = on_devices(draw, shares)(np.zeros(shares))
    np.testing.assert_array_equal(found.reshape(8, 5), jax.random.normal(key, (8, 5)))


@pytest.mark.parametrize("shares", [1, 2])
def test_parts_are_of_the_same_images_on_any_devices(shares):
    image = np.arange(12.0).reshape(shares, 12 // shares, 1, 1, 1)
    parts = jax.vmap(lambda image: adversarial.split_batch(image, 3))(image)
    assert parts.shape == (shares, 3, 4 // shares, 1, 1, 1)
    found = np.asarray(parts).swapaxes(0, 1).reshape(3, 4)
    np.testing.assert_array_equal(found, [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]])


OPTIMIZER = optax.scale_by_adam()


def two_networks():
    params = {"a": {"w": jnp.array([1.0, -2.0])}, "b": {"w": jnp.array([3.0])}}
    opt_state = {name: OPTIMIZER.init(own) for name, own in params.items()}
    return TrainState(jnp.int32(5), params, {"seen": {"a": jnp.zeros(2)}}, opt_state)


def test_a_step_moves_one_network():
    start = two_networks()

    def step(target):
        def objective(variables):
            own, other = variables["params"]["a"]["w"], variables["params"]["b"]["w"]
            loss = jnp.square(own - target).mean() * other[0]
            return loss, ({"target": target.mean()}, {"seen": {"a": target}})

        return adversarial.step_network(start, "a", objective, OPTIMIZER, 0.1, 0.5)

    target = jnp.array([[2.0, 0.0], [0.0, 2.0]])  # of two devices
    state, metrics = jax.tree.map(lambda x: x[0], on_devices(step, 2)(target))
    # The mean of both losses: gradient 3 w - 3.
    gradient = {"w": jnp.array([0.0, -9.0])}
    with jax.numpy_dtype_promotion("standard"):
        direction, _ = OPTIMIZER.update(gradient, OPTIMIZER.init(gradient))
    desired = start.params["a"]["w"] - 0.1 * (direction["w"] + 0.5 * start.params["a"]["w"])
    np.testing.assert_allclose(state.params["a"]["w"], desired, rtol=1e-5)
    np.testing.assert_array_equal(state.params["b"]["w"], start.params["b"]["w"])
    jax.tree.map(np.testing.assert_array_equal, state.opt_state["b"], start.opt_state["b"])
    np.testing.assert_allclose(state.model_state["seen"]["a"], [1, 1])
    assert metrics.keys() == {"a_loss", "a_grad_norm", "target"}
    np.testing.assert_allclose(metrics["a_grad_norm"], 9, rtol=1e-6)
    assert state.step == 5


def test_turns_split_the_batch_and_draw_afresh():
    start = two_networks()

    def critic(state, image, key):
        seen = {"a": state.model_state["seen"]["a"] + jnp.array([1.0, image.sum()])}
        return state.replace(model_state={"seen": seen}), {"drawn": jax.random.uniform(key)}

    def generator(state, image, key):
        return state, {"last": image.sum(), "own": jax.random.uniform(key)}

    update = adversarial.in_turns(critic, generator, 3)
    image = np.arange(6, dtype=np.float32).reshape(6, 1, 1, 1)
    state, metrics = jax.jit(update)(start, image, jax.random.key(0))
    assert state.step == 6
    np.testing.assert_allclose(state.model_state["seen"]["a"], [3, 15])
    assert metrics["last"] == 2 + 5
    np.testing.assert_allclose(metrics["param_norm"], np.sqrt(1 + 4 + 9), rtol=1e-6)
    other = jax.jit(update)(start, image, jax.random.key(1))[1]
    values = [float(m[name]) for m in (metrics, other) for name in ("drawn", "own")]
    assert len(set(values)) == 4


def test_spread_of_images_made_alike_is_below_the_limit():
    limit = adversarial.spread_limit(0.05, 7)
    real = RNG.random((2, 16, 4, 4, 1), np.float32)
    spread = on_devices(adversarial.spread_of, 2)
    like_real = RNG.random((2, 16, 4, 4, 1), np.float32)
    assert spread(like_real, real)[limit.metric][0] == pytest.approx(1, abs=0.1)
    alike = 0.5 + 0.01 * like_real
    found = spread(alike, real)[limit.metric]
    assert (found < limit.least).all()
    assert found[0] == found[1]
    assert limit.after == 7
