"""Patches come from where they should, have the mean they should, and lie on texture."""

import numpy as np
import pytest
from corruption_helpers import CORRUPTION, draw

from adjax.corruptions.paste import paste
from adjax.inputs import Stream, train_batches

SIZE, NUMBER = 96, 24
PASTE = CORRUPTION["paste"]


def levels(seed, low=60, high=200):
    """Images of 256 grey levels."""
    rng = np.random.default_rng(seed)
    return rng.integers(low, high, (NUMBER, SIZE, SIZE, 1)).astype(np.float32) / np.float32(255)


def make(image, source=None, **changes):
    parameters = PASTE | {"soft": 0.0, "level": 0.0} | changes
    return paste(image, draw(NUMBER)[1], source=source, **parameters).numpy()


def of_other():
    """Dark images, bright others, and what is made of them."""
    image, source = levels(0, 10, 100), levels(1, 150, 250)
    return image, source, make(image, source, parts=(1.0, 0.0, 0.0))


def test_a_patch_of_another_image_is_a_piece_of_it():
    image, source, made = of_other()
    changed = made != image
    assert (changed.mean((1, 2, 3)) > 0).all()
    assert changed.mean() < 0.1
    pasted = np.round(made[changed] * 255)
    assert pasted.min() >= 150
    for one, other, where in zip(made, source, changed, strict=True):
        row, column = np.argwhere(where[..., 0])[0]
        patch = one[row, column : column + 3, 0]
        count = where[row, column : column + 3, 0].sum()
        windows = np.lib.stride_tricks.sliding_window_view(other[..., 0], count, 1)
        assert (windows == patch[:count]).all(-1).any()


def test_a_patch_of_the_same_image_is_a_piece_of_it():
    image, source = levels(0, 10, 100), levels(1, 150, 250)
    made = make(image, source, parts=(0.0, 1.0, 0.0))
    assert made.max() < 100 / 255
    assert (made != image).any((1, 2, 3)).all()


def test_a_stain_is_of_one_grey():
    image = levels(0)
    made = make(image, parts=(0.0, 0.0, 1.0), colour_low=7, colour_high=7)
    np.testing.assert_array_equal(made[made != image], np.float32(7 / 255))


def test_parts_are_probabilities():
    image, source = levels(0, 10, 100), levels(1, 150, 250)
    made = make(image, source, parts=(0.5, 0.0, 0.5), colour_low=5, colour_high=5)
    dark = ((made < 8 / 255) & (made != image)).any((1, 2, 3))
    bright = (made > 140 / 255).any((1, 2, 3))
    assert (dark ^ bright).all()
    assert 0 < dark.sum() < NUMBER


def test_a_level_is_that_of_what_is_covered():
    image, source, before = of_other()
    made = make(image, source, parts=(1.0, 0.0, 0.0), level=1.0)
    changed = before != image  # nowhere equal, so the whole patch
    for one, plain, where in zip(made, image, changed, strict=True):
        assert one[where].mean() == pytest.approx(plain[where].mean(), abs=1.5 / 255)


def test_a_soft_edge_lies_between():
    image, source, hard = of_other()
    soft = make(image, source, parts=(1.0, 0.0, 0.0), soft=1.0)
    between = (soft > 100 / 255) & (soft < 150 / 255)
    assert between.any((1, 2, 3)).sum() > NUMBER / 2
    assert ((soft != image).sum((1, 2, 3)) >= (hard != image).sum((1, 2, 3))).mean() > 0.9


def test_patches_lie_on_texture():
    image = np.full((NUMBER, SIZE, SIZE, 1), 0.5, np.float32)
    image[:, :, SIZE // 2 :] = levels(0)[:, :, SIZE // 2 :]
    made = make(image, levels(1), parts=(1.0, 0.0, 0.0))
    columns = [np.argwhere(one)[:, 1].mean() for one in (made != image)]
    assert np.mean(np.array(columns) > 0.4 * SIZE) > 0.85


def batches(part=(slice(None), slice(None)), streams=2):
    table = np.random.default_rng(2).integers(0, 256, (20, 40, 40, 1), np.uint8)
    members = [Stream(np.arange(10 * k, 10 * k + 10), k) for k in range(streams)]
    corruption = ("paste", PASTE)
    return list(train_batches(table, members, 6, range(3), part=part, corruption=corruption))


def test_any_slice_of_a_batch_can_be_made_alone():
    for whole, part in zip(batches(), batches((slice(1, 2), slice(2, 5))), strict=True):
        for key in ("image", "corrupted"):
            np.testing.assert_array_equal(part[key], whole[key][1:2, 2:5])


def test_other_images_are_those_of_the_same_member():
    table = np.zeros((20, 40, 40, 1), np.uint8)
    table[10:] = 255
    members = [Stream(np.arange(10), 0), Stream(np.arange(10, 20), 1)]
    corruption = ("paste", PASTE | {"parts": (1.0, 0.0, 0.0)})
    for batch in train_batches(table, members, 6, range(3), corruption=corruption):
        np.testing.assert_array_equal(batch["corrupted"], batch["image"])
