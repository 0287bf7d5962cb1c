"""f-AnoGAN: steps of critic and generator, of the encoder, and the score, against plain ones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from method_helpers import build_method, sections_of

from adjax.models.wgan_resnet import ResNetCritic, ResNetEncoder, ResNetGenerator

RATE, SIZE, KAPPA = 0.01, 5, 0.7
MEMBER = {
    f"{stage}.{key}": np.float32(value)
    for stage in ("wgan", "izi_encoder")
    for key, value in (("learning_rate", RATE), ("weight_decay", 0))
}
WIDTHS = (6,)
GENERATOR = ResNetGenerator((8, 8, 1), WIDTHS)
CRITIC = ResNetCritic(WIDTHS)
ENCODER = ResNetEncoder(SIZE, WIDTHS)
TRAIN = {"train": True, "mutable": ["batch_stats"]}


@pytest.fixture(scope="module")
def method():
    """Tiny networks for images of 8 x 8, two steps of the critic."""
    changes = {"wgan.latent_size": SIZE, "wgan.widths": WIDTHS, "izi_encoder.kappa": KAPPA}
    return build_method("f_anogan", changes)


@pytest.fixture(scope="module")
def states(method):
    """States by stage before the first update, whose variables are random."""
    rng = np.random.default_rng(1)

    def draw(path, leaf):
        value = rng.standard_normal(leaf.shape, np.float32)
        if path[-1].key == "kernel":
            return value / np.float32(np.sqrt(np.prod(leaf.shape[:-1])))
        return 0.5 + np.abs(value) if path[-1].key in ("var", "scale") else 0.1 * value

    def state(stage, moment):
        image = jax.ShapeDtypeStruct((1, 8, 8, 1), jnp.float32)
        shapes = jax.eval_shape(stage.init, jax.random.key(0), image)
        drawn = jax.tree_util.tree_map_with_path(draw, shapes.variables)
        fill = jax.tree.map(lambda x: np.full(x.shape, moment, x.dtype), shapes.opt_state)
        params = drawn.pop("params")
        return shapes.replace(step=np.int32(0), params=params, model_state=drawn, opt_state=fill)

    wgan, encoder = method.stages
    return {"wgan": state(wgan, 0), "izi_encoder": state(encoder, 1)}


def test_mean_square_of_rmsprop_begins_at_one(method):
    _, stage = method.stages
    start = jax.jit(lambda key, image: stage.init(key, image).opt_state)
    leaves = jax.tree.leaves(start(jax.random.key(0), jnp.zeros((1, 8, 8, 1))))
    assert leaves
    assert all((leaf == 1).all() for leaf in leaves)


def of_network(state, name, params=None):
    own = {key: trees[name] for key, trees in state.variables.items() if name in trees}
    return own | ({} if params is None else {"params": params})


def images(count, seed=0):
    return np.random.default_rng(seed).random((count, 8, 8, 1), np.float32)


def test_stages(method):
    wgan, encoder = method.stages
    own = sections_of("f_anogan").wgan
    assert (wgan.name, encoder.name) == ("wgan", "izi_encoder")
    assert wgan.batch_size == wgan.images_per_update == 2 * own.batch_size
    assert set(encoder.depends_on) == {"data", "wgan", "izi_encoder"}
    assert wgan.limits[0].metric == "spread"


def plain_critic_step(state, real, key):
    """Loss, its parts and gradient of a step of the critic, whose slopes are taken one by one."""
    latent_key, mix_key = jax.random.split(key)
    z = jax.random.normal(latent_key, (len(real), SIZE))
    fake = GENERATOR.apply(of_network(state, "generator"), z, **TRAIN)[0][0]
    mix = jax.random.uniform(mix_key, (len(real),))

    def loss(params):
        def judge(image):
            return CRITIC.apply({"params": params}, image[None])[0][0]

        def penalty(real, fake, mix):
            slope = jax.grad(judge)(real + mix * (fake - real))
            return (jnp.sqrt((slope**2).sum()) - 1) ** 2

        distance = jax.vmap(judge)(real).mean() - jax.vmap(judge)(fake).mean()
        penalties = jax.vmap(penalty)(real, fake, mix).mean()
        return 10 * penalties - distance, {"distance": distance, "penalty": penalties}

    return jax.value_and_grad(loss, has_aux=True)(state.params["critic"])


def plain_wgan_update(state, image, key):
    """Metrics of two steps of the critic and one of the generator."""
    critic_key, generator_key = jax.random.split(key)
    optimizer = optax.scale_by_adam(b1=0.0, b2=0.9)
    opt_state, metrics = optimizer.init(state.params["critic"]), []
    for turn, own_key in enumerate(jax.random.split(critic_key, 2)):
        real = 2 * image[turn::2] - 1
        (loss, parts), grad = plain_critic_step(state, real, own_key)
        with jax.numpy_dtype_promotion("standard"):
            direction, opt_state = optimizer.update(grad, opt_state)
        moved = jax.tree.map(lambda p, u: p - RATE * u, state.params["critic"], direction)
        state = state.replace(params={**state.params, "critic": moved})
        metrics.append({**parts, "critic_loss": loss, "critic_grad_norm": optax.tree.norm(grad)})
    metrics = jax.tree.map(lambda *values: sum(values) / 2, *metrics)

    def loss(params):
        z = jax.random.normal(generator_key, (len(real), SIZE))
        (fake, _), new = GENERATOR.apply(of_network(state, "generator", params), z, **TRAIN)
        return -CRITIC.apply({"params": moved}, fake)[0].mean(), new

    (value, new), grad = jax.value_and_grad(loss, has_aux=True)(state.params["generator"])
    metrics |= {"generator_loss": value, "generator_grad_norm": optax.tree.norm(grad)}
    return metrics, new["batch_stats"]


@pytest.mark.slow
def test_update_on_two_devices_equals_plain_steps(method, states, on_two_devices):
    wgan, _ = method.stages
    image, key = images(8), jax.random.key(2)
    found, metrics = on_two_devices(wgan.update)(states["wgan"], {}, {"image": image}, key, MEMBER)
    desired, statistics = jax.jit(plain_wgan_update)(states["wgan"], image, key)
    for name, value in desired.items():
        np.testing.assert_allclose(metrics[name], value, rtol=5e-3, err_msg=name)
    assert metrics["loss"] == metrics["critic_loss"]
    assert metrics["spread"] > 0
    close = functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5)
    jax.tree.map(close, found.model_state["batch_stats"]["generator"], statistics)
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), found.params, states["wgan"].params)
    assert min(jax.tree.leaves(moved["generator"])) > 0
    assert moved["critic"]["stem"]["kernel"] > 0
    assert found.step == 1


def plain_terms(states, encoded, image):
    """What the encoder's latents of images `[B, ...]` lack: both mean squares and the image."""
    real = 2 * image - 1
    made = GENERATOR.apply(of_network(states["wgan"], "generator"), encoded)[0]
    features = [
        CRITIC.apply(of_network(states["wgan"], "critic"), x)[1]["features"] for x in (real, made)
    ]
    return (
        ((real - made) ** 2).mean((1, 2, 3)),
        ((features[0] - features[1]) ** 2).mean(1),
        (made + 1) / 2,
    )


def test_step_of_the_encoder_is_rmsprop(method, states, on_two_devices):
    _, stage = method.stages
    state, image = states["izi_encoder"], images(8, seed=3)
    frozen = {"wgan": states["wgan"].variables}
    found, metrics = on_two_devices(stage.update)(
        state, frozen, {"image": image}, jax.random.key(0), MEMBER
    )

    def loss(params):
        variables = {**state.variables, "params": params}
        (z, _), new = ENCODER.apply(variables, 2 * image - 1, **TRAIN)
        residual, features, _ = plain_terms(states, z, image)
        return residual.mean() + KAPPA * features.mean(), new

    (value, new), grad = jax.jit(jax.value_and_grad(loss, has_aux=True))(state.params)
    np.testing.assert_allclose(metrics["loss"], value, rtol=1e-4)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5)
    jax.tree.map(close, found.model_state["batch_stats"], new["batch_stats"])
    # TensorFlow's: the mean square begins at one.
    desired = jax.tree.map(
        lambda p, g: p - RATE * g / np.sqrt(0.9 + 0.1 * np.square(g) + 1e-10), state.params, grad
    )
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=2e-5), found.params, desired)


def test_scores_and_validation_are_the_loss_of_the_encoder(method, states):
    image = images(4, seed=5)
    variables = {name: state.variables for name, state in states.items()}
    scores = jax.jit(method.score)(variables, image, jax.random.key(0))
    z, _ = ENCODER.apply(variables["izi_encoder"], 2 * image - 1)
    residual, features, made = plain_terms(states, z, image)
    desired = {"loss": residual + KAPPA * features, "residual": residual, "features": features}
    assert desired.keys() == set(method.image_scores)
    for name, value in desired.items():
        np.testing.assert_allclose(scores.image_score[name], value, rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(scores.reconstruction["f-AnoGAN"], made, atol=1e-5)
    np.testing.assert_allclose(scores.anomaly_map, np.abs(image - made).mean(-1), atol=1e-5)
    _, stage = method.stages
    found = stage.validate(variables["izi_encoder"], {"wgan": variables["wgan"]}, image)
    np.testing.assert_allclose(found, desired["loss"], rtol=1e-4)
    wgan, _ = method.stages
    value, _ = CRITIC.apply(of_network(states["wgan"], "critic"), 2 * image - 1)
    np.testing.assert_allclose(wgan.validate(variables["wgan"], {}, image), -value, rtol=1e-4)
    alone = jax.jit(method.score)(variables, image[1:2], jax.random.key(0))
    np.testing.assert_allclose(alone.image_score["loss"], desired["loss"][1:2], rtol=1e-4)
