"""The zoo in PyTorch, eager, on CPU: what adjax is compared with.

The same networks, losses, optimiser and batches; bfloat16 is autocast's and reaches the teacher of
a student too. Of the two memory formats each program takes the one that turns out faster here.
"""

import itertools
import time
from collections.abc import Callable

import torch

from adjax.benchmark import torch_losses
from adjax.benchmark.batches import host_batches, score_batches
from adjax.benchmark.cases import LEARNING_RATE, Case, Program
from adjax.benchmark.measure import Block
from adjax.benchmark.torch_networks import RNAN, ConvAutoencoder, SSIMAutoencoder

FORMATS = (torch.contiguous_format, torch.channels_last)
TRIAL_STEPS = 3


class Side:
    """Programs of one case at one precision."""

    def __init__(self, case: Case, precision: str):
        """Of `adjax.benchmark.cases.PRECISIONS`."""
        self.case, self.precision = case, precision

    def block(self, program: Program) -> Block:
        """A program in the faster memory format."""
        create = {"train": self._train, "score": self._score}[program.name]
        runs = {memory_format: create(program, memory_format) for memory_format in FORMATS}
        best = min(runs, key=lambda memory_format: _trial(runs[memory_format]))
        return Block(runs[best], {"memory_format": str(best).removeprefix("torch.")})

    def _train(self, program: Program, memory_format) -> Callable[[int], None]:
        step = TrainingStep(self.case, self.precision, program.loss, memory_format)
        batches = itertools.cycle(host_batches(self.case))

        def run(steps: int) -> None:
            for _ in range(steps):
                step({name: image[0] for name, image in next(batches).items()})

        return run

    def _score(self, program: Program, memory_format) -> Callable[[int], None]:
        score = Score(self.case, memory_format)
        images = itertools.cycle(score_batches(self.case))

        def run(steps: int) -> None:
            for _ in range(steps):
                score(next(images))

        return run


class _Networks:
    """A case's network, its teacher if it has one, and its loss."""

    def __init__(self, case: Case, loss: str, memory_format):
        torch.manual_seed(0)
        self.memory_format = memory_format
        networks = create_networks(case)
        self.network, self.teacher = (
            None if network is None else network.to(memory_format=memory_format)
            for network in networks
        )
        self.loss = loss_function(case, loss)

    def tensor(self, image):
        """NCHW in the memory format, from NHWC on the host."""
        image = torch.from_numpy(image).permute(0, 3, 1, 2)
        return image.contiguous(memory_format=self.memory_format)


class TrainingStep(_Networks):
    """One update by Adam; call it with a batch `{name: [B, H, W, C]}`."""

    def __init__(self, case: Case, precision: str, loss: str, memory_format):
        """`loss` as in `Program`."""
        super().__init__(case, loss, memory_format)
        self.is_bfloat16 = precision == "bfloat16"
        self.optimizer = torch.optim.Adam(self.network.parameters(), LEARNING_RATE, fused=True)
        if self.teacher is not None:
            self.teacher.eval()

    def __call__(self, batch) -> torch.Tensor:
        """The loss before the update."""
        loss = self._loss(*(self.tensor(image) for image in batch.values()))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def _loss(self, image, auxiliary=None):
        if self.teacher is None:
            with self._autocast():
                output = self.network(image)
            return self.loss(image, output.float()).mean()
        with self._autocast():
            output, auxiliary_output = self.network(torch.cat([image, auxiliary])).chunk(2)
            with torch.no_grad():
                taught = self.teacher(image)
        kd = self.loss(output.float(), taught.float()).mean()
        return (kd + self.loss(auxiliary, auxiliary_output.float()).mean()) / 2

    def _autocast(self):
        return torch.autocast("cpu", torch.bfloat16, enabled=self.is_bfloat16)


class Score(_Networks):
    """Image scores `[B]`; call it with images `[B, H, W, C]`."""

    def __init__(self, case: Case, memory_format):
        """In float32, as the scores of adjax always are."""
        super().__init__(case, "own", memory_format)
        for network in (self.network, self.teacher):
            if network is not None:
                network.eval()

    @torch.no_grad()
    def __call__(self, image) -> torch.Tensor:
        """The loss of each image."""
        image = self.tensor(image)
        other = image if self.teacher is None else self.teacher(image)
        return self.loss(self.network(image), other)


def create_networks(case: Case):
    """The network that is trained, and its frozen teacher or None."""
    if case.network == "ssim_ae":
        return SSIMAutoencoder(case.channels), None
    autoencoder = ConvAutoencoder(case.channels, case.size)
    if case.network == "ae":
        return autoencoder, None
    return RNAN(case.channels), autoencoder


def loss_function(case: Case, name: str) -> Callable:
    """A loss of `Program.loss`: two batches of images -> `[B]`."""
    dssim = {"own": torch_losses.dssim, "windows": torch_losses.dssim_by_windows}[name]
    if case.loss == "ssim":
        return lambda a, b: 2 * dssim(a, b)
    return lambda a, b: dssim(a, b) + torch_losses.mean_squared_error(a, b)


def _trial(run: Callable[[int], None]) -> float:
    """Seconds of the fastest of a few steps."""
    times = []
    for _ in range(TRIAL_STEPS + 1):
        start = time.perf_counter()
        run(1)
        times.append(time.perf_counter() - start)
    return min(times[1:])
