"""Training steps of the product as they run on this device: what they give and how fast they are.

Needs neither TensorFlow nor data sets: images are drawn here, and what a step takes comes from the
host as a batch or is made on the device. `tools/accelerator.py` asks for these.
"""

import dataclasses
import time
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from adjax import device_inputs, methods
from adjax.config.identity import members_of
from adjax.config.layout import Settings, check, new_config
from adjax.errors import UserError
from adjax.inputs import Stream
from adjax.methods.stage import Fit, Stage
from adjax.training import OF_MEMBERS, Execution, compile_update, init_state, score_program
from adjax.training.execution import REPLICATED
from adjax.training.programs import WHOLE, Feed
from benchmarks.compiled import count
from benchmarks.measuring import Repeats

IMAGES = 256  # of the table that batches are drawn from
SCANNED = 20  # steps of one call where the loop is on the device
HOST, DEVICE, SCAN = "host", "device", "device, scan"
FEEDS = (HOST, DEVICE, SCAN)


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of the product whose training steps are tried.

    Attributes:
      name: in tables.
      method: `config.method`; its last stage is the one that is trained.
      dataset: `config.data.name`, whose defaults the config has.
      image_shape: `(H, W, C)`.
      changes: settings by dotted keys.
      case: name of the same in `benchmarks.cases`, which PyTorch has too; empty: it has not.

    """

    name: str
    method: str
    dataset: str
    image_shape: tuple[int, int, int]
    changes: tuple[tuple[str, object], ...] = ()
    case: str = ""


NETWORKS = (
    Network("teacher", "ae", "mnist", (28, 28, 1), case="ae_28"),
    Network("student (RNAN)", "oe_sdn", "mnist", (28, 28, 1), case="rnan_28"),
    Network("student (fast)", "oe_sdn_fast", "mnist", (28, 28, 1), case="residual_28"),
    Network("AESc", "aesc_residual", "mvtec_ad", (128, 128, 1), (("data.size", 128),)),
)


@dataclasses.dataclass(frozen=True)
class Form:
    """How a network is trained.

    Attributes:
      members: size of the population.
      precision: `config.precision`.
      feed: one of `FEEDS`.
      axis: `config.population_axis`.

    """

    members: int = 1
    precision: str = "float32"
    feed: str = HOST
    axis: str = "map"


class Training:
    """A network's compiled training step, its state and its images.

    Attributes:
      state: of all members.
      seconds: that compiling took.
      kernels: that an update launches, see `benchmarks.compiled.Facts`.
      flops: of a step of all members.
      images: that a step of all members sees.

    """

    def __init__(self, network: Network, form: Form):
        """Compile it.

        Raises:
          UserError: if this version has no such form, or the network's images have none.

        """
        self._network, self._form = network, form
        settings = _settings(network, form)
        self._method = methods.build(settings.method, settings.sections)
        self._execution = Execution.create(settings, form.members)
        arrays = _arrays(members_of(settings, self._method.dynamic), self._method.dynamic)
        self._members = self._execution.put(arrays, OF_MEMBERS)
        self._stage: Stage = self._method.stages[-1]
        if isinstance(self._stage, Fit):
            raise UserError(f"{network.method}: its last stage has no steps")
        self._feed = self._feed_of(form.feed)
        self._given = tuple(self._inputs())
        self.restart()
        operands = self.state, self.frozen, self._given[0], self._members
        index = len(self._method.stages) - 1
        compiled = compile_update(self._stage, index, self._execution, operands, self._feed)
        self._update, self.seconds, self.flops = compiled.update, compiled.seconds, compiled.flops
        self.kernels = count(self._stage.name, compiled.update).kernels
        self.images = form.members * self._stage.images_per_update

    def restart(self) -> None:
        """Make the state that the seeds give."""
        states = {
            stage.name: init_state(
                stage, index, self._execution, self._network.image_shape, self._members
            )
            for index, stage in enumerate(self._method.stages)
        }
        self.state = states.pop(self._stage.name)
        self.frozen = {name: state.variables for name, state in states.items()}

    def run(self, calls: int) -> jax.Array:
        """Do so many calls, of `steps` steps each; return the losses, `[calls * steps, P]`."""
        losses = []
        for call in range(calls):
            given = self._given[call % len(self._given)]
            self.state, metrics = self._update(self.state, self.frozen, given, self._members)
            losses.append(metrics["loss"])
        return jnp.concatenate([jnp.atleast_2d(loss) for loss in losses])

    @property
    def steps(self) -> int:
        """Number of updates of a call."""
        return self._feed.steps

    def scores(self) -> np.ndarray:
        """Return the image scores of eight images after the steps so far, `[P, 8]`."""
        variables = self.frozen | {self._stage.name: self.state.variables}
        image = _table(self._network.image_shape)[:8] / np.float32(255)
        program = score_program(self._method, self._execution)
        scores = program(variables, image, self._members)
        return np.asarray(scores[self._method.image_scores[0]])

    def images_per_second(self, seconds: float, repeats: int) -> tuple[float, float]:
        """Return the median over some blocks of about so many seconds each, and their spread."""
        jax.block_until_ready(self.run(2))
        start = time.perf_counter()
        jax.block_until_ready(self.run(2))
        calls = max(1, round(seconds / ((time.perf_counter() - start) / 2)))
        rates = []
        for _ in range(repeats):
            start = time.perf_counter()
            jax.block_until_ready((self.run(calls), self.state))
            rates.append(calls * self.steps * self.images / (time.perf_counter() - start))
        found = Repeats(tuple(rates))
        return found.median, found.spread

    def _feed_of(self, name: str) -> Feed:
        if name == HOST:
            return WHOLE
        stage = self._stage
        maker = device_inputs.maker(stage.auxiliary, stage.corruption)
        return Feed(maker, SCANNED if name == SCAN else 1)

    def _inputs(self) -> Iterator:
        """Yield what two calls are given, on the device."""
        size, members = self._stage.batch_size, self._form.members
        if self._form.feed == HOST:
            names = {"auxiliary": self._stage.auxiliary, "corrupted": self._stage.corruption}
            for batch in _batches(self._network.image_shape, members, size):
                made = {"image": batch[0]}
                made |= {name: batch[1] for name, wanted in names.items() if wanted}
                yield self._execution.put_batch(made, members, size)
            return
        table = self._execution.put(_table(self._network.image_shape), REPLICATED)
        streams = [Stream(np.arange(IMAGES), seed) for seed in range(members)]
        numbers, several = device_inputs.Numbers(streams, size), self.steps > 1
        for call in range(2):
            made = numbers.of(range(call * self.steps, (call + 1) * self.steps))
            if not several:
                made = {name: number[0] for name, number in made.items()}
            yield table, self._execution.put_batch(made, members, size, several=several)


def _settings(network: Network, form: Form) -> Settings:
    changes = {
        "precision": form.precision,
        "population_axis": form.axis,
        "mesh.member": 1,
        "mesh.data": 1,
        "members": tuple({"seed": seed} for seed in range(form.members)),
        **dict(network.changes),
    }
    return check(new_config(network.dataset, network.method, changes=changes))


def _arrays(members: list[dict], dynamic: tuple[str, ...]) -> dict[str, np.ndarray]:
    return {
        key: np.array([m[key] for m in members], np.uint32 if key == "seed" else np.float32)
        for key in ("seed", *dynamic)
    }


def _table(image_shape: tuple[int, int, int]) -> np.ndarray:
    """Return uint8 images of soft blobs, `[IMAGES, H, W, C]`, the same everywhere."""
    draw = np.random.default_rng(0)
    height, width, channels = image_shape
    y, x = np.mgrid[:height, :width] / max(height, width)
    centre = draw.uniform(0.2, 0.8, (IMAGES, 2, 1, 1))
    radius = draw.uniform(0.05, 0.3, (IMAGES, 1, 1))
    blob = np.exp(-((y - centre[:, 0]) ** 2 + (x - centre[:, 1]) ** 2) / radius**2)
    return np.repeat(np.uint8(255 * blob)[..., None], channels, -1)


def _batches(image_shape, members: int, size: int) -> Iterator[np.ndarray]:
    """Yield two batches of images and of their mirror images, `[2, P, B, H, W, C]`."""
    table = _table(image_shape)
    for number in range(2):
        row = (np.arange(members * size) + number * size) % IMAGES
        image = (table[row] / np.float32(255)).reshape(members, size, *image_shape)
        yield np.stack([image, image[..., ::-1, :]])
