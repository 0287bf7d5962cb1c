"""The zoo in adjax: the product's own programs around networks, losses and Adam.

The objectives are those of `adjax.methods`, where networks are trained at the precision of the
config while scores, and teachers of students, are always computed in float32.
"""

import itertools
import math
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from adjax import losses
from adjax.benchmark.batches import host_batches, random_images, score_batches
from adjax.benchmark.cases import LEARNING_RATE, PIPELINE, Case, Program
from adjax.benchmark.measure import Block
from adjax.benchmark.windows import dssim_by_windows
from adjax.inputs import Stream, train_batches
from adjax.methods.stage import (
    DATA_AXIS,
    Method,
    Scores,
    Stage,
    dynamic_keys,
    init_with,
    learning_curve,
    minimise,
)
from adjax.models import RNAN, AESc, ConvAutoencoder, SSIMAutoencoder
from adjax.ops import count_flops
from adjax.training import OF_MEMBERS, Execution, compile_update, init_state, score_program

AUXILIARY = ("rotation", {"angles": (90, 180, 270)})
TABLE_BYTES = 2 << 20  # of the images that a pipeline draws from
MATMUL_SIZE = 2048


class Side:
    """Programs of one case, trained at one precision, with one kind of convolution."""

    def __init__(self, case: Case, precision: str, convolution: str):
        """Of `adjax.benchmark.cases.PRECISIONS` and `adjax.ops.CONVOLUTIONS`."""
        self.case, self.precision, self.convolution = case, precision, convolution

    def block(self, program: Program) -> Block:
        """Compile a program."""
        return getattr(self, f"_{program.name}")(program)

    def _train(self, program: Program) -> Block:
        step = TrainingStep(self.case, program, self.precision, self.convolution)
        batches = itertools.cycle(host_batches(self.case, program.members))

        def run(steps: int) -> None:
            for _ in range(steps):
                step(next(batches))
            jax.block_until_ready(step.state)

        return Block(run, step.facts)

    def _score(self, program: Program) -> Block:
        score = Score(self.case, self.convolution)
        images = itertools.cycle(score_batches(self.case))

        def run(steps: int) -> None:
            for _ in range(steps):
                jax.block_until_ready(score(next(images)))

        return Block(run, score.facts)

    def _input(self, program: Program) -> Block:
        """The input pipeline alone, drained as fast as it goes."""
        case = self.case
        (image,) = random_images(1, (TABLE_BYTES // math.prod(case.image_shape), *case.image_shape))
        made = {"auxiliary": AUXILIARY} if case.is_student else {}
        if program.images != "own":
            _, kind, parameters = PIPELINE[program.images]
            made = {kind: (program.images, parameters)}
        batches = train_batches(
            np.uint8(255 * image),
            [Stream(np.arange(len(image)), seed) for seed in range(program.members)],
            case.batch_size,
            range(10**9),
            **made,
        )

        def run(steps: int) -> None:
            for _ in range(steps):
                next(batches)

        return Block(run, {"images": program.members * case.images_per_step})

    def _matmul(self, program: Program) -> Block:
        """The product of two square float32 matrices: what this machine can do at most."""
        n = MATMUL_SIZE
        (a,) = map(jax.device_put, random_images(1, (n, n)))
        product = jax.jit(jnp.matmul).lower(a, a).compile()

        def run(steps: int) -> None:
            for _ in range(steps):
                y = product(a, a)
            jax.block_until_ready(y)

        return Block(run, {"flops": 2 * n**3})


class TrainingStep:
    """The compiled update of a case and its state; call it with a batch `[P, B, H, W, C]`.

    Attributes:
      state: of all members, replaced by every call.
      frozen: variables of the teacher, if there is one.
      facts: of the program, see `adjax.benchmark.measure.Block`.

    """

    def __init__(self, case: Case, program: Program, precision: str, convolution: str):
        """Compile it; arguments as those of `Side` and its `block`."""
        self.case = case
        network, teacher = create_networks(case, precision)
        method = create_method(case, (network, teacher), loss_function(case, program.loss))
        self._execution = _execution(program.members, program.axis, convolution)
        self._members = _members(method, self._execution, program.members)
        self.state, self.frozen = _states(case, method, self._execution, self._members)
        first, *_ = host_batches(case, program.members)
        operands = self.state, self.frozen, self._put(first), self._members
        index = len(method.stages) - 1
        compiled = compile_update(method.stages[index], index, self._execution, operands)
        self._update = compiled.update
        images = program.members * case.images_per_step
        self.facts = _facts(compiled.update, compiled.seconds, images, compiled.flops)

    def __call__(self, batch: dict[str, np.ndarray]) -> jax.Array:
        """The loss `[P]` before the update."""
        self.state, metrics = self._update(self.state, self.frozen, self._put(batch), self._members)
        return metrics["loss"]

    def _put(self, batch):
        members, size = batch["image"].shape[:2]
        return self._execution.put_batch(batch, members, size)


class Score:
    """The compiled score of a case; call it with images `[B, H, W, C]`.

    Attributes:
      variables: of all stages, by name.
      facts: of the program, see `adjax.benchmark.measure.Block`.

    """

    def __init__(self, case: Case, convolution: str):
        """Compile it."""
        networks = create_networks(case, "float32")
        method = create_method(case, networks, loss_function(case, "own"))
        execution = _execution(1, "map", convolution)
        self._members = _members(method, execution, 1)
        state, frozen = _states(case, method, execution, self._members)
        self.variables = frozen | {method.stages[-1].name: state.variables}
        first, *_ = score_batches(case)
        operands = self.variables, first, self._members
        start = time.perf_counter()
        traced = score_program(method, execution).trace(*operands)
        self._program = traced.lower().compile()
        seconds = time.perf_counter() - start
        flops = count_flops(traced.jaxpr.jaxpr)
        self.facts = _facts(self._program, seconds, case.score_batch_size, flops)

    def __call__(self, image: np.ndarray) -> jax.Array:
        """Image scores `[1, B]`."""
        return self._program(self.variables, image, self._members)["d"]


def create_networks(case: Case, precision: str):
    """The network that is trained, and its frozen teacher (float32) or None."""
    if case.network == "ssim_ae":
        return SSIMAutoencoder(dtype=precision), None
    if case.network == "aesc":
        return AESc(batch_axis=DATA_AXIS, dtype=precision), None
    if case.network == "ae":
        return ConvAutoencoder(batch_axis=DATA_AXIS, dtype=precision), None
    return RNAN(groups=2, dtype=precision), ConvAutoencoder(batch_axis=DATA_AXIS)


def loss_function(case: Case, name: str) -> Callable:
    """A loss of `Program.loss`: two batches of images -> `[B]`."""
    if "squared" in (name, case.loss):
        return losses.mean_squared_error
    dssim = {"own": losses.dssim, "windows": dssim_by_windows}[name]

    def loss(a, b):
        structure = losses.image_mean(dssim(a, b))
        if case.loss == "ssim":
            return 2 * structure
        return structure + losses.mean_squared_error(a, b)

    return loss


def create_method(case: Case, networks, loss: Callable) -> Method:
    """The case as a method; its last stage is the one that is measured."""
    network, teacher = networks
    if teacher is None:
        stages = (_autoencoder_stage("autoencoder", network, case, loss),)
    else:
        stages = (
            _autoencoder_stage("teacher", teacher, case, loss),
            _student_stage(network, teacher, case, loss),
        )

    def score(variables, image, key):
        output, _ = network.apply(variables[stages[-1].name], image)
        other = image if teacher is None else teacher.apply(variables["teacher"], image)[0]
        return Scores({"d": loss(output, other)}, losses.absolute_error(output, other).mean(-1), {})

    return Method(case.name, stages, score, ("d",), dynamic_keys(stages[-1].name))


def _autoencoder_stage(name: str, network, case: Case, loss: Callable) -> Stage:
    def objective(variables, frozen, batch, key, member):
        (reconstruction, _), model_state = network.apply(
            variables, batch["image"], train=True, mutable=["batch_stats"]
        )
        return loss(batch["image"], reconstruction).mean(), ({}, model_state)

    return _stage(name, network, objective, case)


def _student_stage(network, teacher, case: Case, loss: Callable) -> Stage:
    def objective(variables, frozen, batch, key, member):
        image, auxiliary = batch["image"], batch["auxiliary"]
        output, _ = network.apply(variables, jnp.concatenate([image, auxiliary]))
        output, auxiliary_output = jnp.split(output, 2)
        taught, _ = teacher.apply(frozen["teacher"], image)
        kd, oer = loss(output, taught).mean(), loss(auxiliary, auxiliary_output).mean()
        return (kd + oer) / 2, ({}, {})

    return _stage("student", network, objective, case, AUXILIARY)


def _stage(name: str, network, objective: Callable, case: Case, auxiliary=None) -> Stage:
    optimizer = optax.scale_by_adam()
    return Stage(
        name=name,
        steps=1,
        batch_size=case.batch_size,
        images_per_update=case.batch_size * (1 if auxiliary is None else 2),
        auxiliary=auxiliary,
        sections=(),
        init=init_with(network, optimizer),
        update=minimise(name, objective, optimizer, learning_curve("constant", 1)),
        validate=None,  # nothing is held out of noise
    )


def _execution(members: int, axis: str, convolution: str) -> Execution:
    config = {
        "mesh": {"member": 1, "data": 1},
        "ops": {"convolution": convolution},
        "parallel": "shard_map",
        "population_axis": axis,
    }
    return Execution.create(ConfigDict(config), members)


def _members(method: Method, execution: Execution, count: int) -> dict[str, jax.Array]:
    learning_rate, weight_decay = method.dynamic
    values = {
        "seed": np.arange(count, dtype=np.uint32),
        learning_rate: np.full(count, LEARNING_RATE, np.float32),
        weight_decay: np.zeros(count, np.float32),
    }
    return execution.put(values, OF_MEMBERS)


def _states(case: Case, method: Method, execution: Execution, members):
    """The state of the measured stage, and the variables of the one before it."""
    *earlier, state = (
        init_state(stage, index, execution, case.image_shape, members)
        for index, stage in enumerate(method.stages)
    )
    names = (stage.name for stage in method.stages)
    return state, {name: s.variables for name, s in zip(names, earlier, strict=False)}


def _facts(compiled, seconds: float, images: int, flops: int) -> dict:
    """What is known of a program: the count of images and operations is that of one call."""
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
