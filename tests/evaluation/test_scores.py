"""Every test image is scored once; shown examples follow from labels alone."""

import numpy as np
import pytest

from adjax.evaluation.scores import choose_examples, collect_scores

IMAGE = np.random.default_rng(0).integers(0, 256, (11, 2, 2, 1), np.uint8)


@pytest.mark.parametrize("batch_size", [1, 4, 5, 11, 16])
def test_each_image_is_scored_once_in_its_place(batch_size):
    calls = []

    def score(image):
        assert image.shape == (batch_size, 2, 2, 1)
        assert image.dtype == np.float32
        calls.append(len(image))
        mean = image.mean((1, 2, 3))
        return {"d": np.stack([mean, -mean]), "first": np.stack([image[:, 0, 0, 0]] * 2)}

    scores = collect_scores(score, IMAGE, batch_size)
    assert calls == [batch_size] * -(-11 // batch_size)
    image = IMAGE.astype(np.float32) / 255
    mean = image.mean((1, 2, 3))
    assert set(scores) == {"d", "first"}
    np.testing.assert_allclose(scores["d"], [mean, -mean], rtol=1e-6)
    np.testing.assert_array_equal(scores["first"], [image[:, 0, 0, 0]] * 2)


@pytest.fixture
def label():
    return np.random.default_rng(0).permutation(np.repeat(np.arange(4), [30, 25, 5, 40]))


def test_examples_are_the_first_of_their_kind(label):
    rows = choose_examples(label, label != np.array([[0], [2]]), normal=4, anomalous=8)
    assert rows.shape == (2, 12)
    assert rows.dtype == np.int64
    for row, normal_class in zip(rows, (0, 2), strict=True):
        np.testing.assert_array_equal(row[:4], np.flatnonzero(label == normal_class)[:4])
        others = [c for c in range(4) if c != normal_class]
        # In turn: the first of each class, the second of each, and what is left of the third.
        np.testing.assert_array_equal(label[row[4:]], (others * 3)[:8])
        for other in others:
            chosen = row[4:][label[row[4:]] == other]
            np.testing.assert_array_equal(chosen, np.flatnonzero(label == other)[: len(chosen)])


@pytest.mark.parametrize(("normal", "anomalous"), [(1, 1), (2, 3), (5, 7)])
def test_as_many_examples_as_asked_for(label, normal, anomalous):
    (row,) = choose_examples(label, label[None] != 3, None, normal, anomalous)
    np.testing.assert_array_equal(label[row] == 3, [True] * normal + [False] * anomalous)
    assert len(set(row)) == normal + anomalous


def test_examples_are_of_images_that_count(label):
    kind = label[None] == np.array([[1], [1]])
    counted = np.arange(100)[None] % 2 == np.array([[0], [1]])
    rows = choose_examples(label, kind, counted, normal=6, anomalous=3)
    for row, own, parity in zip(rows, counted, (0, 1), strict=True):
        assert (row % 2 == parity).all()
        np.testing.assert_array_equal(row[6:], np.flatnonzero(own & (label == 1))[:3])
        # Normal are three classes: the first that counts of each, then the second of each.
        np.testing.assert_array_equal(label[row[:6]], [0, 2, 3, 0, 2, 3])
        np.testing.assert_array_equal(row[0], np.flatnonzero(own & (label == 0))[0])


def test_examples_follow_the_class_names_of_any_set():
    label = np.array([7, 7, 9, 9, 9])
    (row,) = choose_examples(label, label[None] != 9, normal=2, anomalous=2)
    np.testing.assert_array_equal(row, [2, 3, 0, 1])
