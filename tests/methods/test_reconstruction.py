"""Methods of one autoencoder: their stage, its objective, and scores by norms of a map."""

import jax
import numpy as np
import pytest
from model_helpers import random_variables

from adjax import losses
from adjax.errors import UserError
from adjax.methods import DATA_AXIS, create_method, reconstruction
from adjax.models import AESc

NETWORKS = {
    "aesc_residual": "aesc",
    "aesc_uncertainty": "aesc",
    "ae_d6_residual": "ae_d6",
    "ae_d6_uncertainty": "ae_d6",
    "ssim_ae": "ssim_ae",
    "ae_l2": "ae_l2",
    "unet_ae": "unet_ae",
}
SIZE = 16
MEMBER = {"autoencoder.learning_rate": np.float32(3e-3), "autoencoder.weight_decay": np.float32(0)}


@pytest.fixture(scope="module")
def small(config_of):
    """`(method, corruption) -> Method`: with a small network instead of the 128 px one."""

    def make(name, corruption="stain", monkeypatch=None):
        config = config_of(name)
        config.autoencoder.corruption = corruption
        if monkeypatch:
            tiny = AESc(1, 2, 3, skips=False, batch_axis=DATA_AXIS)
            monkeypatch.setattr(reconstruction, "_bergmann", lambda _: tiny)
        return create_method(config), config

    return make


@pytest.fixture(scope="module")
def stained():
    """Ramps of all directions and levels, and the same with a dark spot."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    angle = rng.uniform(0, 2 * np.pi, (64, 1, 1))
    image = 0.65 + 0.25 * (np.cos(angle) * x + np.sin(angle) * y)
    top, left = rng.integers(1, SIZE - 5, (2, 64, 1, 1))
    rows, columns = np.arange(SIZE)[None, :, None], np.arange(SIZE)[None, None, :]
    mask = (abs(rows - top - 1.5) < 2) & (abs(columns - left - 1.5) < 2)
    return tuple(a[..., None].astype(np.float32) for a in (image, np.where(mask, 0.1, image), mask))


@pytest.mark.parametrize(("name", "network"), NETWORKS.items())
def test_stage(methods, config_of, name, network):
    (stage,) = methods[name].stages
    assert (stage.name, stage.steps, stage.batch_size) == ("autoencoder", 8, 4)
    assert stage.images_per_update == 4
    assert stage.auxiliary is None
    assert stage.corruption == ("stain", {"blur": 0.0})
    own = {"data", "autoencoder", "corruption.stain", f"network={network}"}
    assert set(stage.sections) - {"distance.window", "distance.sigma"} == own
    assert ("distance.window" in stage.sections) == (name == "ssim_ae")
    assert methods[name].dynamic == ("autoencoder.learning_rate", "autoencoder.weight_decay")


def test_only_scores_of_one_network_share_a_stage(methods):
    sections = {name: methods[name].stages[0].sections for name in NETWORKS}
    for one, network in NETWORKS.items():
        for other, its_network in NETWORKS.items():
            assert (sections[one] == sections[other]) == (network == its_network)


def test_stage_without_corruption(small):
    (stage,) = small("unet_ae", "none")[0].stages
    assert stage.corruption is None
    assert set(stage.sections) == {"data", "autoencoder", "network=unet_ae"}


def test_unknown_corruption_is_refused(small):
    with pytest.raises(
        UserError, match=r"autoencoder.corruption='rust': choose one of none, stain"
    ):
        small("unet_ae", "rust")


@pytest.mark.parametrize("name", ["ssim_ae", "ae_l2"])
def test_loss_and_map_of_the_twins(small, monkeypatch, stained, name):
    method, config = small(name, "none", monkeypatch)
    (stage,) = method.stages
    image = stained[1][:3]
    model = reconstruction._bergmann(None)
    variables = random_variables(model, image.shape[1:])
    output = np.asarray(model.apply(variables, image)[0])
    scores = jax.jit(method.score)({"autoencoder": variables}, image, jax.random.key(0))
    loss = jax.jit(stage.validate)(variables, {}, image)
    if name == "ae_l2":
        error, desired = (image - output) ** 2, ((image - output) ** 2).mean((1, 2, 3))
    else:
        window = config.distance.window
        error = 1 - losses.ssim(image, output, window=window, padding="same")
        desired = 1 - losses.ssim(image, output, window=window).mean((1, 2, 3))
    np.testing.assert_allclose(scores.anomaly_map, error.mean(-1), rtol=0, atol=1e-5)
    np.testing.assert_allclose(loss, desired, rtol=1e-4)


@pytest.fixture(scope="module")
def trained(small, first_state, stained):
    """`corruption -> (method, variables, losses)` after some hundred steps of AESc."""
    image, corrupted, _ = stained

    def fit(corruption):
        method, _ = small("aesc_residual", corruption)
        (stage,) = method.stages
        update = jax.vmap(
            stage.update, in_axes=(None, None, 0, None, None), out_axes=None, axis_name=DATA_AXIS
        )

        @jax.jit
        def run(state):
            def step(state, number):
                rows = (number * 16 + np.arange(16)) % 48
                batch = {"image": image[:48][None][:, rows], "corrupted": corrupted[None][:, rows]}
                batch = jax.tree.map(jax.numpy.asarray, batch)
                return update(state, {}, batch, jax.random.key(0), MEMBER)

            return jax.lax.scan(step, state, np.arange(500))

        state = stage.init(jax.random.key(0), image[:1])
        state, metrics = run(state)
        return method, state.variables, metrics["loss"]

    return {corruption: fit(corruption) for corruption in ("stain", "none")}


def test_training_descends_and_takes_stains_off(trained, stained):
    image, corrupted, mask = (a[48:] for a in stained)  # unseen ones
    left = {}
    for name, (method, variables, loss) in trained.items():
        assert np.isfinite(loss).all()
        assert loss[-20:].mean() < 0.5 * loss[:20].mean()
        (stage,) = method.stages
        assert (np.asarray(jax.jit(stage.validate)(variables, {}, image)) < 0.02).all()
        scores = jax.jit(method.score)({"autoencoder": variables}, corrupted, jax.random.key(0))
        output = scores.reconstruction["AESc"]
        left[name] = np.abs(output - image)[mask].mean()
    assert left["stain"] < 0.5 * left["none"]


def test_scores_are_norms_of_the_residual_and_rank_stained_images_first(trained, stained):
    method, variables, _ = trained["stain"]
    image, corrupted, mask = (a[48:] for a in stained)
    score = jax.jit(method.score)
    normal, anomalous = (
        score({"autoencoder": variables}, x, jax.random.key(0)) for x in (image, corrupted)
    )
    residual = np.abs(corrupted - anomalous.reconstruction["AESc"]).mean(-1)
    np.testing.assert_allclose(anomalous.anomaly_map, residual, rtol=0, atol=1e-6)
    assert set(normal.image_score) == set(method.image_scores) == {"l2", "l1", "linf"}
    for name, desired in {
        "l2": np.sqrt((residual**2).mean((1, 2))),
        "l1": residual.mean((1, 2)),
        "linf": residual.max((1, 2)),
    }.items():
        np.testing.assert_allclose(anomalous.image_score[name], desired, rtol=1e-4)
        assert anomalous.image_score[name].min() > normal.image_score[name].max()
    inside = residual[mask[..., 0]].mean()
    assert inside > 5 * residual[~mask[..., 0]].mean()


def test_loss_is_of_the_clean_image_given_the_corrupted_one(
    methods, stained, on_two_devices, first_state
):
    (stage,) = methods["aesc_residual"].stages
    image, corrupted = (a[:4, :8, :8] for a in stained[:2])
    model = AESc(2, 4, 3)
    variables = random_variables(model, image.shape[1:])
    state = first_state(stage, variables)
    batch = {"image": image, "corrupted": corrupted}
    state, metrics = on_two_devices(stage.update)(state, {}, batch, jax.random.key(0), MEMBER)
    (output, _), updated = model.apply(variables, corrupted, train=True, mutable=["batch_stats"])
    assert float(metrics["loss"]) == pytest.approx(((output - image) ** 2).mean(), rel=1e-4)
    jax.tree.map(
        lambda a, d: np.testing.assert_allclose(a, d, rtol=1e-4, atol=1e-6),
        state.model_state["batch_stats"]["BatchNorm_0"],
        updated["batch_stats"]["BatchNorm_0"],
    )
