"""The loop and its input pipeline: exactly the steps that are left, nobody waits for the end."""

from training_helpers import ONE_DEVICE, tiny_config, train

from adjax.inputs import train_batches
from adjax.training import feeds


def test_pipeline_is_asked_for_every_step_once_and_never_for_its_end(tmp_path, monkeypatch):
    asked = []

    def watched(image, streams, batch_size, steps, *rest, **more):
        made = train_batches(image, streams, batch_size, steps, *rest, **more)
        for step in steps:
            asked.append(step)
            yield next(made)
        raise AssertionError("the loop waited for the end of its input")

    monkeypatch.setattr(feeds, "train_batches", watched)
    train(tiny_config("ae", **ONE_DEVICE), tmp_path)
    assert asked == list(range(8))
