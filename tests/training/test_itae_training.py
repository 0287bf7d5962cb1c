"""ITAE through the product: its random rotations are those of the member and the step."""

import pytest
from training_helpers import assert_trees_close, member, tiny_config, train

from adjax.experiment import train_and_evaluate
from adjax.training import loop

MEMBERS = ({"seed": 0}, {"seed": 1, "data.normal_class": 5})
# Adam divides by the root of the second moment: rounding of a gradient near zero is amplified.
VALUES = {
    "itae.optimizer": "sgd",
    "itae.learning_rate": 0.1,
    "itae.schedule": "halving",
    "mesh.member": 1,
    "mesh.data": 1,
}


class Interrupted(Exception):
    """Stands for a crash between two steps."""


def test_population_and_interruption(tmp_path, monkeypatch):
    config = tiny_config("itae", members=MEMBERS, **VALUES)
    together = train(config, tmp_path / "two")
    config = tiny_config("itae", members=MEMBERS[1:], **VALUES)
    alone = train(config, tmp_path / "alone")
    assert_trees_close(member(together, 1), alone, atol=2e-3)  # SGD at 0.1 carries rounding on

    batches = loop.stage_batches

    def failing(trainer, stage, steps):
        for number, batch in enumerate(batches(trainer, stage, steps), steps.start):
            if number == 6:
                raise Interrupted
            yield batch

    monkeypatch.setattr(loop, "stage_batches", failing)
    with pytest.raises(Interrupted):
        train(config, tmp_path / "cut")
    monkeypatch.setattr(loop, "stage_batches", batches)
    results = train_and_evaluate(config, tmp_path / "cut")
    assert_trees_close(train(config, tmp_path / "cut"), alone, atol=0)
    assert set(results["members"][0]["image_auroc_by_score"]) == {"l1", "l2", "linf"}
