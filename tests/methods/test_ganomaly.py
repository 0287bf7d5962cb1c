"""GANomaly: its stage and its scores."""

import jax
import numpy as np
import pytest
from method_helpers import sections_of
from model_helpers import random_variables

from adjax.models.ganomaly import GANomaly, GANomalyDiscriminator


@pytest.fixture(scope="module")
def networks():
    """Random variables of the stage, and `image in [-1, 1] -> (reconstruction, out)`."""
    own = sections_of("ganomaly").ganomaly
    models = {
        "generator": GANomaly(own.code_size, own.width),
        "discriminator": GANomalyDiscriminator(own.width),
    }
    drawn = {name: random_variables(model, (16, 16, 1)) for name, model in models.items()}
    stage = {
        key: {name: variables[key] for name, variables in drawn.items()}
        for key in ("params", "batch_stats")
    }
    return stage, lambda image: models["generator"].apply(drawn["generator"], image)


def test_stage_of_ganomaly(methods):
    method = methods["ganomaly"]
    (stage,) = method.stages
    own = sections_of("ganomaly").ganomaly
    assert method.name == stage.name == "ganomaly"
    assert method.dynamic == ("ganomaly.learning_rate", "ganomaly.weight_decay")
    assert (stage.steps, stage.batch_size) == (own.steps, own.batch_size)
    assert stage.images_per_update == own.batch_size
    assert set(stage.depends_on) == {"data", "ganomaly"}


def test_score_is_what_the_codes_differ_by(methods, networks):
    variables, generator = networks
    image = np.random.default_rng(0).random((3, 14, 14, 1), np.float32)
    scores = jax.jit(methods["ganomaly"].score)({"ganomaly": variables}, image, jax.random.key(0))
    framed = 2 * np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0))) - 1
    made, out = jax.tree.map(np.asarray, generator(framed))
    made = (made[:, 1:-1, 1:-1] + 1) / 2
    np.testing.assert_allclose(scores.reconstruction["GANomaly"], made, atol=1e-6)
    np.testing.assert_allclose(scores.anomaly_map, np.abs(image - made).mean(-1), atol=1e-6)
    difference = out["code"] - out["code_of_reconstruction"]
    assert set(scores.image_score) == set(methods["ganomaly"].image_scores)
    for name, value in {
        "latent": (difference**2).mean(1),
        "mse": ((image - made) ** 2).mean((1, 2, 3)),
    }.items():
        np.testing.assert_allclose(scores.image_score[name], value, rtol=1e-4)


def test_an_image_scores_alike_in_any_batch(methods, networks):
    variables, _ = networks
    image = np.random.default_rng(0).random((3, 14, 14, 1), np.float32)
    score = jax.jit(methods["ganomaly"].score)
    together, alone = (
        score({"ganomaly": variables}, x, jax.random.key(0)).image_score["latent"]
        for x in (image, image[1:2])
    )
    np.testing.assert_allclose(together[1:2], alone, rtol=1e-4)
