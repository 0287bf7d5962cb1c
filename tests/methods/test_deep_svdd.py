"""Deep SVDD against NumPy: contrast, centre, both objectives, the radius, and its score."""

import jax
import numpy as np
import optax
import pytest
from method_helpers import build_method
from model_helpers import random_variables

from adjax.errors import UserError
from adjax.methods import lookup
from adjax.methods.deep_svdd.method import away_from_zero
from adjax.methods.stage import Fit
from adjax.models.svdd_lenet import LeNet, LeNetAutoencoder
from adjax.settings import read

SIZE = 16
MODEL = (4, 4), 16
LOW, HIGH = np.float32(-1.2), np.float32(4.5)
DECAY = 0.3
MEMBER = {
    f"{stage}.{key}": np.float32(value)
    for stage in ("svdd_autoencoder", "svdd")
    for key, value in (("learning_rate", 1e-3), ("weight_decay", DECAY))
}


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((8, SIZE, SIZE, 1), np.float32)


def method_of(objective="one_class", warm_up_steps=0):
    changes = {"svdd.objective": objective, "svdd.warm_up_steps": warm_up_steps}
    return build_method("deep_svdd", changes)


@pytest.fixture(scope="module")
def frozen():
    """Variables of the stages before the last."""
    centre = np.random.default_rng(1).standard_normal(16, np.float32)
    return {
        "contrast": {"params": {"low": LOW, "high": HIGH}},
        "svdd_autoencoder": random_variables(LeNetAutoencoder(*MODEL), (SIZE, SIZE, 1)),
        "centre": {"params": {"centre": centre}},
    }


@pytest.fixture(scope="module")
def own():
    """Variables of the last stage."""
    return random_variables(LeNet(*MODEL), (SIZE, SIZE, 1), seed=3)


def scaled(image):
    """Contrast normalisation, by hand."""
    centred = image - image.mean((1, 2, 3), keepdims=True)
    contrast = centred / np.abs(centred).mean((1, 2, 3), keepdims=True)
    return (contrast - LOW) / (HIGH - LOW)


def codes(variables, image, train=False):
    """Codes of images, and with batch statistics if `train`."""
    model = LeNet(*MODEL)
    if train:
        apply = jax.jit(lambda v, x: model.apply(v, x, train=True, mutable=["batch_stats"]))
        return np.asarray(apply(variables, scaled(image))[0][0])
    return np.asarray(jax.jit(model.apply)(variables, scaled(image))[0])


def distances(code, frozen):
    return ((code - frozen["centre"]["params"]["centre"]) ** 2).sum(-1)


def test_stages():
    method = method_of()
    assert method.name == "deep_svdd"
    names = [stage.name for stage in method.stages]
    assert names == ["contrast", "svdd_autoencoder", "centre", "svdd"]
    assert [isinstance(stage, Fit) for stage in method.stages] == [True, False, True, False]
    assert set(method.stages[2].depends_on) == {"data", "svdd_autoencoder"}
    assert set(method.stages[3].depends_on) == {"data", "svdd_autoencoder", "svdd"}
    assert set(method.dynamic) == set(MEMBER)


def test_contrast_is_of_the_training_images(image):
    fit = method_of().stages[0]
    found = fit.compute(lambda size: iter([image[:5], image[5:]]), {}, {})
    centred = image - image.mean((1, 2, 3), keepdims=True)
    contrast = centred / np.abs(centred).mean((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(found["low"], contrast.min(), rtol=1e-5)
    np.testing.assert_allclose(found["high"], contrast.max(), rtol=1e-5)
    shapes = fit.shapes(image.shape[1:])
    assert {name: (x.shape, x.dtype) for name, x in shapes.items()} == {
        name: (np.shape(x), np.asarray(x).dtype) for name, x in found.items()
    }


def test_autoencoder_is_judged_by_the_squared_error_of_an_image(frozen, image):
    stage, variables = method_of().stages[1], frozen["svdd_autoencoder"]
    loss = jax.jit(stage.validate)(variables, frozen, image)
    reconstruction, _ = jax.jit(LeNetAutoencoder(*MODEL).apply)(variables, scaled(image))
    desired = ((scaled(image) - np.asarray(reconstruction)) ** 2).sum((1, 2, 3))
    np.testing.assert_allclose(loss, desired, rtol=1e-4)


def test_centre_is_the_mean_code_away_from_zero(frozen, image):
    fit = method_of().stages[2]
    found = fit.compute(lambda size: iter([image[:3], image[3:]]), frozen, {})["centre"]
    encoder = {name: tree["encoder"] for name, tree in frozen["svdd_autoencoder"].items()}
    mean = codes(encoder, image).mean(0)
    far = np.abs(mean) > 0.1001
    assert 0 < far.sum() < len(far)
    np.testing.assert_allclose(found[far], mean[far], rtol=1e-4)
    np.testing.assert_allclose(np.abs(found[~far]), 0.1, rtol=1e-3)
    assert found.dtype == np.float32
    assert fit.shapes((SIZE, SIZE, 1))["centre"].shape == found.shape


def test_coordinates_keep_their_sign():
    found = away_from_zero(np.array([-3, -0.1, -0.02, 0, 0.04, 0.1, 0.3]))
    np.testing.assert_array_equal(found, [-3, -0.1, -0.1, 0.1, 0.1, 0.1, 0.3])


@pytest.mark.parametrize("objective", ["one_class", "soft_boundary"])
def test_last_stage_begins_as_the_pre_trained_encoder(frozen, objective):
    stage = method_of(objective).stages[3]
    image = np.zeros((1, SIZE, SIZE, 1), np.float32)
    state = jax.jit(stage.init)(jax.random.key(0), image)
    begun = stage.begin(state, frozen)
    assert jax.tree.structure(begun) == jax.tree.structure(state)
    own = frozen["svdd_autoencoder"]
    jax.tree.map(np.testing.assert_array_equal, begun.params, own["params"]["encoder"])
    statistics = begun.model_state["batch_stats"]
    jax.tree.map(np.testing.assert_array_equal, statistics, own["batch_stats"]["encoder"])
    soft = objective == "soft_boundary"
    assert begun.model_state.keys() - {"batch_stats"} == ({"radius"} if soft else set())
    if soft:
        assert begun.model_state["radius"]["value"] == 0


def update_of(stage, state, frozen, image, compiled):
    return compiled(stage.update)(state, frozen, {"image": image}, jax.random.key(0), MEMBER)


def state_of(stage, variables):
    """State before the first update."""
    image = jax.ShapeDtypeStruct((1, SIZE, SIZE, 1), np.float32)
    shapes = jax.eval_shape(stage.init, jax.random.key(0), image)
    zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
    model_state = {name: tree for name, tree in variables.items() if name != "params"}
    assert zeros.model_state.keys() == model_state.keys()
    return zeros.replace(params=variables["params"], model_state=model_state)


@pytest.mark.parametrize("radius", [None, 1.5], ids=["one_class", "soft_boundary"])
def test_first_update_is_adams_on_the_objective_of_the_paper(
    frozen, own, image, on_two_devices, radius
):
    variables, nu = own, 0.1
    if radius is not None:
        variables = {**own, "radius": {"value": np.float32(radius)}}
    stage = method_of("one_class" if radius is None else "soft_boundary").stages[3]
    state, metrics = update_of(stage, state_of(stage, variables), frozen, image, on_two_devices)

    def loss(params):
        model = LeNet(*MODEL)
        (code, _), _ = model.apply(
            {**own, "params": params}, scaled(image), train=True, mutable=["batch_stats"]
        )
        d = jax.numpy.square(code - frozen["centre"]["params"]["centre"][None]).sum(-1)
        if radius is not None:
            d = radius**2 + jax.numpy.maximum(0, d - radius**2) / nu
        return d.mean()

    def objective(params):
        squares = sum(jax.numpy.square(x).sum() for x in jax.tree.leaves(params))
        return loss(params) + DECAY / 2 * squares

    value, gradient = loss(own["params"]), jax.jit(jax.grad(objective))(own["params"])
    np.testing.assert_allclose(metrics["loss"], value, rtol=1e-4)
    np.testing.assert_allclose(metrics["grad_norm"], optax.tree.norm(gradient), rtol=1e-3)
    # The first step of Adam has full length wherever the gradient is not nearly zero.
    for new, old, g in zip(
        *map(jax.tree.leaves, (state.params, own["params"], gradient)), strict=True
    ):
        clear = np.abs(g) > 1e-3 * np.abs(g).max()
        np.testing.assert_allclose((new - old)[clear], -1e-3 * np.sign(g)[clear], atol=2e-6)


@pytest.mark.parametrize("warm_up_steps", [0, 1])
def test_radius_is_the_quantile_of_the_whole_batch_after_the_warm_up(
    frozen, own, image, on_two_devices, warm_up_steps
):
    stage = method_of("soft_boundary", warm_up_steps).stages[3]
    before = {**own, "radius": {"value": np.float32(0.25)}}
    state, metrics = update_of(stage, state_of(stage, before), frozen, image, on_two_devices)
    radius = state.model_state["radius"]["value"]
    # Of the batch before the update, as in the released code.
    d = distances(codes(own, image, train=True), frozen)
    desired = 0.25 if warm_up_steps else np.quantile(np.sqrt(d), 0.9)
    np.testing.assert_allclose(radius, desired, rtol=1e-4)
    assert metrics["radius"] == radius


def test_validation_loss_is_the_objective_with_running_statistics(frozen, own, image):
    d = distances(codes(own, image), frozen)
    loss = jax.jit(method_of().stages[3].validate)(own, frozen, image)
    np.testing.assert_allclose(loss, d, rtol=1e-4)
    radius = np.sqrt(np.median(d))
    variables = {**own, "radius": {"value": np.float32(radius)}}
    loss = jax.jit(method_of("soft_boundary").stages[3].validate)(variables, frozen, image)
    desired = radius**2 + np.maximum(0, d - radius**2) / 0.1
    np.testing.assert_allclose(loss, desired, rtol=1e-3)


@pytest.mark.parametrize("radius", [None, 0.7], ids=["one_class", "soft_boundary"])
def test_score_is_the_distance_beyond_the_radius(frozen, own, image, radius):
    last, desired = own, distances(codes(own, image), frozen)
    if radius is not None:
        last = {**own, "radius": {"value": np.float32(radius)}}
        desired = desired - radius**2
    method = method_of("one_class" if radius is None else "soft_boundary")
    scores = jax.jit(method.score)({**frozen, "svdd": last}, image, jax.random.key(0))
    assert set(scores.image_score) == set(method.image_scores) == {"distance"}
    np.testing.assert_allclose(scores.image_score["distance"], desired, rtol=1e-4)
    assert scores.anomaly_map.shape == image.shape[:3]
    np.testing.assert_allclose(scores.anomaly_map, np.tile(desired, (SIZE, SIZE, 1)).T, rtol=1e-4)
    assert scores.reconstruction == {}


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("nu", 0.0, "must be above 0 and at most 1"),
        ("milestones", (0, 5), "give numbers of steps, or none"),
        ("objective", "hard", "choose one of one_class, soft_boundary"),
        ("warm_up_steps", -1, "must not be negative"),
        ("warm_up_steps", 1200, "must be below config.svdd.steps=1200"),
    ],
)
def test_values_that_no_run_could_have(key, value, says):
    values = {"objective": "soft_boundary", key: value}
    with pytest.raises(UserError, match=rf"config.svdd.{key}=.*: {says}"):
        read(lookup("deep_svdd").sections["svdd"], values, "svdd")
