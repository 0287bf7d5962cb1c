"""Batches are a pure function of the step; members and hosts see exactly their part of them."""

import numpy as np
import pytest
import tensorflow as tf

from adjax.corruptions.settings import Paste, PipelineSets, Stain
from adjax.inputs import Stream, changes, padded_batches, train_batches
from adjax.settings import as_dict

# Every image says which row of the table it is, and no image is its own rotation.
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 2), np.uint8)
IMAGE[:, 0, 0, 0] = np.arange(40)
STREAMS = [
    Stream(np.arange(3, 16), seed=1),  # 13 rows: epochs straddle batches
    Stream(np.arange(10, 40, 2), seed=2),  # 15 rows
    Stream(np.array([39, 0, 7]), seed=1),  # several epochs a batch
]
BATCH = 5
ROTATION = ("rotation", {"angles": (90, 180, 270)})


def batches(streams=STREAMS, steps=range(12), **options):
    """All batches of these steps, stacked: `[steps, P, B, ...]` an entry."""
    made = list(train_batches(IMAGE, streams, BATCH, steps, **options))
    return {name: np.stack([batch[name] for batch in made]) for name in made[0]}


def rows_seen(streams=STREAMS, **options):
    """Table rows in the order in which each member sees them: `[P, steps * B]`."""
    image = batches(streams, **options)["image"]
    row = np.rint(image[..., 0, 0, 0] * 255).astype(int)
    return row.swapaxes(0, 1).reshape(len(streams), -1)


@pytest.fixture(scope="module")
def whole():
    return batches(auxiliary=ROTATION)


def assert_equal(actual, desired):
    assert actual.keys() == desired.keys()
    for name in desired:
        np.testing.assert_array_equal(actual[name], desired[name])


def test_shapes_and_values(whole):
    for images in whole.values():
        assert images.shape == (12, 3, BATCH, 4, 4, 2)
        assert images.dtype == np.float32
    row = np.rint(whole["image"][..., 0, 0, 0] * 255).astype(int)
    np.testing.assert_array_equal(whole["image"], IMAGE[row].astype(np.float32) / 255)
    assert whole["image"].min() == 0
    assert whole["image"].max() == 1


def test_without_auxiliary_images_there_are_none(whole):
    assert_equal(batches(), {"image": whole["image"]})


@pytest.mark.parametrize("start", [1, 7])
def test_starting_at_a_step_is_skipping_to_it(whole, start):
    resumed = batches(steps=range(start, 12), auxiliary=ROTATION)
    assert_equal(resumed, {name: x[start:] for name, x in whole.items()})


def test_no_steps_no_batches():
    assert list(train_batches(IMAGE, STREAMS, BATCH, range(3, 3))) == []


def test_each_row_once_an_epoch():
    for seen, stream in zip(rows_seen(steps=range(30)), STREAMS, strict=True):
        size = len(stream.rows)
        epochs = seen[: len(seen) // size * size].reshape(-1, size)
        assert len(epochs) >= 10
        expected = np.tile(np.sort(stream.rows), (len(epochs), 1))
        np.testing.assert_array_equal(np.sort(epochs, axis=1), expected)


def test_order_differs_between_epochs_seeds_and_members():
    rows = np.arange(40)
    streams = [Stream(rows, seed) for seed in (0, 1, 2)]
    # [member, epoch, position]: nine orders of the same rows.
    orders = rows_seen(streams, steps=range(24)).reshape(9, 40)
    assert len({tuple(order) for order in [*orders, rows]}) == 10


def test_the_same_seed_gives_the_same_order():
    twice = rows_seen([STREAMS[0], STREAMS[0]])
    np.testing.assert_array_equal(twice[0], twice[1])


@pytest.mark.parametrize("member", range(3))
def test_a_member_of_a_population_sees_what_it_sees_alone(whole, member):
    alone = batches([STREAMS[member]], auxiliary=ROTATION)
    assert_equal(alone, {name: x[:, member : member + 1] for name, x in whole.items()})


@pytest.mark.parametrize(
    "part",
    [
        (slice(1, 3), slice(None)),
        (slice(None), slice(0, 2)),
        (slice(None), slice(2, 5)),
        (slice(2, 3), slice(4, 5)),
    ],
)
def test_a_part_is_a_slice_of_the_whole(whole, part):
    members, examples = part
    made = batches(part=part, auxiliary=ROTATION)
    assert_equal(made, {name: x[:, members, examples] for name, x in whole.items()})


def test_auxiliary_images_are_rotations_of_the_images_beside_them(whole):
    turned = [np.rot90(whole["image"], k, (3, 4)) for k in (1, 2, 3)]
    matches = np.stack([(x == whole["auxiliary"]).all((3, 4, 5)) for x in turned])
    np.testing.assert_array_equal(matches.sum(0), np.ones((12, 3, BATCH)))
    # All three turns occur for every member, and the same image turns anew in another epoch.
    assert matches.any((1, 3)).all()
    images_of_last_member = np.rint(whole["image"][:, 2, :, 0, 0, 0] * 255) == 39
    assert matches[:, :, 2][:, images_of_last_member].any(1).all()


@pytest.mark.parametrize("auxiliary", as_dict(PipelineSets()).items(), ids=lambda it: it[0])
def test_auxiliary_images_of_a_population_are_those_of_its_members(auxiliary):
    together = batches(steps=range(3), auxiliary=auxiliary)["auxiliary"]
    for member, stream in enumerate(STREAMS):
        alone = batches([stream], steps=range(3), auxiliary=auxiliary)["auxiliary"]
        np.testing.assert_array_equal(together[:, member], alone[:, 0])


def test_parameters_reach_the_auxiliary_images(whole):
    half_turn = batches(auxiliary=("rotation", {"angles": (180,)}))
    np.testing.assert_array_equal(half_turn["auxiliary"], np.rot90(whole["image"], 2, (3, 4)))


@pytest.mark.parametrize("size", [1, 4, 5, 6, 13])
def test_padded_batches_cover_every_row_once(size):
    rows = np.arange(100, 100 + size)
    made = list(padded_batches(rows, BATCH))
    assert {len(batch) for batch, _ in made} == {BATCH}
    np.testing.assert_array_equal(np.concatenate([batch[:count] for batch, count in made]), rows)
    *full, (last, count) = made
    assert [count for _, count in full] == [BATCH] * len(full)
    assert 1 <= count <= BATCH
    assert (last[count:] == last[0]).all()


def test_no_rows_no_padded_batches():
    assert list(padded_batches(np.arange(0), BATCH)) == []


def test_no_tuner_can_delay_the_end_of_the_pipeline(monkeypatch):
    datasets = []
    monkeypatch.setattr(tf.data.Dataset, "as_numpy_iterator", lambda self: datasets.append(self))
    train_batches(IMAGE, STREAMS, BATCH, range(3))
    assert datasets[0].options().autotune.enabled is False


def test_changes_are_told_from_what_leaves_images_as_they_are():
    image = np.random.default_rng(0).random((5, 12, 12, 1), np.float32)
    assert changes(image, "auxiliary", ("svd_blurring", {"rank": 11}))
    assert not changes(image, "auxiliary", ("svd_blurring", {"rank": 12}))
    mirrored = (image + image[:, :, ::-1]) / 2
    assert not changes(mirrored, "auxiliary", ("horizontal_flip", {}))
    assert changes(mirrored, "auxiliary", ("vertical_flip", {}))
    pasted = as_dict(Paste())
    assert changes(image, "corruption", ("paste", pasted))
    stain = as_dict(Stain(colour_low=0, colour_high=0, noise_variance=0.0))
    assert changes(image, "corruption", ("stain", stain))
    assert not changes(np.zeros_like(image), "corruption", ("stain", stain))
