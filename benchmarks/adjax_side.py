"""The product's side: programs of its own configs, compiled as in a training, on noise."""

import contextlib
import itertools
import math
import time
from collections.abc import Iterator
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from adjax import losses, methods
from adjax.config.identity import members_of
from adjax.config.layout import Settings, check, new_config
from adjax.inputs import Stream, train_batches
from adjax.methods.stage import Method, Stage
from adjax.ops import count_flops
from adjax.training import OF_MEMBERS, Execution, compile_update, init_state, score_program
from benchmarks.cases import (
    LEARNING_RATE,
    Case,
    Program,
    random_images,
    score_batches,
    training_batches,
)
from benchmarks.measuring import Block

TABLE_BYTES = 2 << 20  # of the images that a pipeline draws from
MATMUL_SIZE = 2048


class Side:
    """Programs of one case, trained at one precision, with one kind of convolution."""

    def __init__(self, case: Case, precision: str, convolution: str):
        """Take one of `cases.PRECISIONS` and of `adjax.ops.CONVOLUTIONS`."""
        self.case, self.precision, self.convolution = case, precision, convolution

    def block(self, program: Program) -> Block:
        """Compile a program."""
        return getattr(self, f"_{program.name}")(program)

    def _train(self, program: Program) -> Block:
        step = TrainingStep(self.case, program, self.precision, self.convolution)
        batches = itertools.cycle(step.batches)
        return Block(
            lambda: step(next(batches)), step.facts, lambda: jax.block_until_ready(step.state)
        )

    def _score(self, program: Program) -> Block:
        score = Score(self.case, self.convolution)
        images = itertools.cycle(score_batches(self.case))
        return Block(lambda: jax.block_until_ready(score(next(images))), score.facts)

    def _input(self, program: Program) -> Block:
        """Drain the input pipeline alone, as fast as it goes."""
        case = self.case
        stage = build(settings_of(case, program)).stages[-1]
        (image,) = random_images(1, (TABLE_BYTES // math.prod(case.image_shape), *case.image_shape))
        batches = train_batches(
            np.uint8(255 * image),
            [Stream(np.arange(len(image)), seed) for seed in range(program.members)],
            case.batch_size,
            range(10**9),
            stage.auxiliary,
            corruption=stage.corruption,
        )
        images = program.members * stage.images_per_update
        return Block(lambda: next(batches), {"images": images})

    def _matmul(self, program: Program) -> Block:
        """Multiply two square float32 matrices, for the peak of this machine."""
        (a,) = map(jax.device_put, random_images(1, (MATMUL_SIZE, MATMUL_SIZE)))
        product = jax.jit(jnp.matmul).lower(a, a).compile()
        return Block(lambda: jax.block_until_ready(product(a, a)), {"flops": 2 * MATMUL_SIZE**3})


class _Compiled:
    """A case's method and members, ready to be compiled.

    Attributes:
      method: the product's method, for single patches where the config trains on patches.
      state: state of all members in the measured stage, which is the last one.
      frozen: variables of earlier stages, by name.

    """

    def __init__(self, case: Case, program: Program, precision: str, convolution: str):
        settings = settings_of(case, program, precision, convolution)
        self.method = build(settings)
        self._execution = Execution.create(settings, program.members)
        members = members_of(settings, self.method.dynamic)
        arrays = {
            key: np.array([m[key] for m in members], np.uint32 if key == "seed" else np.float32)
            for key in ("seed", *self.method.dynamic)
        }
        self._members = self._execution.put(arrays, OF_MEMBERS)
        states = {
            stage.name: init_state(stage, index, self._execution, case.image_shape, self._members)
            for index, stage in enumerate(self.method.stages)
        }
        self.state = states.pop(self.method.stages[-1].name)
        self.frozen = {name: state.variables for name, state in states.items()}


class TrainingStep(_Compiled):
    """The compiled update of a case; call it with a batch `[P, B, H, W, C]`.

    Attributes:
      batches: noise, as a step takes it.
      facts: see `measuring.Block`.

    """

    def __init__(self, case: Case, program: Program, precision: str, convolution: str):
        """Compile it."""
        super().__init__(case, program, precision, convolution)
        index = len(self.method.stages) - 1
        stage = self.method.stages[index]
        self.batches = training_batches(case, batch_names(stage), program.members)
        operands = self.state, self.frozen, self._put(self.batches[0]), self._members
        with written_as(program.variant):
            compiled = compile_update(stage, index, self._execution, operands)
        self._update = compiled.update
        images = program.members * stage.images_per_update
        self.facts = _facts(compiled.update, compiled.seconds, images, compiled.flops)

    def __call__(self, batch: dict[str, np.ndarray]) -> jax.Array:
        """Do a step; return the loss `[P]` before it."""
        self.state, metrics = self._update(self.state, self.frozen, self._put(batch), self._members)
        return metrics["loss"]

    def _put(self, batch):
        members, size = batch["image"].shape[:2]
        return self._execution.put_batch(batch, members, size)


class Score(_Compiled):
    """The compiled score of a case; call it with images `[B, H, W, C]`.

    Attributes:
      variables: variables of all stages, by name.
      facts: see `measuring.Block`.

    """

    def __init__(self, case: Case, convolution: str):
        """Compile it, in float32 as scores always are."""
        super().__init__(case, Program("score"), "float32", convolution)
        self.variables = self.frozen | {self.method.stages[-1].name: self.state.variables}
        operands = self.variables, score_batches(case)[0], self._members
        start = time.perf_counter()
        traced = score_program(self.method, self._execution).trace(*operands)
        self._program = traced.lower().compile()
        seconds = time.perf_counter() - start
        flops = count_flops(traced.jaxpr.jaxpr)
        self.facts = _facts(self._program, seconds, case.score_batch_size, flops)

    def __call__(self, image: np.ndarray) -> dict[str, jax.Array]:
        """Return image scores `[1, B]` by name."""
        return self._program(self.variables, image, self._members)


def settings_of(
    case: Case, program: Program, precision: str = "float32", convolution: str = "auto"
) -> Settings:
    """Return the product's settings for a program of a case."""
    info = methods.lookup(case.method)
    method, stage = case.method, info.steps
    changes = {
        "precision": precision,
        "ops.convolution": convolution,
        "population_axis": program.axis,
        "mesh.member": 1,
        "mesh.data": 1,
        "members": tuple({"seed": seed} for seed in range(program.members)),
        f"{stage}.batch_size": case.batch_size,
        f"{stage}.learning_rate": LEARNING_RATE,
        f"{stage}.weight_decay": 0.0,
        f"{stage}.schedule": "constant",
    }
    if program.variant == "squared" and method == "ssim_ae":
        method = "ae_l2"  # the same network
    elif program.variant == "squared":
        changes["distance.ssim_weight"] = 0.0
    if program.images != "own":
        (key,) = info.chosen.values()
        changes[key] = program.images
    return check(new_config(case.dataset, method, texture=case.texture, changes=changes))


def build(settings: Settings) -> Method:
    """Build the method of settings, for single patches where it trains on patches."""
    return methods.build(settings.method, settings.sections)


def batch_names(stage: Stage) -> tuple[str, ...]:
    """Return the names of the images that a stage is updated with."""
    made = {"auxiliary": stage.auxiliary, "corrupted": stage.corruption}
    return ("image", *(name for name, operation in made.items() if operation))


@contextlib.contextmanager
def written_as(variant: str) -> Iterator[None]:
    """Trace with SSIM as commonly written if the variant is "windows"."""
    if variant != "windows":
        yield
        return
    with mock.patch.object(losses, "ssim", ssim_by_windows):
        yield


def ssim_by_windows(
    a: jax.Array, b: jax.Array, *, window: int = 11, sigma: float = 1.5
) -> jax.Array:
    """Compute `adjax.losses.ssim` by five depthwise convolutions with the whole window."""
    offset = np.arange(window) - window // 2
    weight = np.exp(-(offset**2) / (2 * sigma**2))
    weight /= weight.sum()
    kernel = np.float32(np.outer(weight, weight))[:, :, None, None]
    channels = a.shape[-1]

    def local_mean(x):
        return lax.conv_general_dilated(
            x,
            jnp.tile(kernel, channels),
            (1, 1),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=channels,
        )

    mean_a, mean_b = local_mean(a), local_mean(b)
    variance_a = local_mean(a * a) - mean_a**2
    variance_b = local_mean(b * b) - mean_b**2
    covariance = local_mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance * (2 * covariance + c2) / (variance_a + variance_b + c2)


def _facts(compiled, seconds: float, images: int, flops: float) -> dict:
    """Return the facts of a program; images and operations are those of one call."""
    memory = compiled.memory_analysis()
    return {
        "platform": jax.default_backend(),
        "compile_seconds": seconds,
        "images": images,
        "flops": flops,
        "program_bytes": memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        + memory.temp_size_in_bytes
        - memory.alias_size_in_bytes,
    }
