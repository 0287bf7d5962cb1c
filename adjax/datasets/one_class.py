"""The one-class protocol, train on one class and test on all, and its reverse, leave one out."""

from typing import NamedTuple

import numpy as np

from adjax.datasets.tables import Table
from adjax.errors import UserError

_TRAINED_ON = 0.8  # of the normal images, in the reverse protocol


class OneClassSplit(NamedTuple):
    """Rows of the training split: disjoint, each ascending, together all rows of the class."""

    train: np.ndarray  # int64 [n], n >= 1
    validation: np.ndarray  # int64 [m]


def one_class_split(
    label: np.ndarray, normal_class: int, validation_fraction: float, seed: int
) -> OneClassSplit:
    """Split the rows of the normal class into training and validation rows.

    The subset depends on `seed` and `normal_class` alone. It is drawn from the raw Philox stream,
    which NumPy keeps stable across versions (the methods of `Generator` may change).

    Args:
      label: integers [N], the labels of the training split.
      normal_class: the class trained on.
      validation_fraction: part of the rows held out, in [0, 1); if it is not 0, at least one row.
      seed: not negative.

    Raises:
      UserError: if the class has no rows, or another argument is out of range.

    """
    _check(validation_fraction, seed)
    rows = np.flatnonzero(label == normal_class)
    if not rows.size:
        raise UserError(
            f"normal_class {normal_class} has no rows: classes are {label.min()} to {label.max()}"
        )
    left_out = held_out(rows.size, validation_fraction)
    order = _drawn_order(rows.size, seed, normal_class)
    return OneClassSplit(
        train=np.sort(rows[order[left_out:]]), validation=np.sort(rows[order[:left_out]])
    )


class LeaveOneOutSplit(NamedTuple):
    """Rows of the pooled splits: disjoint, each ascending, together all rows."""

    train: np.ndarray  # int64 [n], n >= 1, normal ones
    validation: np.ndarray  # int64 [m], normal ones
    test: np.ndarray  # int64 [k], both kinds


def leave_one_out_split(
    label: np.ndarray, abnormal_class: int, validation_fraction: float, seed: int
) -> LeaveOneOutSplit:
    """Split a pool of images of which one class is abnormal, all others normal.

    The protocol of GANomaly (Akcay et al. 2018, the released code with a seed): four fifths of the
    normal images are trained on, all other images tested. Validation images are some of those four
    fifths. The subsets depend on `seed` and `abnormal_class` alone, drawn as in `one_class_split`.

    Args:
      label: integers [N], labels of a data set's training and test images together.
      abnormal_class: the class left out.
      validation_fraction: part of the training rows held out, as in `one_class_split`.
      seed: not negative.

    Raises:
      UserError: if there is no abnormal image or only one normal one, or another argument is out of
        range.

    """
    _check(validation_fraction, seed)
    abnormal, normal = (
        np.flatnonzero(kind) for kind in (label == abnormal_class, label != abnormal_class)
    )
    if not abnormal.size or normal.size < 2:
        raise UserError(
            f"of {label.size} images {abnormal.size} are of the abnormal class {abnormal_class}: "
            "there must be one of them, and two others"
        )
    order = _drawn_order(normal.size, seed, abnormal_class)
    trained = int(normal.size * _TRAINED_ON)
    left_out = held_out(trained, validation_fraction)
    return LeaveOneOutSplit(
        train=np.sort(normal[order[left_out:trained]]),
        validation=np.sort(normal[order[:left_out]]),
        test=np.sort(np.concatenate([normal[order[trained:]], abnormal])),
    )


def _check(validation_fraction: float, seed: int) -> None:
    if not 0 <= validation_fraction < 1:
        raise UserError(f"validation_fraction must be in [0, 1), got {validation_fraction}")
    if seed < 0:
        raise UserError(f"seed must not be negative, got {seed}")


def held_out(count: int, fraction: float) -> int:
    """Return how many of `count` rows are held out: at least one if any, never all."""
    return min(max(round(count * fraction), int(fraction > 0)), count - 1)


def _drawn_order(count: int, seed: int, number: int) -> np.ndarray:
    """Draw a permutation of `count` rows."""
    stream = np.random.Philox(np.random.SeedSequence([seed, number]))
    return np.argsort(stream.random_raw(count), kind="stable")


def resolve_class(table: Table, value: int | str) -> int:
    """Return the label of a class given by label or by name.

    Raises:
      UserError: if the table has no such class.

    """
    names = table.class_names
    if isinstance(value, str) and value in names:
        return names.index(value)
    if isinstance(value, int | np.integer) and 0 <= value < len(names):
        return int(value)
    raise UserError(
        f"config.data.normal_class={value!r} is not a class: give 0 to {len(names) - 1} or one of "
        f"{', '.join(names)}"
    )
