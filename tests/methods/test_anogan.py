"""AnoGAN: a step of both players, and the search in the latent space, against plain ones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from method_helpers import build_method

from adjax.methods.anogan.method import search_latents
from adjax.models.dcgan import DCDiscriminator, DCGenerator
from adjax.ops import convolution_backend

RATE, SIZE = 0.01, 5
MEMBER = {"anogan.learning_rate": np.float32(RATE), "anogan.weight_decay": np.float32(0)}
WEIGHT = 0.3


@pytest.fixture(scope="module")
def method():
    """Tiny networks for images of 8 x 8, a search of six steps."""
    changes = {
        "anogan.latent_size": SIZE,
        "anogan_search.steps": 6,
        "anogan_search.learning_rate": 0.05,
        "anogan_search.feature_weight": WEIGHT,
    }
    return build_method("anogan", changes)


@pytest.fixture(scope="module")
def models():
    """The same networks, whose statistics are of one device's batch."""
    return DCGenerator((8, 8, 1), (8, 4), 4), DCDiscriminator((4, 8), 4)


@pytest.fixture(scope="module")
def state(method):
    """First state, with weights large enough to make images that differ."""
    (stage,) = method.stages
    state = jax.jit(stage.init)(jax.random.key(1), jnp.zeros((1, 8, 8, 1)))
    return state.replace(params=jax.tree.map(lambda x: 5 * x, state.params))


def of_network(state, name, params=None):
    own = {key: trees[name] for key, trees in state.variables.items()}
    return own | ({} if params is None else {"params": params})


def bce(logit, target):
    p = jax.nn.sigmoid(logit)
    return -(target * jnp.log(p) + (1 - target) * jnp.log(1 - p)).mean()


@jax.jit
def adam_step(params, gradient):
    optimizer = optax.scale_by_adam(b1=0.5)
    with jax.numpy_dtype_promotion("standard"):
        direction, _ = optimizer.update(gradient, optimizer.init(gradient))
    return jax.tree.map(lambda p, u: p - RATE * u, params, direction)


def plain_update(models, state, image, key):
    """Both steps, one network after the other: their losses, gradients and parameters."""
    generator, discriminator = models
    both = {"train": True, "mutable": ["batch_stats"]}
    keys = jax.random.split(key)
    keys = jax.random.split(keys[0], 1)[0], keys[1]
    z, z_again = (jax.random.uniform(k, (len(image), SIZE), minval=-1.0) for k in keys)
    real = 2 * image - 1

    def discriminator_loss(params):
        own = of_network(state, "discriminator", params)
        fake = generator.apply(of_network(state, "generator"), z, **both)[0][0]
        (on_real, _), new = discriminator.apply(own, real, **both)
        (on_fake, _), new = discriminator.apply(own | new, fake, **both)
        return bce(on_real, 1.0) + bce(on_fake, 0.0), new

    def generator_loss(params, judge):
        own = of_network(state, "generator", params)
        (fake, _), new = generator.apply(own, z_again, **both)
        (logit, _), _ = discriminator.apply(of_network(state, "discriminator", judge), fake, **both)
        return bce(logit, 1.0), (fake, new)

    params = state.params
    grad_of = functools.partial(jax.value_and_grad, has_aux=True)
    (d_loss, d_new), d_grad = grad_of(discriminator_loss)(params["discriminator"])
    judge = adam_step(params["discriminator"], d_grad)
    (g_loss, (fake, g_new)), g_grad = grad_of(generator_loss)(params["generator"], judge)
    spread = jnp.sqrt(fake.var(0).mean() / real.var(0).mean())
    metrics = {
        "discriminator_loss": d_loss,
        "discriminator_grad_norm": optax.tree.norm(d_grad),
        "generator_loss": g_loss,
        "generator_grad_norm": optax.tree.norm(g_grad),
        "spread": spread,
    }
    new = {"generator": g_new["batch_stats"], "discriminator": d_new["batch_stats"]}
    moved = {"generator": adam_step(params["generator"], g_grad), "discriminator": judge}
    return metrics, new, moved


def test_update_on_two_devices_equals_plain_steps_of_both_players(
    method, models, state, on_two_devices
):
    (stage,) = method.stages
    image = np.random.default_rng(0).random((8, 8, 8, 1), np.float32)
    key = jax.random.key(2)
    found, metrics = on_two_devices(stage.update)(state, {}, {"image": image}, key, MEMBER)
    desired, statistics, moved = jax.jit(functools.partial(plain_update, models))(state, image, key)
    for name, value in desired.items():
        np.testing.assert_allclose(metrics[name], value, rtol=2e-3, err_msg=name)
    assert metrics["loss"] == metrics["discriminator_loss"]
    assert np.isfinite(metrics["param_norm"])
    close = functools.partial(np.testing.assert_allclose, rtol=2e-3, atol=1e-5)
    jax.tree.map(close, found.model_state["batch_stats"], statistics)
    # Adam's first step is the sign of the gradient: rounding turns a few that are near zero.
    wrong = jax.tree.map(lambda a, b: np.mean(np.abs(a - b) > 1e-3), found.params, moved)
    assert max(jax.tree.leaves(wrong)) < 0.02
    assert found.step == 1


def test_validation_loss_is_of_real_images(method, models, state):
    image = np.random.default_rng(1).random((3, 8, 8, 1), np.float32)
    (stage,) = method.stages
    logit, _ = models[1].apply(of_network(state, "discriminator"), 2 * image - 1)
    found = stage.validate(state.variables, {}, image)
    np.testing.assert_allclose(found, np.log1p(np.exp(-np.float64(logit))), rtol=1e-5)


@pytest.fixture(scope="module")
def scored(method, state):
    """Five images, their scores, and the function that gives them."""
    image = np.random.default_rng(4).random((5, 8, 8, 1), np.float32)
    score = jax.jit(method.score)
    key = jax.random.key(7)
    scores = score({"anogan": state.variables}, image, key)
    return (
        image,
        jax.device_get(scores),
        lambda image, key=key: score({"anogan": state.variables}, image, key),
    )


def test_search_equals_a_loop_over_images_and_steps(models, state, scored):
    """Adam by hand, an image at a time."""
    images, scores, _ = scored
    generator, discriminator = models
    judge = of_network(state, "discriminator")

    def terms(z, image):
        made = generator.apply(of_network(state, "generator"), z[None])[0]
        features = [discriminator.apply(judge, x)[1]["features"] for x in (image, made)]
        return jnp.abs(image - made).sum(), jnp.abs(features[0] - features[1]).sum()

    @jax.jit
    def loss(z, image):
        residual, features = terms(z, image)
        return (1 - WEIGHT) * residual + WEIGHT * features

    gradient = jax.jit(jax.grad(loss))
    start = np.asarray(jax.random.uniform(jax.random.key(7), (1, SIZE), minval=-1.0))[0]
    for number, image in enumerate(2 * images[:, None] - 1):
        z, m, v = start.copy(), np.zeros(SIZE), np.zeros(SIZE)
        for step in range(1, 7):
            g = np.asarray(gradient(z, image))
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            z = z - 0.05 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
            z = z.astype(np.float32)
        found = {name: scores.image_score[name][number] for name in scores.image_score}
        assert found["loss"] == pytest.approx(float(loss(z, image)), rel=1e-3)
        assert loss(z, image) < loss(start, image)
        residual, features = terms(z, image)
        assert found["residual"] == pytest.approx(float(residual), rel=1e-3)
        assert found["features"] == pytest.approx(float(features), rel=1e-3)


def test_an_image_scores_the_same_alone_and_in_a_batch(scored):
    images, scores, score = scored
    alone = [score(images[i : i + 1]) for i in range(5)]
    for name, value in scores.image_score.items():
        np.testing.assert_allclose([s.image_score[name][0] for s in alone], value, rtol=1e-4)
    maps = np.concatenate([s.anomaly_map for s in alone])
    np.testing.assert_allclose(maps, scores.anomaly_map, rtol=0, atol=1e-4)


def test_scores_are_of_the_image_that_was_found(method, scored):
    images, scores, _ = scored
    assert set(scores.image_score) == set(method.image_scores)
    difference = np.abs(images - scores.reconstruction["AnoGAN"])
    np.testing.assert_allclose(scores.anomaly_map, difference.mean(-1), atol=1e-6)
    residual = 2 * difference.sum((1, 2, 3))  # of images in [-1, 1]
    np.testing.assert_allclose(scores.image_score["residual"], residual, rtol=1e-5)


def test_the_search_starts_where_the_key_says(scored):
    images, scores, score = scored
    other = score(images, jax.random.key(8))
    assert not np.allclose(other.image_score["loss"], scores.image_score["loss"], rtol=1e-4)


def test_search_of_no_steps_stays_and_of_many_arrives():
    target = jnp.array([[1.0, 2.0], [-1.0, 0.5]])

    def loss(z):
        return jnp.square(z - target).sum(1)

    start = jnp.zeros((2, 2))
    np.testing.assert_array_equal(search_latents(loss, start, 0, 0.1), start)
    np.testing.assert_allclose(search_latents(loss, start, 500, 0.05), target, atol=1e-3)


def test_score_is_exported_for_any_batch(method, state):
    def score(image):
        return method.score({"anogan": state.variables}, image, jax.random.key(0)).image_score

    shape = jax.export.symbolic_shape("b, 8, 8, 1")
    with convolution_backend("xla"):
        exported = jax.export.export(jax.jit(score))(jax.ShapeDtypeStruct(shape, jnp.float32))
    assert str(exported.out_avals[0].shape) == "(b,)"
