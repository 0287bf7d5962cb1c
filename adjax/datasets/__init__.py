"""Data sets as tables of uint8 images, and the tasks that runs make of them.

Here belongs what lies on disk and what of it counts: names (`catalog`), settings, layouts and
strict reading of industrial sets, TFDS sets in memory (`tables`), their import (`prepare`,
`sources`), splits (`one_class`), protocols (`tasks`), and what is wrong with a folder (`check`).
Batches, crops and corruptions do not (`adjax.inputs`, `adjax.corruptions`), nor does anything that
scores.

Image-classification sets live in a TFDS data directory (`data/` by default, MNIST ships in it) and
are read from files alone. Industrial sets are read where they are.
"""
