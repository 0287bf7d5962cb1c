"""Skip-GANomaly: its stage and its scores."""

import jax
import numpy as np
from method_helpers import sections_of
from model_helpers import random_variables

from adjax.models.skip_ganomaly import SkipGANomaly, SkipGANomalyDiscriminator


def test_stage_of_skip_ganomaly(methods):
    method = methods["skip_ganomaly"]
    (stage,) = method.stages
    settings = sections_of("skip_ganomaly").skip_ganomaly
    assert method.name == stage.name == "skip_ganomaly"
    assert method.dynamic == ("skip_ganomaly.learning_rate", "skip_ganomaly.weight_decay")
    assert (stage.steps, stage.batch_size) == (settings.steps, settings.batch_size)
    assert set(stage.depends_on) == {"data", "skip_ganomaly"}


def test_score_is_of_pixels_and_of_features(methods):
    settings = sections_of("skip_ganomaly").skip_ganomaly
    generator = SkipGANomaly(settings.width)
    discriminator = SkipGANomalyDiscriminator(settings.code_size, settings.width)
    own = {
        "generator": random_variables(generator, (16, 16, 1)),
        "discriminator": random_variables(discriminator, (16, 16, 1)),
    }
    stage = {
        key: {name: variables[key] for name, variables in own.items()}
        for key in ("params", "batch_stats")
    }
    image = np.random.default_rng(0).random((3, 14, 14, 1), np.float32)
    score = jax.jit(methods["skip_ganomaly"].score)
    scores = score({"skip_ganomaly": stage}, image, jax.random.key(0))

    framed = 2 * np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0))) - 1
    made = np.asarray(generator.apply(own["generator"], framed)[0])
    features = [np.asarray(discriminator.apply(own["discriminator"], x)[1]) for x in (framed, made)]
    made = (made[:, 1:-1, 1:-1] + 1) / 2
    np.testing.assert_allclose(scores.reconstruction["Skip-GANomaly"], made, atol=1e-6)
    np.testing.assert_allclose(scores.anomaly_map, np.abs(image - made).mean(-1), atol=1e-6)
    mse = ((image - made) ** 2).mean((1, 2, 3))
    # Pixels of [-1, 1] differ by twice as much.
    combined = 0.9 * 4 * mse + 0.1 * ((features[0] - features[1]) ** 2).mean(1)
    assert set(scores.image_score) == set(methods["skip_ganomaly"].image_scores)
    np.testing.assert_allclose(scores.image_score["mse"], mse, rtol=1e-4)
    np.testing.assert_allclose(scores.image_score["combined"], combined, rtol=1e-4)
