"""Training batches as a pure function of the step.

The pipeline is `Dataset.range(first_step, last_step)` and a map: the examples of a step follow from
a permutation keyed by (seed, epoch), every random draw from (seed, position in the stream). There
is no iterator state, so resuming at a step means starting at it, and any slice of a batch can be
made alone: each host makes only the members and the examples that its devices need.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from adjax.corruptions import TAKES_SOURCE, device_function, image_function
from adjax.corruptions.settings import LEAST_CHANGE

if TYPE_CHECKING:  # what makes images imports it: a finished run that is shown again makes none
    import tensorflow as tf

# Third number of a seed: the purpose of the draw.
ORDER, AUXILIARY, CORRUPTION, CROP, _SOURCE, _SOURCE_CROP = map(np.int64, range(6))

Operation = tuple[str, dict[str, Any]]  # the name of an image function and its parameters
Key = tuple[str, tuple[tuple[str, Any], ...]]  # the same, hashable


@dataclasses.dataclass(frozen=True)
class Stream:
    """The examples of one member: rows of the image table and the seed of their order."""

    rows: np.ndarray  # int64 [n]
    seed: int


@dataclasses.dataclass(frozen=True)
class Crops:
    """Crops to train on, cut out of the images of the table.

    Attributes:
      operation: name and parameters of the image function, with the `size` of a crop.
      samples: number of crops in an epoch, the same ones in every epoch; 0: one per image, drawn
        anew in every epoch.

    """

    operation: Operation
    samples: int = 0

    @property
    def size(self) -> int:
        """Height and width of a crop."""
        return self.operation[1]["size"]

    def function(self) -> "Callable[[tf.Tensor, tf.Tensor], tf.Tensor]":
        """Return `(float32 images [N, H, W, C], int32 seeds [N, 3]) -> [N, size, size, C]`."""
        name, parameters = self.operation
        return functools.partial(image_function("crops", name), **parameters)


def train_batches(
    image: Any,
    streams: list[Stream],
    batch_size: int,
    steps: range,
    auxiliary: Operation | None = None,
    part: tuple[slice, slice] = (slice(None), slice(None)),
    *,
    corruption: Operation | None = None,
    crops: Crops | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """Make the batches of a population, one per step.

    Args:
      image: uint8 `[N, H, W, C]`, all training images: an array, which is held once, or an object
        with such a `shape` that reads rows from files, `image[rows] -> [n, H, W, C]`.
      streams: one per member, P in all.
      batch_size: B, images per member and step.
      steps: the steps to make batches for.
      auxiliary: operation that makes auxiliary images, see `adjax.corruptions`, or None.
      part: which members and which examples of each batch to make (contiguous slices).
      corruption: operation that makes corrupted images, see `adjax.corruptions`, or None.
      crops: crops to cut out of the images, or None: whole images.

    Yields:
      `image`, and `auxiliary` and `corrupted` if asked for: float32 `[P, B, H, W, C]` in [0, 1], or
      that part. Raises the exception of reading a row.

    """
    import tensorflow as tf

    from adjax.corruptions.random import permuted_index, random_bits

    members, examples = part
    streams = streams[members]
    counts = [len(stream.rows) for stream in streams]
    failures: list[Exception] = []
    read = _reader(image, failures)
    rows = tf.constant(np.concatenate([stream.rows for stream in streams]), tf.int64)
    first_row = tf.constant(np.cumsum([0, *counts[:-1]])[:, None], tf.int64)
    count = tf.constant(np.array(counts)[:, None], tf.int64)
    # Crops that are the same in every epoch make a longer epoch of the same rows.
    size = tf.maximum(count, crops.samples if crops else 0)
    seed = tf.constant(np.array([stream.seed for stream in streams])[:, None], tf.int64)
    example = tf.range(batch_size, dtype=tf.int64)[None, examples]
    shape = (len(streams), example.shape[1])

    cut = crops.function() if crops else None
    changes = {
        key: (image_function(kind, operation[0]), operation[1], purpose)
        for key, kind, operation, purpose in (
            ("auxiliary", "auxiliary", auxiliary, AUXILIARY),
            ("corrupted", "corruption", corruption, CORRUPTION),
        )
        if operation is not None
    }
    has_source = {"auxiliary": False, "corrupted": corruption and corruption[0] in TAKES_SOURCE}

    def draw_seed(position, purpose):
        parts = [tf.broadcast_to(part, shape) for part in (seed, position, purpose)]
        return tf.cast(tf.reshape(tf.stack(parts, -1), (-1, 3)), tf.int32)

    def by_member(image):
        return tf.reshape(image, (*shape, *image.shape[1:]))

    def make_batch(step):
        position = step * batch_size + example
        order = permuted_index(
            tf.reshape(position % size, [-1]),
            draw_seed(position // size, ORDER),
            tf.reshape(tf.broadcast_to(size, shape), [-1]),
        )
        order = tf.reshape(order, shape)

        def images_of(order, seed):
            row = tf.gather(rows, order % count + first_row)
            image = tf.cast(read(tf.reshape(row, [-1])), tf.float32) / 255
            return image if cut is None else cut(image, seed)

        image = images_of(order, draw_seed(order if crops and crops.samples else position, CROP))
        batch = {"image": by_member(image)}
        for key, (change, parameters, purpose) in changes.items():
            if has_source[key]:
                bits = tf.reshape(random_bits(draw_seed(position, _SOURCE)), shape)
                others = tf.cast(bits % tf.cast(count, tf.uint32), tf.int64)
                source = images_of(others, draw_seed(position, _SOURCE_CROP))
                parameters = parameters | {"source": source}
            changed = change(image, draw_seed(position, purpose), **parameters)
            batch[key] = by_member(changed)
        return batch

    dataset = tf.data.Dataset.range(steps.start, steps.stop)
    dataset = dataset.map(make_batch, num_parallel_calls=2, deterministic=True).prefetch(2)
    # There is nothing to tune, and the tuner's thread can miss the end of its iterator: dropping it
    # then waits for the tuner's next round, up to a minute (TensorFlow 2.21).
    options = tf.data.Options()
    options.autotune.enabled = False
    batches = dataset.with_options(options).as_numpy_iterator()
    return batches if isinstance(image, np.ndarray) else _raising(batches, failures)


def _reader(image, failures: list[Exception]):
    """Return `rows int64 [n] -> uint8 [n, H, W, C]` for a pipeline; errors join `failures`."""
    import tensorflow as tf

    if isinstance(image, np.ndarray):
        table = tf.constant(image)
        return lambda rows: tf.gather(table, rows)

    def read_files(rows):
        try:
            return image[rows]
        except Exception as error:
            failures.append(error)
            raise

    def read(rows):
        images = tf.numpy_function(read_files, [rows], tf.uint8, stateful=False)
        return tf.ensure_shape(images, (None, *image.shape[1:]))

    return read


def _raising(batches: Iterator, failures: list[Exception]) -> Iterator:
    """Yield the same batches; raise the error of reading a row, not TensorFlow's account of it."""
    import tensorflow as tf

    try:
        yield from batches
    except tf.errors.OpError as error:
        raise (failures[0] if failures else error) from None


def fixed_crops(
    image: np.ndarray, rows: np.ndarray, crops: Crops | None, on_device: bool = False
) -> np.ndarray:
    """Return held-out images as training would see them, but always with the same crops.

    Args:
      image: uint8 `[n, H, W, C]`.
      rows: `[n]`, their rows in the table.
      crops: as in `train_batches`.
      on_device: cut them by JAX, not by TensorFlow.

    Returns:
      float32 `[n, H, W, C]` in [0, 1], of the size of a crop if there are crops.

    """
    image = image / np.float32(255)
    if crops is None:
        return image
    seed = np.stack([rows, np.zeros_like(rows), np.full_like(rows, CROP)], -1)
    return _applied("crops", crops.operation, image, seed, on_device)


def changes(image: np.ndarray, kind: str, operation: Operation, on_device: bool = False) -> bool:
    """Return whether an operation leaves a trace on at least one of some images.

    Args:
      image: float32 `[n, H, W, C]` in [0, 1], as training sees them.
      kind: "auxiliary" or "corruption".
      operation: name and parameters of the image function.
      on_device: apply it by JAX, not by TensorFlow.

    """
    name, parameters = operation
    if name in TAKES_SOURCE:
        operation = name, parameters | {"source": np.roll(image, 1, axis=0)}
    numbers = np.arange(len(image))
    seed = np.stack([numbers, numbers, 0 * numbers], -1)
    changed = _applied(kind, operation, image, seed, on_device)
    return bool(np.abs(changed - image).max() >= LEAST_CHANGE)


def _applied(kind: str, operation: Operation, image, seed, on_device: bool) -> np.ndarray:
    """Return what an image function, or its device form, makes of images `[n, H, W, C]`."""
    if on_device:
        return np.asarray(_compiled(kind, as_key(operation))(image, seed.astype(np.int32)))
    import tensorflow as tf

    name, parameters = operation
    function = image_function(kind, name)
    return function(tf.constant(image), tf.constant(seed, tf.int32), **parameters).numpy()


@functools.lru_cache(maxsize=16)
def _compiled(kind: str, operation: Key) -> Callable:
    import jax

    return jax.jit(device_form(kind, operation))


def as_key(operation: Operation | None) -> Key | None:
    """Return an operation as something that can be compared and hashed."""
    return operation and (operation[0], tuple(sorted(operation[1].items())))


def device_form(kind: str, operation: Key) -> Callable:
    """Return `(images of JAX, seeds) -> images` with an operation's parameters."""
    name, parameters = operation
    return functools.partial(device_function(kind, name), **dict(parameters))


def padded_batches(rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Cut rows into batches of one size, the last one padded with its first row.

    Yields:
      `(rows [batch_size], count)`: only the first `count` of them are real.

    """
    for start in range(0, len(rows), batch_size):
        real = rows[start : start + batch_size]
        yield np.pad(real, (0, batch_size - len(real)), constant_values=real[0]), len(real)
