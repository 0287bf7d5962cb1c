"""The same training steps in PyTorch on this device, as its users would run one or many of them."""

import contextlib
import multiprocessing
import statistics
import time
from collections.abc import Callable

import torch
from torch.func import functional_call, grad_and_value, stack_module_state

from benchmarks.cases import LEARNING_RATE, Case
from benchmarks.torch_side import TrainingStep, create_networks

EAGER, COMPILED, ENSEMBLE, PROCESSES = "eager", "torch.compile", "torch.func", "processes"


def images_per_second(
    case: Case, precision: str, how: str, members: int, seconds: float, repeats: int
) -> float:
    """Return the images that all members together are trained on in a second, the median.

    Args:
      case: whose last stage is trained.
      precision: "float32" or "tf32" of products, or "bfloat16" by autocast.
      how: "eager" or "torch.compile" of one member, "torch.func" of an ensemble in one program (of
        networks without batch statistics), "processes" of as many eager ones at a time.
      members: how many.
      seconds: about how long a block lasts.
      repeats: number of blocks.

    """
    if how == PROCESSES:
        return _of_processes(case, precision, members, seconds * repeats)
    with _products(precision):
        step, images = _step(case, precision, how, members)
        count = max(1, round(seconds / _seconds(step, 3)))
        times = [_seconds(step, count) for _ in range(repeats)]
    return members * images / statistics.median(times)


def device() -> str:
    """Return the device that PyTorch has here: "cuda" or "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _step(case: Case, precision: str, how: str, members: int) -> tuple[Callable, int]:
    """Return what does a step, and the images that a member sees in it."""
    if how == ENSEMBLE:
        ensemble = Ensemble(case, precision, members)
        return ensemble, ensemble.images
    training = TrainingStep(case, precision, "own", torch.contiguous_format, device())
    batch = {name: image[0] for name, image in training.batches[0].items()}
    if how == COMPILED:
        training.network = torch.compile(training.network)
    return lambda: training(batch), sum(map(len, batch.values()))


class Ensemble(TrainingStep):
    """Members of one network in one program, by `torch.func`; a call does a step of all.

    Attributes:
      images: that a member sees in a step.

    """

    def __init__(self, case: Case, precision: str, members: int):
        """Stack the parameters of so many networks."""
        super().__init__(case, precision, "own", torch.contiguous_format, device())
        networks = [create_networks(case)[0].to(device()) for _ in range(members)]
        parameters, self.buffers = stack_module_state(networks)
        self.parameters = {name: p.detach().requires_grad_() for name, p in parameters.items()}
        self.optimizer = torch.optim.Adam(list(self.parameters.values()), LEARNING_RATE, fused=True)
        batch = [self.tensor(image[0]) for image in self.batches[0].values()]
        self.images = sum(map(len, batch))
        self._batch = [image.expand(members, *image.shape) for image in batch]
        self._gradient = torch.vmap(grad_and_value(self._loss_of))

    def __call__(self) -> torch.Tensor:
        """Do a step; return the losses before it, `[P]`."""
        gradients, loss = self._gradient(self.parameters, self.buffers, *self._batch)
        for name, gradient in gradients.items():
            self.parameters[name].grad = gradient
        self.optimizer.step()
        return loss

    def _loss_of(self, parameters, buffers, *batch) -> torch.Tensor:
        own = self.network
        self.network = lambda image: functional_call(own, (parameters, buffers), (image,))
        try:
            return self._loss(*batch)
        finally:
            self.network = own


def _of_processes(case: Case, precision: str, members: int, seconds: float) -> float:
    """Return the images a second of as many processes, each with a member of its own."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(members)
    with contextlib.ExitStack() as stack:
        receivers = []
        for _ in range(members):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(
                target=_alone, args=(case, precision, seconds, barrier, sender), daemon=True
            )
            process.start()
            stack.callback(process.join)
            receivers.append(receiver)
        return sum(receiver.recv() for receiver in receivers)


def _alone(case: Case, precision: str, seconds: float, barrier, sender) -> None:
    with _products(precision):
        step, images = _step(case, precision, EAGER, 1)
        _seconds(step, 3)
        barrier.wait()
        end, steps, start = time.monotonic() + seconds, 0, time.monotonic()
        while time.monotonic() < end:
            _seconds(step, 5)
            steps += 5
        sender.send(images * steps / (time.monotonic() - start))


@contextlib.contextmanager
def _products(precision: str):
    """Let products of float32 numbers be what the precision says."""
    earlier = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(earlier[0])
        torch.backends.cudnn.allow_tf32 = earlier[1]


def _seconds(step: Callable, count: int) -> float:
    """Return the time of a step, in the mean of some after a first one."""
    step()
    _wait()
    start = time.perf_counter()
    for _ in range(count):
        step()
    _wait()
    return (time.perf_counter() - start) / count


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
