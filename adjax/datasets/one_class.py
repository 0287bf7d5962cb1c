"""The one-class protocol: train on one class, test on all."""

from typing import NamedTuple

import numpy as np

from adjax.datasets.tables import Table
from adjax.errors import UserError


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
    if not 0 <= validation_fraction < 1:
        raise UserError(f"validation_fraction must be in [0, 1), got {validation_fraction}")
    if seed < 0:
        raise UserError(f"seed must not be negative, got {seed}")
    rows = np.flatnonzero(label == normal_class)
    if not rows.size:
        raise UserError(
            f"normal_class {normal_class} has no rows: classes are {label.min()} to {label.max()}"
        )
    held_out = max(round(rows.size * validation_fraction), int(validation_fraction > 0))
    held_out = min(held_out, rows.size - 1)
    stream = np.random.Philox(np.random.SeedSequence([seed, normal_class]))
    order = np.argsort(stream.random_raw(rows.size), kind="stable")
    return OneClassSplit(
        train=np.sort(rows[order[held_out:]]), validation=np.sort(rows[order[:held_out]])
    )


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
        f"normal_class {value!r} is not a class: give 0 to {len(names) - 1} or one of "
        f"{', '.join(names)}"
    )
