"""Thresholds against their definitions, tried out value by value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixel_helpers import a_test_set
from scipy import ndimage
from sklearn.metrics import f1_score

from adjax.evaluation.pixel_metrics import count_pixels, oracle_best_f1
from adjax.evaluation.thresholds import (
    choose_thresholds,
    f1_curve,
    k_sigma,
    minimum_area,
    pixel_rates,
    quantile,
    stability,
)

RULES = (quantile, k_sigma, lambda maps: minimum_area(maps, 3))


def f1_of(maps, masks, thresholds):
    return {name: r["f1"] for name, r in pixel_rates(maps, masks, thresholds).items()}


def normals(shape, seed=0, decimals=7):
    scores = np.random.default_rng(seed).normal(size=shape).round(decimals)
    return ndimage.gaussian_filter(scores, (0, 1, 1)).astype(np.float32)


def lower(threshold):
    return np.nextafter(np.float32(threshold), np.float32(-np.inf))


@settings(deadline=None, derandomize=True)
@given(
    st.lists(st.integers(-3, 3) | st.floats(-1e3, 1e3, width=32), min_size=1, max_size=40),
    st.sampled_from([0.001, 0.3, 0.5, 0.9, 0.995, 1.0]),
)
def test_quantile_is_the_lowest_threshold_that_keeps_its_promise(scores, q):
    scores = np.array(scores, np.float32)
    threshold = quantile(scores, q)
    assert np.float32(threshold) == threshold
    allowed = (1 - q) * len(scores) + 1e-6
    assert (scores >= threshold).sum() <= allowed
    assert (scores >= lower(threshold)).sum() > allowed


def test_quantile_of_maps():
    maps = normals((5, 40, 50))
    assert quantile(maps, 0.995) == quantile(maps.reshape(1, 1, -1), 0.995)
    assert (maps >= quantile(maps, 0.995)).sum() == 50


def test_k_sigma():
    maps = normals((5, 40, 50)) + np.float32(1000)
    desired = np.float64(maps).mean() + 2.5 * np.float64(maps).std()
    assert k_sigma(maps, 2.5) == np.float32(desired)
    assert k_sigma(np.full((2, 3, 3), 0.5, np.float32)) == 0.5


def largest_region(maps, threshold):
    """Of all images, and by flood filling: 8-connected."""
    best = 0
    for mask in maps >= threshold:
        todo = {tuple(place) for place in np.argwhere(mask)}
        while todo:
            stack, size = [todo.pop()], 0
            while stack:
                y, x = stack.pop()
                size += 1
                near = {(y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & todo
                todo -= near
                stack += near
            best = max(best, size)
    return best


@pytest.mark.parametrize("decimals", [7, 0])
@pytest.mark.parametrize("area", [1, 2, 7, 60, 144])
def test_minimum_area_is_the_lowest_threshold_that_keeps_its_promise(area, decimals):
    for seed in range(3):
        maps = normals((4, 12, 12), seed, decimals)
        threshold = minimum_area(maps, area)
        assert np.float32(threshold) == threshold
        assert largest_region(maps, threshold) < area
        assert largest_region(maps, lower(threshold)) >= area
        assert minimum_area(maps[::-1], area) == threshold


def test_minimum_area_counts_regions_that_touch_at_corners():
    maps = np.eye(6, dtype=np.float32)[None]
    assert minimum_area(maps, 6) > 1
    assert 0 < minimum_area(maps, 7) < 1e-6


def test_all_rules():
    maps = normals((6, 32, 32))
    assert choose_thresholds(maps, q=0.99, k=2.0, area=9) == {
        "quantile": quantile(maps, 0.99),
        "k_sigma": k_sigma(maps, 2.0),
        "minimum_area": minimum_area(maps, 9),
    }
    # a thousandth of the image
    assert choose_thresholds(maps)["minimum_area"] == minimum_area(maps, 1)
    assert choose_thresholds(normals((2, 64, 64)))["minimum_area"] == minimum_area(
        normals((2, 64, 64)), 4
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_raise(rule, value):
    maps = normals((3, 8, 8))
    maps[1, 2, 3] = value
    with pytest.raises(ValueError, match="finite"):
        rule(maps)


@pytest.mark.parametrize("rule", RULES)
def test_no_images_raise(rule):
    with pytest.raises(ValueError, match="needs scores"):
        rule(np.zeros((0, 8, 8), np.float32))


def test_wrong_parameters_raise():
    maps = normals((3, 8, 8))
    for q in (0, 1.1):
        with pytest.raises(ValueError, match="quantile lies in"):
            quantile(maps, q)
    for area in (0, 65):
        with pytest.raises(ValueError, match="from 1 to 64 pixels"):
            minimum_area(maps, area)


def test_f1_equals_scikit_learn():
    maps, masks = a_test_set()
    thresholds = {"low": 0.2, "high": float(maps[masks].max()), "none": 9.0}
    desired = {
        name: f1_score(masks.ravel(), maps.ravel() >= np.float32(threshold))
        for name, threshold in thresholds.items()
    }
    assert f1_of(maps, masks, thresholds) == pytest.approx(desired, rel=1e-12)
    assert desired["none"] == 0


@pytest.mark.parametrize("points", [None, 40])
def test_curve_is_the_f1_at_its_points(points):
    maps, masks = a_test_set(images=4)
    counts = count_pixels(maps, masks)
    curve = f1_curve(counts, points)
    assert (np.diff(curve.threshold) > 0).all()
    if points is None:
        np.testing.assert_array_equal(curve.threshold, np.unique(maps[masks]))
    else:
        assert 30 <= len(curve.f1) <= points + 1
        assert curve.threshold[[0, -1]].tolist() == [maps[masks].min(), maps[masks].max()]
    named = {str(i): t for i, t in enumerate(curve.threshold)}
    np.testing.assert_allclose(curve.f1, list(f1_of(maps, masks, named).values()), rtol=1e-12)
    best, f1 = oracle_best_f1(counts)
    assert curve.f1.max() == f1
    assert curve.threshold[curve.f1.argmax()] == pytest.approx(best)


@pytest.mark.parametrize("tolerance", [0.0, 0.05, 0.5])
def test_stable_range_by_trying_every_threshold(tolerance):
    for seed in range(4):
        maps, masks = a_test_set(images=4, size=16, seed=seed)
        maps = maps.round(1 + seed)
        counts = count_pixels(maps, masks)
        values = np.unique(maps)
        f1 = np.array(list(f1_of(maps, masks, dict(enumerate(values))).values()))
        best, highest = oracle_best_f1(counts)
        enough = f1 >= (1 - tolerance) * highest - 1e-12
        first = last = int(np.flatnonzero(values == np.float32(best))[0])
        while first > 0 and enough[first - 1]:
            first -= 1
        while last < len(values) - 1 and enough[last + 1]:
            last += 1
        inside = values[first : last + 1]
        inside = inside[np.isin(inside, maps[masks])]  # its ends are scores of defect pixels
        found = stability(counts, tolerance)
        assert (found.low, found.high) == (inside[0], inside[-1])
        normal = maps[~masks]
        assert found.low_quantile == pytest.approx((normal < found.low).mean())
        assert found.high_quantile == pytest.approx((normal < found.high).mean())
        assert found.width == found.high_quantile - found.low_quantile
        assert found.ratio == (found.high / found.low if found.low > 0 else None)


def test_stability_tells_a_clear_detector_from_a_vague_one():
    _, masks = a_test_set()
    noise = np.random.default_rng(0).random(masks.shape, np.float32)
    clear = stability(count_pixels(np.where(masks, 0.5 + noise, noise / 10), masks))
    vague = stability(count_pixels(np.where(masks, 0.5 + noise, noise), masks))
    assert clear.ratio > 1
    assert clear.low < 0.55
    assert clear.width == 0
    assert 1 < vague.ratio < 2
    assert 0 < vague.width < 0.1
