"""ITAE through the product: its random rotations are those of the member and the step."""

from training_helpers import (
    ONE_DEVICE,
    assert_trees_close,
    member,
    method_of,
    tiny_config,
    train,
    train_interrupted,
)

from adjax.experiment import train_and_evaluate

MEMBERS = ({"seed": 0}, {"seed": 1, "data.normal_class": 5})
# Adam divides by the root of the second moment: rounding of a gradient near zero is amplified.
VALUES = {
    "itae.optimizer": "sgd",
    "itae.learning_rate": 0.1,
    "itae.schedule": "halving",
    **ONE_DEVICE,
}


def test_population_and_interruption(tmp_path):
    config = tiny_config("itae", members=MEMBERS, **VALUES)
    together = train(config, tmp_path / "two")
    config = tiny_config("itae", members=MEMBERS[1:], **VALUES)
    alone = train(config, tmp_path / "alone")
    assert_trees_close(member(together, 1), alone, atol=2e-5)

    train_interrupted(config, tmp_path / "cut", "itae")
    results = train_and_evaluate(config, tmp_path / "cut", method=method_of(config))
    assert_trees_close(train(config, tmp_path / "cut"), alone, atol=0)
    assert set(results["members"][0]["image_auroc_by_score"]) == {"l1", "l2", "linf"}
