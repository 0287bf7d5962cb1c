"""ITAE: what it erases, its loss, an update, its scores, against NumPy and TensorFlow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from method_helpers import build_method
from model_helpers import random_variables

from adjax.methods.itae.method import rotations, turn
from adjax.models.itae_unet import ITAEUNet

SIZE = 8
WIDTHS = (4, 6)
MEMBER = {"itae.learning_rate": np.float32(0.1), "itae.weight_decay": np.float32(0)}


def make(**values):
    values |= {"widths": WIDTHS, "batch_size": 4}
    return build_method("itae", {f"itae.{key}": value for key, value in values.items()})


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((4, SIZE, SIZE, 3), np.float32)


@pytest.fixture(scope="module")
def network():
    """Random variables, and `[-1, 1] image -> restored`."""
    model = ITAEUNet(WIDTHS)
    variables = random_variables(model, (SIZE, SIZE, 3), seed=1)
    return variables, jax.jit(lambda image: model.apply(variables, image)[0])


def test_stages():
    stage, normalisation = make().stages
    assert (stage.name, normalisation.name) == ("itae", "normalisation")
    assert stage.depends_on == normalisation.depends_on == ("data", "itae")
    assert (stage.batch_size, stage.images_per_update, stage.auxiliary) == (4, 4, None)
    assert make().image_scores == ("l2", "l1", "linf")
    assert make().dynamic == ("itae.learning_rate", "itae.weight_decay")


def test_rotations(image):
    found = rotations(image)
    for quarters in range(4):
        desired = np.stack([np.rot90(one, quarters) for one in image])
        np.testing.assert_array_equal(found[quarters], desired)
    turned = turn(image, jnp.array([3, 0, 1, 2]))
    for one, quarters, out in zip(image, (3, 0, 1, 2), turned, strict=True):
        np.testing.assert_array_equal(out, np.rot90(one, quarters))
    with pytest.raises(ValueError, match="not square"):
        rotations(image[:, 1:])


def erased(key, image):
    """What an update draws, image by image: the target and what the network is given."""
    mirrors, turns = jax.random.split(key)
    is_mirrored = np.asarray(jax.random.randint(mirrors, (len(image),), 0, 2))
    quarters = np.asarray(jax.random.randint(turns, (len(image),), 0, 4))
    assert set(is_mirrored) == {0, 1}
    assert len(set(quarters)) > 1
    target = 2 * image - 1
    target = np.where(is_mirrored[:, None, None, None] == 1, target[:, :, ::-1], target)
    return target, np.stack([np.rot90(*pair) for pair in zip(target, quarters, strict=True)])


def test_update_on_two_devices_is_a_step_down_the_restoration_error(
    network, image, first_state, on_two_devices
):
    stage, _ = make(mirror=True, optimizer="sgd", schedule="halving").stages
    variables, _ = network
    key = jax.random.key(7)
    target, turned = erased(key, image)
    model = ITAEUNet(WIDTHS)

    def loss(params):
        own = {**variables, "params": params}
        restored, state = model.apply(own, turned, train=True, mutable=["batch_stats"])
        return jnp.square(restored[0] - target).mean(), state["batch_stats"]

    (value, statistics), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(
        variables["params"]
    )
    state = first_state(stage, variables)
    new, metrics = on_two_devices(stage.update)(state, {}, {"image": image}, key, MEMBER)
    assert metrics["loss"] == pytest.approx(float(value), rel=1e-5)

    def check(actual, desired):
        np.testing.assert_allclose(actual, desired, rtol=0, atol=1e-5)

    jax.tree.map(check, new.model_state["batch_stats"], statistics)
    stepped = jax.tree.map(lambda p, g: p - 0.1 * g, variables["params"], gradient)
    jax.tree.map(check, new.params, stepped)


def test_optimizers():
    image = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), jnp.float32)
    for optimizer, moments in (("sgd", 0), ("adam", 2)):
        stage, _ = make(optimizer=optimizer).stages
        state = jax.eval_shape(stage.init, jax.random.key(0), image)
        leaves = jax.tree.leaves(state.params)
        kept = [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim]
        assert len(kept) == moments * len(leaves)


def test_validation_loss_is_the_mean_over_rotations(network, image):
    variables, restore = network
    found = jax.jit(make().stages[0].validate)(variables, {}, image)
    target = 2 * image - 1
    errors = [
        np.square(target - restore(np.rot90(target, quarters, (1, 2)))).mean((1, 2, 3))
        for quarters in range(4)
    ]
    np.testing.assert_allclose(found, np.mean(errors, 0), rtol=1e-5)


@pytest.fixture(scope="module")
def naive_errors(network):
    """`image -> [4, B, H, W]`: |x - restored|, averaged over channels, after each rotation."""

    def errors(image):
        target = 2 * image - 1
        return np.stack(
            [
                np.abs(target - network[1](np.rot90(target, quarters, (1, 2)))).mean(-1)
                for quarters in range(4)
            ]
        )

    return errors


def test_normalisation_is_the_mean_error_of_training_images(network, naive_errors):
    training = np.random.default_rng(2).random((21, SIZE, SIZE, 3), np.float32)

    def images(size):
        return (training[start : start + size] for start in range(0, 21, size))

    fit = make().stages[1]
    found = fit.compute(images, {"itae": network[0]}, {"seed": 0})
    desired = naive_errors(training).mean((1, 2, 3))
    np.testing.assert_allclose(found["mean_error"], desired, rtol=1e-5)
    (shape,) = jax.tree.leaves(fit.shapes((SIZE, SIZE, 3)))
    assert (shape.shape, shape.dtype) == (found["mean_error"].shape, found["mean_error"].dtype)


def test_scores(network, image, naive_errors):
    normal = np.array([0.5, 1.0, 2.0, 4.0], np.float32)
    variables = {"itae": network[0], "normalisation": {"params": {"mean_error": normal}}}
    scores = jax.jit(make().score)(variables, image, jax.random.key(0))
    by_rotation = naive_errors(image) / normal[:, None, None, None]
    anomaly_map = by_rotation.mean(0)
    np.testing.assert_allclose(scores.anomaly_map, anomaly_map, rtol=0, atol=1e-5)
    for name, desired in {
        "l1": by_rotation.mean((2, 3)).mean(0),  # the mean over rotations of the images' errors
        "l2": np.sqrt((anomaly_map**2).mean((1, 2))),
        "linf": anomaly_map.max((1, 2)),
    }.items():
        np.testing.assert_allclose(scores.image_score[name], desired, rtol=1e-4)
    restored = (network[1](2 * image - 1) + 1) / 2
    np.testing.assert_allclose(scores.reconstruction["ITAE"], restored, rtol=0, atol=1e-5)
