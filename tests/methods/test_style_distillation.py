"""Style distillation: its objective, whose variables move, and its score."""

import jax
import numpy as np
import pytest
from method_helpers import build_method, sections_of
from model_helpers import random_variables

from adjax.losses import Distance
from adjax.methods.style_distillation.auxiliary import MADE_IN_STEP
from adjax.models.residual import HalfResolutionResNet
from adjax.models.rnan import RNAN
from adjax.settings import as_dict


def member(loss_weight=0.5):
    return {
        "student.learning_rate": np.float32(1e-3),
        "student.weight_decay": np.float32(0),
        "student.loss_weight": np.float32(loss_weight),
    }


@pytest.fixture(scope="module")
def run_update(methods, variables, on_two_devices, first_state):
    """`(method, batch, weight) -> (state, metrics)` after the student's first update."""

    def run(name, batch, weight=0.5):
        stage = methods[name].stages[1]
        state = first_state(stage, variables["student"])
        frozen = {"teacher": variables["teacher"]}
        return on_two_devices(stage.update)(state, frozen, batch, jax.random.key(0), member(weight))

    return run


@pytest.fixture(scope="module")
def terms(networks, batch, distance):
    """KD and OER from the outputs of the two networks."""
    (_, teacher), (_, student) = networks["teacher"], networks["student"]
    image, auxiliary = batch["image"], batch["auxiliary"]
    return (
        distance(student(image), teacher(image)).mean(),
        distance(auxiliary, student(auxiliary)).mean(),
    )


def test_stages(methods):
    own = sections_of("oe_sdn").student
    for name in ("sdn", "oe_sdn"):
        teacher, student = methods[name].stages
        assert methods[name].name == name
        assert (teacher.name, student.name) == ("teacher", "student")
        assert (student.steps, student.batch_size) == (own.steps, own.batch_size)
        own_fast = sections_of(f"{name}_fast").student
        fast = methods[f"{name}_fast"].stages
        assert fast[0].depends_on == teacher.depends_on  # one teacher for all students
        assert (fast[1].steps, fast[1].batch_size) == (own_fast.steps, own_fast.batch_size)
        assert (fast[1].auxiliary, fast[1].depends_on) == (student.auxiliary, student.depends_on)
    depends_on = {"data", "distance", "teacher", "student"}
    sdn, oe_sdn = methods["sdn"].stages[1], methods["oe_sdn"].stages[1]
    assert sdn.auxiliary is None
    assert sdn.images_per_update == 8
    assert set(sdn.depends_on) == depends_on
    assert oe_sdn.auxiliary == ("rotation", {"angles": (90, 180, 270)})
    assert oe_sdn.images_per_update == 16
    assert set(oe_sdn.depends_on) == depends_on | {"auxiliary.rotation"}
    assert "student.loss_weight" in methods["oe_sdn"].dynamic
    assert "student.loss_weight" not in methods["sdn"].dynamic


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_objective_weighs_imitation_and_reproduction(run_update, batch, terms, weight):
    kd, oer = terms
    assert abs(kd - oer) > 0.01  # or the weights would not show
    _, metrics = run_update("oe_sdn", batch, weight)
    assert float(metrics["kd"]) == pytest.approx(kd, rel=1e-4)
    assert float(metrics["oer"]) == pytest.approx(oer, rel=1e-4)
    assert float(metrics["loss"]) == pytest.approx((1 - weight) * kd + weight * oer, rel=1e-4)


def test_objective_without_auxiliary_images_is_imitation(run_update, batch, terms):
    _, metrics = run_update("sdn", {"image": batch["image"]})
    assert float(metrics["loss"]) == pytest.approx(terms[0], rel=1e-4)
    assert not {"kd", "oer"} & set(metrics)


def test_fast_student_has_the_same_objective(
    methods, variables, batch, networks, distance, on_two_devices, first_state
):
    own = sections_of("oe_sdn_fast").student
    model = HalfResolutionResNet(own.blocks, own.features)
    student = random_variables(model, (8, 8, 1), seed=2)
    stage = methods["oe_sdn_fast"].stages[1]
    frozen, state = {"teacher": variables["teacher"]}, first_state(stage, student)
    _, metrics = on_two_devices(stage.update)(state, frozen, batch, jax.random.key(0), member(0.3))
    output, auxiliary = (model.apply(student, batch[key])[0] for key in ("image", "auxiliary"))
    kd = distance(output, networks["teacher"][1](batch["image"])).mean()
    oer = distance(batch["auxiliary"], auxiliary).mean()
    assert float(metrics["loss"]) == pytest.approx(0.7 * kd + 0.3 * oer, rel=1e-4)


def test_gradient_is_that_of_a_student_of_fixed_targets(run_update, networks, variables, batch):
    """After one step Adam's first moment is a tenth of the gradient."""
    sections = sections_of("oe_sdn")
    own = sections.student
    student = RNAN(own.groups, own.nonlocal_groups, own.features)
    distance = Distance(**as_dict(sections.distance))
    target = np.asarray(networks["teacher"][1](batch["image"]))

    def loss(params):
        output, _ = student.apply({"params": params}, batch["image"])
        return distance(output, target).mean()

    desired = jax.jit(jax.grad(loss))(variables["student"]["params"])
    state, _ = run_update("sdn", {"image": batch["image"]})
    scale = max(np.abs(x).max() for x in jax.tree.leaves(desired))
    jax.tree.map(
        lambda a, d: np.testing.assert_allclose(10 * a, d, rtol=0, atol=1e-4 * scale),
        state.opt_state.mu,
        desired,
    )


def test_only_the_student_moves(run_update, variables, batch):
    before = jax.tree.map(np.copy, variables)
    state, _ = run_update("oe_sdn", batch)
    assert state.step == 1
    assert state.model_state == {}
    # Every array of the student and none of the teacher.
    assert jax.tree.structure(state.params) == jax.tree.structure(before["student"]["params"])
    moved = jax.tree.map(
        lambda new, old: (new != old).any(), state.params, before["student"]["params"]
    )
    assert all(jax.tree.leaves(moved))
    jax.tree.map(np.testing.assert_array_equal, variables, before)


def test_auxiliary_images_move_the_student_by_their_weight_only(run_update, batch):
    other = {**batch, "auxiliary": batch["auxiliary"][:, ::-1] ** 2}
    for weight, moves in ((0.0, False), (0.5, True)):
        (one, _), (two, _) = (run_update("oe_sdn", b, weight) for b in (batch, other))
        differs = jax.tree.map(lambda a, b: (a != b).any(), one.params, two.params)
        assert any(jax.tree.leaves(differs)) == moves


@pytest.mark.parametrize("name", MADE_IN_STEP)
def test_images_made_in_the_step_come_without_the_pipeline(
    networks, variables, batch, distance, on_two_devices, first_state, name
):
    changes = {"student.auxiliary": name}
    sections = sections_of("oe_sdn", changes)
    stage = build_method("oe_sdn", changes).stages[1]
    assert stage.auxiliary is None
    assert stage.images_per_update == 16
    assert f"auxiliary.{name}" in stage.depends_on
    frozen, state = {"teacher": variables["teacher"]}, first_state(stage, variables["student"])
    _, metrics = on_two_devices(stage.update)(
        state, frozen, {"image": batch["image"]}, jax.random.key(0), member()
    )
    teacher, student = networks["teacher"][1], networks["student"][1]
    own_distance = Distance(**as_dict(sections.distance))
    parameters = as_dict(sections.auxiliary)[name]
    made = MADE_IN_STEP[name](batch["image"], teacher, own_distance, **parameters)
    oer = distance(made, student(made)).mean()
    assert float(metrics["oer"]) == pytest.approx(oer, rel=1e-4)
    kd = distance(student(batch["image"]), teacher(batch["image"])).mean()
    assert float(metrics["kd"]) == pytest.approx(kd, rel=1e-4)


def test_score_is_the_difference_of_student_and_teacher(
    methods, networks, variables, batch, distance
):
    image = batch["image"]
    teacher, student = (np.asarray(networks[name][1](image)) for name in ("teacher", "student"))
    method = methods["oe_sdn"]
    scores = jax.jit(method.score)(variables, image, jax.random.key(0))
    np.testing.assert_allclose(
        scores.anomaly_map, np.abs(student - teacher).mean(-1), rtol=0, atol=1e-5
    )
    assert set(scores.image_score) == set(method.image_scores)
    for name, value in {
        "d": distance(student, teacher),
        "mse": ((student - teacher) ** 2).mean((1, 2, 3)),
        "mae": np.abs(student - teacher).mean((1, 2, 3)),
        "margin": distance(student, teacher) - distance(image, student),
    }.items():
        np.testing.assert_allclose(scores.image_score[name], value, rtol=1e-4, atol=1e-6)
    assert set(scores.reconstruction) == {"AE", "student"}
    np.testing.assert_allclose(scores.reconstruction["student"], student, rtol=0, atol=1e-5)
    np.testing.assert_allclose(scores.reconstruction["AE"], teacher, rtol=0, atol=1e-5)


def test_validation_loss_is_imitation_of_each_image(methods, networks, variables, batch, distance):
    frozen, image = {"teacher": variables["teacher"]}, batch["image"]
    for name in ("sdn", "oe_sdn"):
        loss = jax.jit(methods[name].stages[1].validate)(variables["student"], frozen, image)
        desired = distance(networks["student"][1](image), networks["teacher"][1](image))
        np.testing.assert_allclose(loss, desired, rtol=1e-4)
