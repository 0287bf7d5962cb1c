"""Training batches made in the compiled step, of images that lie on the device.

The same batches as those of `inputs.train_batches`. The host sends numbers: which images a batch
has, by the same permutation, and where they are in the stream, which keys their draws. The pixels
are looked up, scaled and changed on the device, by the functions of `corruptions.device`.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from adjax.corruptions import device
from adjax.corruptions.draws import permutation
from adjax.inputs import (
    AUXILIARY,
    CORRUPTION,
    CROP,
    ORDER,
    Crops,
    Key,
    Operation,
    Stream,
    as_key,
    device_form,
)


@dataclasses.dataclass(frozen=True)
class Maker:
    """Makes a batch of one member of what the host sends, in a compiled program.

    Attributes:
      crops: operation that cuts crops out of the images, or None.
      auxiliary: operation that makes auxiliary images, or None.
      corruption: operation that makes corrupted images, or None.

    """

    crops: Key | None
    auxiliary: Key | None
    corruption: Key | None

    def __call__(
        self, table: jax.Array, numbers: dict[str, jax.Array], seed: jax.Array
    ) -> dict[str, jax.Array]:
        """Make a batch.

        Args:
          table: uint8 `[N, H, W, C]`.
          numbers: int32 `[B]` each, see `Numbers`.
          seed: `[]`, of the member.

        Returns:
          What `inputs.train_batches` yields, `[B, H, W, C]` each.

        """

        def seeds(number, purpose):
            parts = seed.astype(jnp.int32), number, jnp.int32(purpose)
            return jnp.stack([jnp.broadcast_to(part, number.shape) for part in parts], -1)

        image = device.scaled(table[numbers["row"]])
        if self.crops:
            image = device_form("crops", self.crops)(image, seeds(numbers["crop"], CROP))
        batch = {"image": image}
        if self.auxiliary:
            drawn = seeds(numbers["position"], AUXILIARY)
            batch["auxiliary"] = device_form("auxiliary", self.auxiliary)(image, drawn)
        if self.corruption:
            drawn = seeds(numbers["position"], CORRUPTION)
            batch["corrupted"] = device_form("corruption", self.corruption)(image, drawn)
        return batch


def maker(
    auxiliary: Operation | None = None,
    corruption: Operation | None = None,
    crops: Crops | None = None,
) -> Maker:
    """Return what makes batches with these operations, each None or as of `train_batches`."""
    cut = crops.operation if crops else None
    return Maker(*map(as_key, (cut, auxiliary, corruption)))


class Numbers:
    """What the host sends for the batches of a population."""

    def __init__(
        self,
        streams: Sequence[Stream],
        batch_size: int,
        crops: Crops | None = None,
        part: tuple[slice, slice] = (slice(None), slice(None)),
    ):
        """Arguments as of `inputs.train_batches`, rows being those of the device's table."""
        members, examples = part
        self._orders = [
            _Order(stream, crops.samples if crops else 0) for stream in streams[members]
        ]
        self._batch_size, self._example = batch_size, np.arange(batch_size)[examples]
        self._fixed = bool(crops and crops.samples)

    def of(self, steps: range) -> dict[str, np.ndarray]:
        """Return the numbers of some steps, int32 `[S, P, B]` each, or the part of it.

        `row` is that of an image in the table, `position` that of an example in the stream, `crop`
        the number by which a crop is drawn.
        """
        position = np.array(steps)[:, None] * self._batch_size + self._example
        orders = np.stack([order(position) for order in self._orders], 1)
        rows = np.stack([order.rows(orders[:, m]) for m, order in enumerate(self._orders)], 1)
        position = np.broadcast_to(position[:, None], rows.shape)
        numbers = {"row": rows, "position": position, "crop": orders if self._fixed else position}
        # The lower 32 bits, as seeds have them.
        return {name: number.astype(np.int32) for name, number in numbers.items()}


class _Order:
    """The order in which a member sees its images, epoch by epoch."""

    def __init__(self, stream: Stream, samples: int):
        self._stream, self._size = stream, max(len(stream.rows), samples)
        self._epoch = functools.lru_cache(maxsize=2)(self._permuted)

    def _permuted(self, epoch: int) -> np.ndarray:
        seed = np.array([self._stream.seed, epoch, ORDER], np.int64).astype(np.int32)
        return permutation(seed, self._size)

    def __call__(self, position: np.ndarray) -> np.ndarray:
        """Return which example of its epoch is at each position of the stream."""
        epochs, places = np.divmod(position, self._size)
        order = np.empty_like(position)
        for epoch in np.unique(epochs):
            order[epochs == epoch] = self._epoch(int(epoch))[places[epochs == epoch]]
        return order

    def rows(self, order: np.ndarray) -> np.ndarray:
        """Return the rows of examples in the table."""
        return self._stream.rows[order % len(self._stream.rows)]


def used(image: np.ndarray, streams: Sequence[Stream]) -> tuple[np.ndarray, list[Stream]]:
    """Return the images that members train on, and the members' streams by rows of those."""
    rows, place = np.unique(
        np.concatenate([stream.rows for stream in streams]), return_inverse=True
    )
    ends = np.cumsum([len(stream.rows) for stream in streams])[:-1]
    parts = zip(streams, np.split(place, ends), strict=True)
    return image[rows], [Stream(part, stream.seed) for stream, part in parts]


def train_batches(
    image: np.ndarray,
    streams: list[Stream],
    batch_size: int,
    steps: range,
    auxiliary: Operation | None = None,
    *,
    corruption: Operation | None = None,
    crops: Crops | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """Yield the batches of `inputs.train_batches`, made by JAX and brought back to the host."""
    table, streams = used(image, streams)
    numbers = Numbers(streams, batch_size, crops)
    make = jax.jit(jax.vmap(maker(auxiliary, corruption, crops), (None, 0, 0)))
    seeds = np.array([stream.seed for stream in streams], np.uint32)
    for step in steps:
        own = {name: x[0] for name, x in numbers.of(range(step, step + 1)).items()}
        yield jax.device_get(make(table, own, seeds))
