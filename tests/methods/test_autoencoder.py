"""The autoencoder alone: its objective, its statistics and its score."""

import jax
import numpy as np
from method_helpers import sections_of

MEMBER = {"teacher.learning_rate": np.float32(1e-3), "teacher.weight_decay": np.float32(0)}


def test_stage_of_the_autoencoder(methods):
    method = methods["ae"]
    (stage,) = method.stages
    assert method.name == "ae"
    assert method.dynamic == ("teacher.learning_rate", "teacher.weight_decay")
    assert (stage.name, stage.steps, stage.batch_size) == (
        "teacher",
        sections_of("ae").teacher.steps,
        16,
    )
    assert stage.auxiliary is None
    assert stage.images_per_update == 16
    assert set(stage.depends_on) == {"data", "distance", "teacher"}


def test_score_is_the_distance_of_image_and_reconstruction(
    methods, networks, variables, batch, distance
):
    image = batch["image"]
    scores = jax.jit(methods["ae"].score)(variables, image, jax.random.key(0))
    desired = np.asarray(networks["teacher"][1](image))
    np.testing.assert_allclose(scores.reconstruction["AE"], desired, rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        scores.anomaly_map, np.abs(image - desired).mean(-1), rtol=0, atol=1e-6
    )
    assert set(scores.image_score) == set(methods["ae"].image_scores)
    for name, value in {
        "d": distance(image, desired),
        "mse": ((image - desired) ** 2).mean((1, 2, 3)),
        "mae": np.abs(image - desired).mean((1, 2, 3)),
    }.items():
        np.testing.assert_allclose(scores.image_score[name], value, rtol=1e-4)


def test_validation_loss_is_the_distance_with_running_statistics(
    methods, networks, variables, batch, distance
):
    (stage,) = methods["ae"].stages
    loss = jax.jit(stage.validate)(variables["teacher"], {}, batch["image"])
    desired = distance(batch["image"], networks["teacher"][1](batch["image"]))
    np.testing.assert_allclose(loss, desired, rtol=1e-4)


def test_first_update_averages_statistics_over_devices_and_all_descend(
    methods, variables, batch, on_two_devices, first_state
):
    (stage,) = methods["ae"].stages
    update = on_two_devices(stage.update)
    images = {"image": batch["image"]}
    states, losses = [first_state(stage, variables["teacher"])], []
    for step in range(8):
        state, metrics = update(states[-1], {}, images, jax.random.key(step), MEMBER)
        states.append(state)
        losses.append(float(metrics["loss"]))
    assert states[-1].step == 8
    assert all(np.diff(losses) < 0)
    # The first layer's statistics are those of its convolution of the whole batch.
    x = jax.lax.conv_general_dilated(
        images["image"],
        variables["teacher"]["params"]["Conv_0"]["kernel"],
        (2, 2),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    old, new = (state.model_state["batch_stats"]["BatchNorm_0"] for state in states[:2])
    for name, moment in (("mean", x.mean((0, 1, 2))), ("var", x.var((0, 1, 2)))):
        desired = 0.9 * old[name] + 0.1 * moment
        np.testing.assert_allclose(new[name], desired, rtol=1e-4, atol=1e-6)
