"""What GANomaly and Skip-GANomaly share: frames, one update of both networks, a new start."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from method_helpers import sections_of
from model_helpers import random_variables

from adjax.methods import reproducing_gan
from adjax.methods.reproducing_gan import DISCRIMINATOR, GENERATOR, from_frame, to_frame
from adjax.models.ganomaly import GANomaly, GANomalyDiscriminator
from adjax.models.skip_ganomaly import SkipGANomaly, SkipGANomalyDiscriminator


def softplus(x):
    return jnp.log1p(jnp.exp(x))


class Naive:
    """Both losses of a method written out, on one device, with the networks of its sections."""

    def __init__(self, state, image):
        own = sections_of(self.name)[self.name]
        self.generator, self.discriminator = self.networks(own)
        self.state, self.image = state, image

    def make(self, params):
        statistics = self.state.model_state["batch_stats"][GENERATOR]
        return self.generator.apply(
            {"params": params, "batch_stats": statistics}, self.image, train=True, mutable=True
        )[0]

    def look(self, params, image):
        statistics = self.state.model_state["batch_stats"][DISCRIMINATOR]
        return self.discriminator.apply(
            {"params": params, "batch_stats": statistics}, image, train=True, mutable=True
        )[0]


class NaiveGANomaly(Naive):
    name = "ganomaly"

    def networks(self, own):
        return (
            GANomaly(own.code_size, own.width),
            GANomalyDiscriminator(own.width),
        )

    def generator_loss(self, params):
        made, out = self.make(params)
        of_discriminator = self.state.params[DISCRIMINATOR]
        _, real = self.look(of_discriminator, self.image)
        _, fake = self.look(of_discriminator, made)
        return (
            ((real - fake) ** 2).mean()
            + 50 * abs(self.image - made).mean()
            + ((out["code"] - out["code_of_reconstruction"]) ** 2).mean()
        )

    def discriminator_loss(self, params):
        real, _ = self.look(params, self.image)
        fake, _ = self.look(params, self.make(self.state.params[GENERATOR])[0])
        return (softplus(-real).mean() + softplus(fake).mean()) / 2


class NaiveSkipGANomaly(Naive):
    name = "skip_ganomaly"

    def networks(self, own):
        return (
            SkipGANomaly(own.width),
            SkipGANomalyDiscriminator(own.code_size, own.width),
        )

    def generator_loss(self, params):
        made, _ = self.make(params)
        of_discriminator = self.state.params[DISCRIMINATOR]
        _, real = self.look(of_discriminator, self.image)
        logit, fake = self.look(of_discriminator, made)
        return (
            softplus(-logit).mean()
            + 50 * abs(self.image - made).mean()
            + ((real - fake) ** 2).mean()
        )

    def discriminator_loss(self, params):
        logit, real = self.look(params, self.image)
        other, fake = self.look(params, self.make(self.state.params[GENERATOR])[0])
        between = ((real - fake) ** 2).mean()
        return softplus(-logit).mean() + softplus(other).mean() + between


NAIVE = {naive.name: naive for naive in (NaiveGANomaly, NaiveSkipGANomaly)}
NAMES = tuple(NAIVE)


@pytest.mark.parametrize(("shape", "size"), [((28, 28), 32), ((9, 13), 16), ((32, 32), 32)])
def test_frame_is_black_and_the_image_in_its_middle(shape, size):
    image = np.random.default_rng(0).random((2, *shape, 1), np.float32)
    framed = to_frame(image)
    assert framed.shape == (2, size, size, 1)
    np.testing.assert_allclose(from_frame(framed, image), image, atol=1e-6)
    black = size * size - shape[0] * shape[1]
    assert ((framed == -1).sum((1, 2, 3)) == black).all()
    np.testing.assert_allclose(
        (framed + 1).sum((1, 2, 3)), 2 * image.sum((1, 2, 3)), rtol=1e-4
    )  # nothing else in the frame
    top, bottom = (np.flatnonzero((framed[0, ..., 0] > -1).any(1))[k] for k in (0, -1))
    assert top == (size - shape[0]) // 2
    assert bottom - top == shape[0] - 1


@pytest.fixture(scope="module")
def batch():
    """Four images large enough for a second, normalised level."""
    return {"image": np.random.default_rng(0).random((4, 14, 14, 1), np.float32)}


def stage_of(methods, name):
    (stage,) = methods[name].stages
    return stage


def random_state(stage):
    """A state with random variables, statistics unlike any batch's."""
    image = jnp.zeros((1, 14, 14, 1), jnp.float32)
    shapes = jax.eval_shape(stage.init, jax.random.key(0), image)
    rng = np.random.default_rng(1)

    def draw(path, leaf):
        value = 0.3 * rng.standard_normal(leaf.shape).astype(np.float32)
        return 1 + np.abs(value) if path[-1].key in ("var", "scale") else value

    params, model_state = (
        jax.tree_util.tree_map_with_path(draw, tree) for tree in (shapes.params, shapes.model_state)
    )
    zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
    return zeros.replace(params=params, model_state=model_state)


def member_of(name, rate=1e-3):
    return {f"{name}.learning_rate": np.float32(rate), f"{name}.weight_decay": np.float32(0)}


@pytest.mark.parametrize("name", NAMES)
def test_both_networks_step_at_once_by_their_own_losses(methods, batch, on_two_devices, name):
    stage = stage_of(methods, name)
    state = random_state(stage)
    image = {"image": batch["image"]}
    key = jax.random.key(0)
    new, metrics = on_two_devices(stage.update)(state, {}, image, key, member_of(name))
    naive = NAIVE[name](state, to_frame(batch["image"]))
    for network, key, own in (
        (GENERATOR, "loss", naive.generator_loss),
        (DISCRIMINATOR, "discriminator_loss", naive.discriminator_loss),
    ):
        value, gradient = jax.jit(jax.value_and_grad(own))(state.params[network])
        np.testing.assert_allclose(metrics[key], value, rtol=1e-4)
        # Adam's first moment after one step is half the gradient.
        scale = max(np.abs(g).max() for g in jax.tree.leaves(gradient))
        gradients = map(jax.tree.leaves, (new.opt_state[network].mu, gradient))
        for actual, desired in zip(*gradients, strict=True):
            np.testing.assert_allclose(actual, desired / 2, rtol=1e-3, atol=1e-4 * scale)
        with jax.numpy_dtype_promotion("standard"):
            adam = optax.adam(1e-3, b1=0.5, b2=0.999)
            step, _ = adam.update(
                jax.tree.map(lambda m: 2 * m, new.opt_state[network].mu),
                adam.init(state.params[network]),
            )
        jax.tree.map(
            lambda a, p, s: np.testing.assert_allclose(a, p + s, rtol=1e-4, atol=1e-5),
            new.params[network],
            state.params[network],
            step,
        )
    assert new.step == 1
    assert float(metrics["renewed"]) == 0


@pytest.mark.parametrize("name", NAMES)
def test_statistics_of_the_discriminator_see_real_images_and_then_made_ones(
    methods, batch, on_two_devices, name
):
    stage = stage_of(methods, name)
    state = random_state(stage)
    update = on_two_devices(stage.update)
    new, metrics = update(state, {}, {"image": batch["image"]}, jax.random.key(0), member_of(name))
    framed = to_frame(batch["image"])
    naive = NAIVE[name](state, framed)
    made, _ = naive.make(state.params[GENERATOR])
    variables = {"params": state.params[DISCRIMINATOR]}
    statistics = state.model_state["batch_stats"][DISCRIMINATOR]
    for image in (framed, made):
        _, found = naive.discriminator.apply(
            {**variables, "batch_stats": statistics}, image, train=True, mutable=True
        )
        statistics = found["batch_stats"]
    jax.tree.map(
        lambda a, d: np.testing.assert_allclose(a, d, rtol=1e-4, atol=1e-5),
        new.model_state["batch_stats"][DISCRIMINATOR],
        statistics,
    )
    spread = np.asarray(made).std(0), np.asarray(framed).std(0)
    desired = np.sqrt((spread[0] ** 2).mean() / (spread[1] ** 2).mean())
    assert float(metrics["spread"]) == pytest.approx(desired, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_training_descends_and_validation_sees_it(methods, batch, on_two_devices, name):
    stage = stage_of(methods, name)
    image = jnp.asarray(batch["image"])
    state = random_state(stage)
    update = on_two_devices(stage.update)
    losses = []
    for step in range(20):
        key = jax.random.key(step)
        state, metrics = update(state, {}, {"image": image}, key, member_of(name, 5e-3))
        losses.append(float(metrics["reconstruction"]))
    assert losses[-1] < 0.9 * losses[0]
    loss = jax.jit(stage.validate)(state.variables, {}, image)
    assert loss.shape == (4,)
    assert np.isfinite(loss).all()


def test_discriminator_that_has_won_begins_anew():
    model = GANomalyDiscriminator(width=2)
    params = random_variables(model, (8, 8, 1))["params"]
    image, key = jnp.zeros((2, 8, 8, 1), jnp.float32), jax.random.key(3)

    def renewed(loss):
        return reproducing_gan._renewed_if_won(model, params, jnp.float32(loss), image, key)

    kept, says = jax.jit(renewed)(1.1e-5)
    jax.tree.map(np.testing.assert_array_equal, kept, params)
    assert says == 0
    new, says = jax.jit(renewed)(0.9e-5)
    desired = model.init(key, image[:1])["params"]
    jax.tree.map(lambda a, d: np.testing.assert_allclose(a, d, rtol=1e-5), new, desired)
    assert says == 1


def test_limit_leaves_a_beginning_generator_alone(methods):
    (limit,) = stage_of(methods, "ganomaly").limits
    assert (limit.metric, limit.after) == ("spread", 200)
