"""Small maps lose no pixel that reaches a threshold, and come back as they were kept."""

import base64

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from adjax.reports.small_maps import SIDE, SmallMaps, shrunk, side_of


def marked(small, side, threshold):
    """The cells that a page marks, bool `[s, s]`; the same sum as its script does."""
    if small.high == small.low:
        return np.full((side, side), small.low >= threshold)
    least = np.ceil((threshold - small.low) / (small.high - small.low) * 255 - 1e-6)
    return np.frombuffer(small.cells, np.uint8).reshape(side, side) >= least


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(
    st.integers(1, 70),
    st.integers(0, 2**32 - 1),
    st.floats(1e-6, 1e3),
    st.floats(0, 1),
)
def test_every_pixel_that_reaches_a_threshold_is_in_a_marked_cell(size, seed, scale, quantile):
    anomaly_map = np.random.default_rng(seed).gamma(1, scale, (size, size)).astype(np.float32)
    threshold = float(np.quantile(anomaly_map, quantile))
    side = side_of(size)
    cells = marked(shrunk(anomaly_map), side, threshold)
    places = np.searchsorted(np.arange(side) * size // side, np.arange(size), "right") - 1
    above = np.argwhere(anomaly_map >= np.float32(threshold))
    assert all(cells[places[row], places[column]] for row, column in above)


def test_a_map_without_range_is_all_or_nothing():
    small = shrunk(np.full((64, 64), 0.25, np.float32))
    assert marked(small, SIDE, 0.25).all()
    assert not marked(small, SIDE, 0.3).any()


def test_maps_are_kept_by_row(tmp_path):
    maps = [shrunk(np.eye(40, dtype=np.float32) * k) if k != 2 else None for k in range(5)]
    with SmallMaps(tmp_path, SIDE) as kept:
        for one in maps:
            kept.append(one)
        for row in (4, 0, 2, 1, 3):
            assert kept.read(row) == maps[row]
    assert not list(tmp_path.iterdir())  # the file never had a name
    assert len(base64.b64decode(maps[1].text)) == SIDE**2


def test_a_map_of_a_small_detector_keeps_its_pixels():
    anomaly_map = np.arange(64, dtype=np.float32).reshape(8, 8)
    small = shrunk(anomaly_map)
    level = np.frombuffer(small.cells, np.uint8).reshape(8, 8)
    np.testing.assert_allclose(
        small.low + level / 255 * (small.high - small.low), anomaly_map, atol=0.25
    )
    assert side_of(8) == 8
    assert side_of(256) == SIDE == pytest.approx(32)
