"""Published numbers, read from `published.json`: what our own columns stand beside."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adjax.datasets.catalog import CATEGORIES, OBJECTS, TEXTURES

Values = Mapping[str, Sequence[float]]

# Groups of categories over which tables print means.
GROUPS = {"mvtec_ad": {"textures": TEXTURES, "objects": OBJECTS}}


@dataclass(frozen=True)
class PublishedTable:
    """A printed table: each row, and each printed mean, holds one value for each column.

    Attributes:
      source: where it is printed.
      metric: key of `METRICS`.
      columns: methods; of a table of variants data sets.
      rows: by normal class; of a table of variants by variant, averages over all classes.
      dataset: whose classes the rows are; empty for a table of variants.
      means: by group of categories, or "all" for all rows.
      method: whose variants the rows are, if they are.
      rows_are: what these variants are called.
      note: on the transcription.

    """

    source: str
    metric: str
    columns: Sequence[str]
    rows: Values
    dataset: str = ""
    means: Values = field(default_factory=dict)
    method: str = ""
    rows_are: str = ""
    note: str = ""

    def classes(self, group: str) -> Sequence[str]:
        """Return the classes that a printed mean is over."""
        return tuple(self.rows) if group == "all" else GROUPS[self.dataset][group]


_FILE = json.loads(Path(__file__).with_name("published.json").read_text(encoding="utf-8"))
ORDER: Sequence[str] = _FILE["order"]  # methods that come first in tables
TABLES = [PublishedTable(**table) for table in _FILE["tables"]]
RECORDED = [PublishedTable(**table) for table in _FILE["recorded"]]  # ours, of earlier runs
VARIANTS = [PublishedTable(**table) for table in _FILE["variants"]]


def find_table(
    dataset: str, method: str, metric: str = "image_auroc", variant: str = ""
) -> PublishedTable | None:
    """Return the published table with the numbers of a method on a data set, if there is one.

    Args:
      dataset: by its name; empty where no table is of the run's protocol.
      method: as it is published.
      metric: key of `METRICS`.
      variant: of the method, where it is not the usual one.

    """
    if variant:
        average = variant_average(dataset, method, variant, metric)
        return None if average is None else variants_table(method)
    return _holding(TABLES, dataset, method, metric)


def _holding(
    tables: Sequence[PublishedTable], dataset: str, method: str, metric: str
) -> PublishedTable | None:
    """Return the first of the tables with the numbers of a method on a data set."""
    own = (t for t in tables if (t.dataset, t.metric) == (dataset, metric))
    return next((table for table in own if method in table.columns), None)


def published(
    dataset: str, method: str, class_name: str, metric: str = "image_auroc", variant: str = ""
) -> float | None:
    """Return the published value of a method on one normal class, if there is one.

    An unusual variant is published as an average only, see `variant_average`.
    """
    table = None if variant else find_table(dataset, method, metric)
    row = table.rows.get(_row_name(class_name)) if table else None
    return row[table.columns.index(method)] if table and row else None


def published_mean(
    dataset: str,
    method: str,
    classes: Sequence[str],
    metric: str = "image_auroc",
    variant: str = "",
) -> float | None:
    """Return the mean over classes, as printed or of the values; None if a value is missing."""
    if variant:
        complete = len(classes) == number_of_classes(dataset)
        return variant_average(dataset, method, variant, metric) if complete else None
    table = find_table(dataset, method, metric)
    return _mean(table, method, classes) if table else None


def _mean(table: PublishedTable, method: str, classes: Sequence[str]) -> float | None:
    """Return a column's mean over classes, as printed or of the values; None if one is missing."""
    column, names = table.columns.index(method), list(map(_row_name, classes))
    for group, values in table.means.items():
        if {*table.classes(group)} == {*names}:
            return values[column]
    if not names or not {*names} <= table.rows.keys():
        return None
    return sum(table.rows[name][column] for name in names) / len(names)


def recorded(
    dataset: str, method: str, classes: Sequence[str], metric: str = "image_auroc"
) -> tuple[float, str] | None:
    """Return what earlier runs of ours measured, the mean over classes, and where it stands."""
    table = _holding(RECORDED, dataset, method, metric)
    mean = _mean(table, method, classes) if table else None
    return None if mean is None or table is None else (mean, table.source)


def variants_table(method: str) -> PublishedTable | None:
    """Return the published table of a method's variants, if there is one."""
    return next((table for table in VARIANTS if table.method == method), None)


def variant_average(
    dataset: str, method: str, variant: str, metric: str = "image_auroc"
) -> float | None:
    """Return the published average over all classes of one variant of a method, if there is one."""
    table = variants_table(method)
    if table is None or metric != table.metric or dataset not in table.columns:
        return None
    row = table.rows.get(variant)
    return None if row is None else row[table.columns.index(dataset)]


def number_of_classes(dataset: str) -> int | None:
    """Return how many classes a data set has, where that is fixed or a published table has all."""
    known = len(CATEGORIES.get(dataset, ()))
    return known or next((len(t.rows) for t in TABLES if t.dataset == dataset), None)


def _row_name(class_name: str) -> str:
    return str(class_name).lower().replace(" ", "_")
