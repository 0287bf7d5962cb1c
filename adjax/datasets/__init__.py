"""Data sets as tables: image classes from TFDS, industrial images from their own folders.

Image-classification sets live in a TFDS data directory (`data/` by default, MNIST ships in it).
`import_arrays` puts a set there, from a file or by TFDS's own download; `load_table` reads a split
of it into memory, from files alone; `one_class_split` picks the training and validation rows of the
normal class. The test protocol (Deep SVDD): the whole test split, anomalous = `label !=
normal_class`. Its reverse (GANomaly), one class abnormal and all others normal, is
`leave_one_out_split` of both splits together; `config.data.protocol` chooses.

Industrial sets are read where they are: `read_index` finds the files of a category, `load_images`
reads a split into memory, `open_images` reads it row by row, `check_data` says what is wrong with
it. Training images are normal; `import_folder` makes a TFDS set of a category. `import_dataset`
takes both kinds.
"""

from adjax.datasets.builders import import_folder
from adjax.datasets.check import check_data, format_report
from adjax.datasets.images import read_image, read_mask
from adjax.datasets.industrial import FileTable, ImageTable, load_images, open_images
from adjax.datasets.layouts import INDUSTRIAL, Index, Item, categories, read_index
from adjax.datasets.load import (
    describe_class,
    has_split,
    industrial_index,
    is_anomalous,
    is_industrial,
    load,
    normal_label,
    test_rows,
    training_rows,
)
from adjax.datasets.one_class import (
    LeaveOneOutSplit,
    OneClassSplit,
    leave_one_out_split,
    one_class_split,
    resolve_class,
)
from adjax.datasets.prepare import import_arrays, import_dataset
from adjax.datasets.tables import Table, load_table

__all__ = [
    "INDUSTRIAL",
    "FileTable",
    "ImageTable",
    "Index",
    "Item",
    "LeaveOneOutSplit",
    "OneClassSplit",
    "Table",
    "categories",
    "check_data",
    "describe_class",
    "format_report",
    "has_split",
    "import_arrays",
    "import_dataset",
    "import_folder",
    "industrial_index",
    "is_anomalous",
    "is_industrial",
    "leave_one_out_split",
    "load",
    "load_images",
    "load_table",
    "normal_label",
    "one_class_split",
    "open_images",
    "read_image",
    "read_index",
    "read_mask",
    "resolve_class",
    "test_rows",
    "training_rows",
]
