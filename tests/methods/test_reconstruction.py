"""Methods of one autoencoder: their stage, its objective, and scores by norms of a map."""

import jax
import numpy as np
import pytest
from method_helpers import WINDOW, build_method
from model_helpers import random_variables

from adjax import losses
from adjax.corruptions.settings import Stain
from adjax.methods.bergmann import method as bergmann
from adjax.methods.stage import DATA_AXIS
from adjax.models.aesc import AESc
from adjax.settings import as_dict

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
def stained():
    """Ramps of all directions and levels, and the same with a dark spot."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    angle = rng.uniform(0, 2 * np.pi, (64, 1, 1))
    image = 0.65 + 0.25 * (np.cos(angle) * x + np.sin(angle) * y)
    top, left = rng.integers(1, SIZE - 5, (2, 64, 1, 1))
    rows, columns = np.arange(SIZE)[None, :, None], np.arange(SIZE)[None, None, :]
    mask = (abs(rows - top - 1.5) < 2) & (abs(columns - left - 1.5) < 2)
    stained = np.where(mask, 0.1, image)
    return *(a[..., None].astype(np.float32) for a in (image, stained)), mask[..., None]


@pytest.mark.parametrize(("name", "network"), NETWORKS.items())
def test_stage(methods, name, network):
    (stage,) = methods[name].stages
    assert (stage.name, stage.steps, stage.batch_size) == ("autoencoder", 8, 4)
    assert stage.images_per_update == 4
    assert stage.auxiliary is None
    assert stage.corruption == ("stain", as_dict(Stain()))
    own = {"data", "autoencoder", "corruption.stain", f"network={network}"}
    assert set(stage.depends_on) - {"distance.window", "distance.sigma"} == own
    assert ("distance.window" in stage.depends_on) == (name == "ssim_ae")
    assert methods[name].dynamic == ("autoencoder.learning_rate", "autoencoder.weight_decay")


def test_only_scores_of_one_network_share_a_stage(methods):
    depends_on = {name: methods[name].stages[0].depends_on for name in NETWORKS}
    for one, network in NETWORKS.items():
        for other, its_network in NETWORKS.items():
            assert (depends_on[one] == depends_on[other]) == (network == its_network)


def test_stage_without_corruption():
    (stage,) = build_method("unet_ae", {"autoencoder.corruption": "none"}).stages
    assert stage.corruption is None
    assert set(stage.depends_on) == {"data", "autoencoder", "network=unet_ae"}


@pytest.mark.parametrize("name", ["ssim_ae", "ae_l2"])
def test_loss_and_map_of_the_twins(monkeypatch, stained, name):
    model = AESc(1, 2, 3, skips=False, batch_axis=DATA_AXIS)  # instead of the one for 128 px
    monkeypatch.setattr(bergmann, "_network", lambda sections: model)
    method = build_method(name, {"autoencoder.corruption": "none"})
    (stage,) = method.stages
    image = stained[1][:3]
    variables = random_variables(model, image.shape[1:])
    output = np.asarray(model.apply(variables, image)[0])
    scores = jax.jit(method.score)({"autoencoder": variables}, image, jax.random.key(0))
    loss = jax.jit(stage.validate)(variables, {}, image)
    if name == "ae_l2":
        error, desired = (image - output) ** 2, ((image - output) ** 2).mean((1, 2, 3))
    else:
        error = 1 - losses.ssim(image, output, window=WINDOW, padding="same")
        desired = 1 - losses.ssim(image, output, window=WINDOW).mean((1, 2, 3))
    np.testing.assert_allclose(scores.anomaly_map, error.mean(-1), rtol=0, atol=1e-5)
    np.testing.assert_allclose(loss, desired, rtol=1e-4)


@pytest.fixture(scope="module")
def trained(stained):
    """`(method, {"stained" | "clean": (variables, losses)})` of AESc after some hundred steps."""
    method = build_method("aesc_residual")
    (stage,) = method.stages
    # Two axes in front: devices, batches.
    clean, corrupted = (a[:48].reshape(1, 3, 16, SIZE, SIZE, 1) for a in stained[:2])
    update = jax.vmap(
        stage.update, in_axes=(None, None, 0, None, None), out_axes=None, axis_name=DATA_AXIS
    )

    @jax.jit
    def fit(given, target):
        def step(state, number):
            batch = {"image": target[:, number % 3], "corrupted": given[:, number % 3]}
            return update(state, {}, batch, jax.random.key(0), MEMBER)

        state = stage.init(jax.random.key(0), target[0, 0, :1])
        state, metrics = jax.lax.scan(step, state, np.arange(500))
        return state.variables, metrics["loss"]

    return method, {"stained": fit(corrupted, clean), "clean": fit(clean, clean)}


def test_first_loss_is_of_the_clean_image_given_the_corrupted_one(trained, stained):
    method, fits = trained
    image, corrupted = (a[:16] for a in stained[:2])
    model = AESc(2, 4, 3)
    variables = jax.jit(method.stages[0].init)(jax.random.key(0), image[:1]).variables

    @jax.jit
    def output(image):
        return model.apply(variables, image, train=True, mutable=["batch_stats"])[0][0]

    for name, given in (("stained", corrupted), ("clean", image)):
        desired = ((output(given) - image) ** 2).mean()
        assert float(fits[name][1][0]) == pytest.approx(float(desired), rel=1e-4)


def test_training_descends_and_takes_stains_off(trained, stained):
    method, fits = trained
    image, corrupted, mask = (a[48:] for a in stained)  # unseen ones
    validate, score = jax.jit(method.stages[0].validate), jax.jit(method.score)
    left = {}
    for name, (variables, loss) in fits.items():
        assert np.isfinite(loss).all()
        assert loss[-20:].mean() < 0.5 * loss[:20].mean()
        assert (np.asarray(validate(variables, {}, image)) < 0.02).all()
        scores = score({"autoencoder": variables}, corrupted, jax.random.key(0))
        left[name] = np.abs(scores.reconstruction["AESc"] - image)[mask].mean()
    assert left["stained"] < 0.5 * left["clean"]


def test_scores_are_norms_of_the_residual_and_rank_stained_images_first(trained, stained):
    method, fits = trained
    variables, _ = fits["stained"]
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
