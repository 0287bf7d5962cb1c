"""The one-class split: a partition of the class, stable for ever."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjax.datasets.one_class import leave_one_out_split, one_class_split, resolve_class
from adjax.datasets.tables import Table
from adjax.errors import UserError

LABEL = np.arange(40, dtype=np.int32) % 4
TABLE = Table(np.zeros((40, 2, 2, 1), np.uint8), LABEL, ("cat", "dog", "eel", "7"))


@given(
    label=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    fraction=st.floats(0, 0.99),
    seed=st.integers(0, 2**31),
)
def test_partition_of_the_normal_class(label, fraction, seed):
    label = np.array(label, np.int32)
    normal_class = int(label[0])
    split = one_class_split(label, normal_class, fraction, seed)
    for rows in split:
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()
    assert len(split.train) >= 1
    np.testing.assert_array_equal(
        np.sort(np.concatenate(split)), np.flatnonzero(label == normal_class)
    )


def test_no_validation():
    split = one_class_split(LABEL, 2, 0.0, seed=0)
    np.testing.assert_array_equal(split.train, np.flatnonzero(LABEL == 2))
    assert split.validation.shape == (0,)


@pytest.mark.parametrize(
    ("fraction", "size"), [(0.1, 1), (0.01, 1), (0.25, 2), (0.3, 3), (0.99, 9)]
)
def test_validation_size(fraction, size):
    assert len(one_class_split(LABEL, 1, fraction, seed=0).validation) == size


def test_same_rows_in_every_process_and_version():
    label = np.zeros(1000, np.int32)
    assert one_class_split(label, 0, 0.005, seed=3).validation.tolist() == [212, 448, 654, 786, 911]


def test_seed_and_class_change_the_rows():
    label = np.repeat([0, 1], 500).astype(np.int32)
    first = one_class_split(label, 0, 0.2, seed=0).validation
    assert first.tolist() != one_class_split(label, 0, 0.2, seed=1).validation.tolist()
    assert first.tolist() != (one_class_split(label, 1, 0.2, seed=0).validation - 500).tolist()


@given(
    label=st.lists(st.integers(0, 3), min_size=3, max_size=60),
    fraction=st.floats(0, 0.99),
    seed=st.integers(0, 2**31),
)
def test_partition_of_the_pool_by_counting(label, fraction, seed):
    label = np.array([*label, 1, 2, 3], np.int32)
    split = leave_one_out_split(label, 3, fraction, seed)
    for rows in split:
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()
    assert sorted(np.concatenate(split)) == list(range(len(label)))
    abnormal = [int((label[rows] == 3).sum()) for rows in split]
    assert abnormal == [0, 0, int((label == 3).sum())]
    normal = int((label != 3).sum())
    assert len(split.train) + len(split.validation) == 8 * normal // 10
    assert len(split.train) >= 1
    assert (len(split.validation) > 0) == (fraction > 0 and normal > 2)


def test_seed_and_class_change_the_pool_s_rows():
    first, again, other = (leave_one_out_split(LABEL, 1, 0.1, seed) for seed in (0, 0, 1))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.train.tolist() != other.train.tolist()
    # Thirty normal images: 24 to train on, of which two are held out, six to test beside all ten.
    assert [len(rows) for rows in first] == [22, 2, 16]
    others = [leave_one_out_split(LABEL, c, 0.1, 0).train // 4 for c in (2, 3)]
    assert others[0].tolist() != others[1].tolist()


@pytest.mark.parametrize(
    ("abnormal_class", "fraction", "seed", "message"),
    [
        (4, 0.1, 0, "of 40 images 0 are of the abnormal class 4: there must be one"),
        (0, 1.0, 0, r"validation_fraction must be in \[0, 1\), got 1.0"),
        (0, 0.1, -1, "seed must not be negative, got -1"),
    ],
)
def test_errors_of_the_reverse_protocol(abnormal_class, fraction, seed, message):
    with pytest.raises(UserError, match=message):
        leave_one_out_split(LABEL, abnormal_class, fraction, seed)
    with pytest.raises(UserError, match="of 3 images 2 are of the abnormal class 1"):
        leave_one_out_split(np.array([1, 1, 0]), 1, 0.0, 0)


@pytest.mark.parametrize(
    ("normal_class", "fraction", "seed", "message"),
    [
        (4, 0.1, 0, "normal_class 4 has no rows: classes are 0 to 3"),
        (-1, 0.1, 0, "normal_class -1 has no rows: classes are 0 to 3"),
        (0, 1.0, 0, r"validation_fraction must be in \[0, 1\), got 1.0"),
        (0, float("nan"), 0, r"validation_fraction must be in \[0, 1\), got nan"),
        (0, 0.1, -1, "seed must not be negative, got -1"),
    ],
)
def test_errors(normal_class, fraction, seed, message):
    with pytest.raises(UserError, match=message):
        one_class_split(LABEL, normal_class, fraction, seed)


@pytest.mark.parametrize(
    ("value", "label"), [(2, 2), (np.int32(1), 1), ("cat", 0), ("eel", 2), ("7", 3)]
)
def test_resolve_class(value, label):
    assert resolve_class(TABLE, value) == label


@pytest.mark.parametrize("value", [4, -1, "bird", 1.0, None])
def test_resolve_class_refuses(value):
    message = (
        f"config.data.normal_class={value!r} is not a class: give 0 to 3 or one of cat, dog, eel, 7"
    )
    with pytest.raises(UserError, match=message):
        resolve_class(TABLE, value)
