"""Pixel metrics against scikit-learn and against a loop over all thresholds and regions."""

import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pixel_helpers import a_test_set
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from adjax.evaluation.pixel_metrics import aupro, count_pixels, metrics_of, pixel_metrics


def naive_metrics(maps, masks, limit=0.3):
    """Everything by the book: scikit-learn, and for AUPRO a loop over thresholds and regions."""
    score, defect = maps.ravel(), masks.ravel()
    precision, recall, thresholds = precision_recall_curve(defect, score)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    best = np.flatnonzero(np.isclose(f1[:-1], f1.max(), rtol=1e-12)).max()
    return {
        "pixel_auroc": roc_auc_score(defect, score),
        "pixel_ap": average_precision_score(defect, score),
        "aupro": naive_aupro(maps, masks, limit),
        "best_f1": f1[best],
        "best_f1_threshold": thresholds[best],
    }


def naive_aupro(maps, masks, limit):
    regions = [
        (row, labels == number + 1)
        for row, mask in enumerate(masks)
        for labels, count in [ndimage.label(mask, np.ones((3, 3)))]
        for number in range(count)
    ]
    rates, overlaps = [0.0], [0.0]
    for threshold in np.unique(maps)[::-1]:
        found = maps >= threshold
        rates.append(found[~masks].mean())
        overlaps.append(np.mean([found[row][region].mean() for row, region in regions]))
    beyond = [k for k, rate in enumerate(rates) if rate > limit]
    if beyond:
        k = beyond[0]
        overlap = np.interp(limit, rates[k - 1 : k + 1], overlaps[k - 1 : k + 1])
        rates, overlaps = [*rates[:k], limit], [*overlaps[:k], overlap]
    return np.trapezoid(overlaps, rates) / limit


def assert_close(actual, desired):
    assert actual.keys() == desired.keys()
    for name, value in desired.items():
        np.testing.assert_allclose(actual[name], value, rtol=1e-10, err_msg=name)


# Few distinct values make ties between normal and defect pixels; differences of the widest ones
# still fit in float32, which scikit-learn needs.
VALUES = st.sampled_from(
    [
        st.integers(-2, 2).map(float),
        st.sampled_from([-0.0, 0.0, 1.0]),
        st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
        st.floats(-(2.0**126), 2.0**126, width=32, allow_subnormal=False),
        st.integers(0, 40).map(lambda n: 1 + n * 2**-23),
    ]
)
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))


@st.composite
def pixel_sets(draw):
    """Maps and masks with both kinds of pixels."""
    shape = draw(SHAPES)
    maps = draw(arrays.arrays(np.float32, shape, elements=draw(VALUES), fill=st.nothing()))
    masks = draw(
        arrays.arrays(bool, shape, fill=st.nothing()).filter(lambda m: m.any() and not m.all())
    )
    return maps, masks


@settings(deadline=None, derandomize=True)
@given(pixel_sets(), st.sampled_from([1, 3, 1000]), st.sampled_from([0.05, 0.3, 1.0]))
def test_equals_the_naive_ones(pixel_set, chunk, limit):
    actual = metrics_of(count_pixels(*pixel_set, chunk=chunk), pro_limit=limit)
    assert all(type(value) is float for value in actual.values())
    assert_close(actual, naive_metrics(*pixel_set, limit))


@pytest.mark.parametrize("cells", [1, 2**21])
def test_the_grid_changes_nothing(monkeypatch, cells):
    """Heavy tails leave most cells empty and some crowded."""
    rng = np.random.default_rng(0)
    masks = a_test_set(images=20)[1]
    maps = np.exp(rng.normal(masks, 2)).astype(np.float32)
    monkeypatch.setattr(sys.modules[count_pixels.__module__], "MOST_CELLS", cells)
    counts = count_pixels(maps, masks, chunk=500)
    normal = np.sort(maps[~masks])
    np.testing.assert_array_equal(counts.threshold, np.unique(maps[masks])[::-1])
    left, right = (np.searchsorted(normal, counts.threshold, side) for side in ("left", "right"))
    np.testing.assert_array_equal(counts.normals, len(normal) - left)
    np.testing.assert_array_equal(counts.normals_above, len(normal) - right)


@pytest.mark.parametrize("decimals", [7, 1])
def test_equals_the_naive_ones_on_maps(decimals):
    maps, masks = a_test_set(images=5, size=20)
    maps = maps.round(decimals)
    assert_close(pixel_metrics(maps, masks), naive_metrics(maps, masks))
    # defects as the majority
    assert_close(pixel_metrics(maps, ~masks), naive_metrics(maps, ~masks))


def test_every_region_weighs_the_same():
    masks = np.zeros((2, 8, 8), bool)
    masks[0, :4, :4] = True
    masks[0, 4, 4] = True  # touches the square at a corner: one region of 17 pixels
    masks[1, 7, 7] = True
    maps = np.where(masks, np.float32(0), 0.5)
    maps[1, 7, 7] = 1
    counts = count_pixels(maps, masks)
    assert (counts.regions, counts.defect_pixels, counts.normal_pixels) == (2, 18, 110)
    np.testing.assert_array_equal(counts.threshold, [1, 0])
    np.testing.assert_allclose(counts.overlap, [0.5, 1])
    np.testing.assert_array_equal(counts.defects, [1, 18])
    np.testing.assert_array_equal(counts.normals, [0, 110])
    assert aupro(counts) == pytest.approx(0.5)


def test_regions_end_at_the_border_of_their_image():
    masks = np.zeros((2, 4, 4), bool)
    masks[0, 3], masks[1, 0] = True, True
    assert count_pixels(np.zeros((2, 4, 4), np.float32), masks).regions == 2


def test_good_images_count_for_the_false_positive_rate():
    maps, masks = a_test_set()
    good = np.full((12, 32, 32), -1, np.float32)
    more = pixel_metrics(np.concatenate([maps, good]), np.concatenate([masks, good > 0]))
    less = pixel_metrics(maps, masks)
    assert more["aupro"] > less["aupro"]
    assert more["pixel_auroc"] > less["pixel_auroc"]
    assert more["best_f1"] == less["best_f1"]


def test_streams_and_files_give_the_same(tmp_path):
    maps, masks = a_test_set(images=7)
    desired = pixel_metrics(maps, masks)

    def batches():
        yield maps[:3], masks[:3]
        yield maps[3:4], masks[3:4]
        yield maps[4:4], masks[4:4]
        yield maps[4:].astype(np.float64), masks[4:]

    assert pixel_metrics(batches) == desired
    np.save(tmp_path / "maps.npy", maps)
    assert pixel_metrics(np.load(tmp_path / "maps.npy", mmap_mode="r"), masks) == desired


def test_images_of_several_sizes():
    small, large = a_test_set(size=16), a_test_set(size=24, seed=1)
    pixels = [np.concatenate([a.ravel(), b.ravel()]) for a, b in zip(small, large, strict=True)]
    metrics = pixel_metrics(lambda: [small, large])
    assert metrics["pixel_auroc"] == pytest.approx(roc_auc_score(*pixels[::-1]), rel=1e-12)


def test_inputs_are_left_as_they_are():
    maps, masks = a_test_set()
    before = maps.copy(), masks.copy()
    pixel_metrics(maps, masks)
    np.testing.assert_array_equal(maps, before[0])
    np.testing.assert_array_equal(masks, before[1])


def test_memory_is_less_than_that_of_the_maps():
    maps, masks = a_test_set(images=200, size=128, defects=2)
    tracemalloc.start()
    try:
        pixel_metrics(maps, masks)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.01 < masks.mean() < 0.1
    assert peak < 2 * maps.nbytes  # beside the maps themselves


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("defect", [False, True])
def test_scores_that_are_not_finite_raise(value, defect):
    maps, masks = a_test_set()
    maps[tuple(np.argwhere(masks == defect)[5])] = value
    with pytest.raises(ValueError, match="finite"):
        pixel_metrics(maps, masks)


@pytest.mark.parametrize("value", [False, True])
def test_pixels_of_one_kind_raise(value):
    maps = np.zeros((2, 4, 4), np.float32)
    with pytest.raises(ValueError, match="normal and defect pixels"):
        pixel_metrics(maps, np.full(maps.shape, value))


def test_no_images_raise():
    with pytest.raises(ValueError, match="normal and defect pixels"):
        pixel_metrics(np.zeros((0, 4, 4), np.float32), np.zeros((0, 4, 4), bool))


def test_arrays_that_do_not_match_raise():
    maps, masks = a_test_set()
    with pytest.raises(ValueError, match="must match"):
        pixel_metrics(maps, masks[:3])
    with pytest.raises(ValueError, match="boolean masks"):
        pixel_metrics(maps, masks.astype(np.uint8))
    with pytest.raises(ValueError, match="boolean masks"):
        pixel_metrics(maps[0], masks[0])


def test_batches_that_can_be_read_only_once_raise():
    once = iter([a_test_set()])
    with pytest.raises(ValueError, match="the same each time"):
        pixel_metrics(lambda: once)


@pytest.mark.parametrize("limit", [0, -0.1, 1.1, np.nan])
def test_a_limit_that_is_no_rate_raises(limit):
    with pytest.raises(ValueError, match="limit of AUPRO"):
        pixel_metrics(*a_test_set(), pro_limit=limit)
