"""Batches with corrupted images, of crops, and of images that are read from files."""

import numpy as np
import pytest
from test_inputs import BATCH, ROTATION, STREAMS, assert_equal

from adjax.corruptions import settings
from adjax.errors import UserError
from adjax.inputs import Crops, Stream, fixed_crops, train_batches
from adjax.settings import as_dict

SIZE = 12
# Every image says which row of the table it is, wherever it is cut.
IMAGE = np.random.default_rng(0).integers(0, 256, (40, SIZE, SIZE, 2), np.uint8)
IMAGE[..., 0] = np.arange(40)[:, None, None]
NOISE = "gaussian", {"sigma": 0.1}
CROPS = as_dict(settings.Crops())


def crops(name="rotated_crops", samples=0, size=5):
    return Crops((name, {**CROPS[name], "size": size}), samples)


ANEW, FIXED = crops(), crops(samples=14)


class Files:
    """A table whose rows are read when they are asked for."""

    shape = IMAGE.shape

    def __getitem__(self, rows):
        return IMAGE[rows]


class Damaged(Files):
    """The same, but for one row."""

    def __getitem__(self, rows):
        if 9 in rows:
            raise UserError("nine.png: is truncated")
        return IMAGE[rows]


def batches(steps=range(8), image=IMAGE, streams=STREAMS, **options):
    """All batches of these steps, stacked: `[steps, P, B, ...]` an entry."""
    made = list(train_batches(image, streams, BATCH, steps, **options))
    return {name: np.stack([batch[name] for batch in made]) for name in made[0]}


def in_turn(images):
    """What each member sees, one after another: `[P, steps * B, ...]`."""
    return images.swapaxes(0, 1).reshape(len(STREAMS), -1, *images.shape[3:])


OPTIONS = {
    "whole": {"corruption": NOISE},
    "anew": {"corruption": NOISE, "crops": ANEW, "auxiliary": ROTATION},
    "fixed": {"corruption": ("drops", as_dict(settings.Drops())), "crops": FIXED},
}


@pytest.fixture(scope="module", params=OPTIONS)
def case(request):
    """Options and the batches that they give."""
    options = OPTIONS[request.param]
    return options, batches(**options)


def test_shapes(case):
    options, made = case
    size = 5 if "crops" in options else SIZE
    assert made.keys() == {"image", "corrupted"} | options.keys() - {"crops", "corruption"}
    for images in made.values():
        assert (images.shape, images.dtype) == ((8, 3, BATCH, size, size, 2), np.float32)


def test_starting_at_a_step_is_skipping_to_it(case):
    options, whole = case
    assert_equal(batches(range(3, 8), **options), {name: x[3:] for name, x in whole.items()})


@pytest.mark.parametrize("part", [(slice(1, 3), slice(None)), (slice(2, 3), slice(1, 4))])
def test_a_part_is_a_slice_of_the_whole(case, part):
    options, whole = case
    members, examples = part
    made = batches(part=part, **options)
    assert_equal(made, {name: x[:, members, examples] for name, x in whole.items()})


def test_rows_read_from_files_are_those_in_memory(case):
    options, whole = case
    assert_equal(batches(image=Files(), **options), whole)


def test_damaged_file_is_named():
    made = train_batches(Damaged(), STREAMS, BATCH, range(30))
    with pytest.raises(UserError, match=r"^nine\.png: is truncated$"):
        list(made)


def test_corruption_leaves_the_clean_images_as_they_are():
    made = batches(**OPTIONS["whole"])
    assert_equal({"image": made["image"]}, batches())
    difference = made["corrupted"] - made["image"]
    assert (difference != 0).mean() > 0.8  # some are clipped
    assert abs(difference).max() < 0.6
    # The last member's three images come again and again, each time with noise of its own.
    row = np.rint(made["image"][:, 2, :, 0, 0, 0] * 255)
    seen = made["corrupted"][:, 2][row == 39]
    assert len(seen) == len({x.tobytes() for x in seen}) > 10


def test_crops_are_cut_before_they_are_corrupted():
    made = batches(crops=ANEW, corruption=("gaussian", {"sigma": 1e-8}))
    np.testing.assert_allclose(made["corrupted"], made["image"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("chosen", [ANEW, crops("translation_rotation")], ids=["texture", "object"])
def test_crops_are_of_the_rows_in_the_order_of_whole_images(chosen):
    whole, cut = batches()["image"], batches(crops=chosen)["image"]
    row = np.broadcast_to(whole[..., :1, :1, 0], cut.shape[:-1])
    np.testing.assert_allclose(cut[..., 0], row, atol=1e-6)


def test_crops_anew_differ_in_every_epoch():
    cut = in_turn(batches(range(12), crops=ANEW)["image"])
    for member in cut:
        assert len({x.tobytes() for x in member}) == len(member)


def test_fixed_crops_are_the_same_in_every_epoch():
    streams = STREAMS[:1] + STREAMS[2:]  # 13 and 3 rows: fewer than the 14 crops of an epoch
    cut = batches(range(14), streams=streams, crops=FIXED)["image"]
    for member, stream in zip(cut.swapaxes(0, 1).reshape(2, 5, 14, -1), streams, strict=True):
        epochs = [{x.tobytes() for x in epoch} for epoch in member]
        assert all(len(epoch) == 14 for epoch in epochs)
        assert all(epoch == epochs[0] for epoch in epochs)
        orders = {tuple(x.tobytes() for x in epoch) for epoch in member}
        assert len(orders) == 5
        rows, counts = np.unique(
            np.rint(member[0].reshape(14, -1, 2)[:, 0, 0] * 255), return_counts=True
        )
        np.testing.assert_array_equal(rows, np.sort(stream.rows))
        assert counts.max() - counts.min() <= 1


def test_fewer_crops_than_images_still_show_every_image():
    few = Stream(np.arange(20, 30), seed=3)
    cut = batches(range(2), streams=[few], crops=crops(samples=4))["image"]
    rows = np.rint(cut[..., 0, 0, 0].ravel() * 255)
    np.testing.assert_array_equal(np.sort(rows), few.rows)


@pytest.mark.parametrize("name", CROPS)
def test_held_out_crops_are_always_the_same_ones(name):
    rows = np.array([5, 6, 11, 30])
    chosen = crops(name)
    found = fixed_crops(IMAGE[rows], rows, chosen)
    assert (found.shape, found.dtype) == ((4, 5, 5, 2), np.float32)
    np.testing.assert_allclose(
        found[..., 0], np.broadcast_to(rows[:, None, None] / 255, (4, 5, 5)), atol=1e-6
    )
    np.testing.assert_array_equal(fixed_crops(IMAGE[rows[1:2]], rows[1:2], chosen), found[1:2])
    assert len({x.tobytes() for x in found[..., 1]}) == 4


def test_held_out_images_without_crops_are_whole():
    found = fixed_crops(IMAGE[:3], np.arange(3), None)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, IMAGE[:3].astype(np.float32) / 255)
