"""Training batches as a pure function of the step.

The pipeline is `Dataset.range(first_step, last_step)` and a map: which examples a step sees follows
from a permutation keyed by (seed, epoch), every random draw from (seed, position in the stream).
There is no iterator state, so to resume at a step is to start at it, and any slice of a batch can
be made alone: each host makes only the members and the examples that its devices need.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from adjax.corruptions import AUXILIARY
from adjax.corruptions.random import permuted_index

# Third number of a seed: what the draw is for.
_ORDER, _AUXILIARY = np.int64(0), np.int64(1)


@dataclasses.dataclass(frozen=True)
class Stream:
    """The examples of one member: rows of the image table and the seed of their order."""

    rows: np.ndarray  # int64 [n]
    seed: int


def train_batches(
    image: np.ndarray,
    streams: list[Stream],
    batch_size: int,
    steps: range,
    auxiliary: tuple[str, dict[str, Any]] | None = None,
    part: tuple[slice, slice] = (slice(None), slice(None)),
) -> Iterator[dict[str, np.ndarray]]:
    """Batches of a population, one a step.

    Args:
      image: uint8 `[N, H, W, C]`, the table of all training images, held once.
      streams: one a member, P in all.
      batch_size: B, images a member and step.
      steps: the steps to make batches for.
      auxiliary: name (of `adjax.corruptions.AUXILIARY`) and parameters of the auxiliary images, or
        None.
      part: which members and which examples of each batch to make (contiguous slices).

    Yields:
      `image`, and `auxiliary` if asked for: float32 `[P, B, H, W, C]` in [0, 1], or that part.

    """
    members, examples = part
    streams = streams[members]
    sizes = [len(stream.rows) for stream in streams]
    table = tf.constant(image)
    rows = tf.constant(np.concatenate([stream.rows for stream in streams]), tf.int64)
    first_row = tf.constant(np.cumsum([0, *sizes[:-1]])[:, None], tf.int64)
    size = tf.constant(np.array(sizes)[:, None], tf.int64)
    seed = tf.constant(np.array([stream.seed for stream in streams])[:, None], tf.int64)
    example = tf.range(batch_size, dtype=tf.int64)[None, examples]
    shape = (len(streams), example.shape[1], *image.shape[1:])
    if auxiliary is not None:
        name, parameters = auxiliary
        make_auxiliary = functools.partial(AUXILIARY[name], **parameters)

    def draw_seed(position, purpose):
        parts = [tf.broadcast_to(part, shape[:2]) for part in (seed, position, purpose)]
        return tf.cast(tf.reshape(tf.stack(parts, -1), (-1, 3)), tf.int32)

    def make_batch(step):
        position = step * batch_size + example
        order = permuted_index(
            tf.reshape(position % size, [-1]),
            draw_seed(position // size, _ORDER),
            tf.reshape(tf.broadcast_to(size, shape[:2]), [-1]),
        )
        row = tf.gather(rows, tf.reshape(order, shape[:2]) + first_row)
        image = tf.cast(tf.gather(table, tf.reshape(row, [-1])), tf.float32) / 255
        batch = {"image": tf.reshape(image, shape)}
        if auxiliary is not None:
            made = make_auxiliary(image, draw_seed(position, _AUXILIARY))
            batch["auxiliary"] = tf.reshape(made, shape)
        return batch

    dataset = tf.data.Dataset.range(steps.start, steps.stop)
    dataset = dataset.map(make_batch, num_parallel_calls=2, deterministic=True).prefetch(2)
    # Nothing here is left to tune, and the tuner's thread can miss the end of its iterator: whoever
    # drops that waits for the tuner's next round, up to a minute (TensorFlow 2.21).
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options).as_numpy_iterator()


def padded_batches(rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Cut rows into batches of one size, the last filled up with its first row.

    Yields:
      `(rows [batch_size], count)`: only the first `count` of them are real.

    """
    for start in range(0, len(rows), batch_size):
        real = rows[start : start + batch_size]
        yield np.pad(real, (0, batch_size - len(real)), constant_values=real[0]), len(real)
