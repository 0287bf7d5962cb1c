"""Image-classification sets as tables in memory, and the one-class protocol on them.

Data live in a TFDS data directory (`data/` by default, MNIST ships in it). `import_arrays` puts a
set there, from a file or by TFDS's own download; `load_table` reads a split of it into memory, from
files alone; `one_class_split` picks the training and validation rows of the normal class.

The test protocol (Deep SVDD): the whole test split, anomalous = `label != normal_class`.
"""

from adjax.datasets.load import (
    describe_class,
    has_split,
    industrial_index,
    is_industrial,
    load,
    normal_label,
    training_rows,
)
from adjax.datasets.one_class import OneClassSplit, one_class_split, resolve_class
from adjax.datasets.prepare import import_arrays
from adjax.datasets.tables import Table, load_table

__all__ = [
    "OneClassSplit",
    "Table",
    "describe_class",
    "has_split",
    "import_arrays",
    "industrial_index",
    "is_industrial",
    "load",
    "load_table",
    "normal_label",
    "one_class_split",
    "resolve_class",
    "training_rows",
]
