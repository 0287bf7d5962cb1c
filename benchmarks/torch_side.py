"""PyTorch's side, eager: the same networks, losses, optimiser and batches, on CPU but where told.

bfloat16 is that of autocast and applies to a student's teacher too. Of the two memory formats each
program takes the one that is faster on this machine.
"""

import itertools
import time
from collections.abc import Callable

import torch

from adjax.config.layout import new_config
from benchmarks import torch_losses as losses
from benchmarks.cases import LEARNING_RATE, Case, Program, score_batches, training_batches
from benchmarks.measuring import Block
from benchmarks.torch_networks import (
    RNAN,
    ConvAutoencoder,
    HalfResolutionResNet,
    SSIMAutoencoder,
)

FORMATS = (torch.contiguous_format, torch.channels_last)
TRIAL_STEPS = 3


class Side:
    """Programs of one case at one precision."""

    def __init__(self, case: Case, precision: str):
        """Take one of `cases.PRECISIONS`."""
        self.case, self.precision = case, precision

    def block(self, program: Program) -> Block:
        """Make a program, in the faster memory format."""
        create = {"train": self._train, "score": self._score}[program.name]
        steps = {memory_format: create(program, memory_format) for memory_format in FORMATS}
        best = min(steps, key=lambda memory_format: _trial(steps[memory_format]))
        return Block(steps[best], {"memory_format": str(best).removeprefix("torch.")})

    def _train(self, program: Program, memory_format) -> Callable[[], None]:
        step = TrainingStep(self.case, self.precision, program.variant, memory_format)
        batches = itertools.cycle(step.batches)
        return lambda: step({name: image[0] for name, image in next(batches).items()})

    def _score(self, program: Program, memory_format) -> Callable[[], None]:
        score = Score(self.case, memory_format)
        images = itertools.cycle(score_batches(self.case))
        return lambda: score(next(images))


class _Networks:
    """A case's network, and its teacher if it has one."""

    def __init__(self, case: Case, memory_format, device: str = "cpu"):
        torch.manual_seed(0)
        self.memory_format, self.device = memory_format, device
        self.network, self.teacher = (
            None if network is None else network.to(device, memory_format=memory_format)
            for network in create_networks(case)
        )

    def tensor(self, image):
        """Return NCHW in the memory format, from NHWC on the host."""
        image = torch.from_numpy(image).to(self.device).permute(0, 3, 1, 2)
        return image.contiguous(memory_format=self.memory_format)


class TrainingStep(_Networks):
    """One update by Adam; call it with a batch `{name: [B, H, W, C]}`.

    Attributes:
      batches: noise, `{name: [1, B, H, W, C]}`.

    """

    def __init__(
        self, case: Case, precision: str, variant: str, memory_format, device: str = "cpu"
    ):
        """Take the variant of a `Program`, "own" or "windows"."""
        super().__init__(case, memory_format, device)
        names = ("image", "auxiliary") if case.is_student else ("image",)
        self.batches = training_batches(case, names)
        self.loss = loss_function(case, variant)
        self.is_bfloat16 = precision == "bfloat16"
        self.optimizer = torch.optim.Adam(self.network.parameters(), LEARNING_RATE, fused=True)
        if self.teacher is not None:
            self.teacher.eval()

    def __call__(self, batch) -> torch.Tensor:
        """Do a step; return the loss before it."""
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
        return torch.autocast(self.device, torch.bfloat16, enabled=self.is_bfloat16)


class Score(_Networks):
    """Image scores by name, `[B]` each; call it with images `[B, H, W, C]`."""

    def __init__(self, case: Case, memory_format):
        """Score in float32, as adjax always does."""
        super().__init__(case, memory_format)
        self.scores = norms_of_ssim if case.method == "ssim_ae" else differences
        for network in (self.network, self.teacher):
            if network is not None:
                network.eval()

    @torch.no_grad()
    def __call__(self, image) -> dict[str, torch.Tensor]:
        """Compare the network's output with the image, or with the teacher's output."""
        image = self.tensor(image)
        output = self.network(image)
        if self.teacher is None:
            return self.scores(output, image)
        scores = self.scores(output, self.teacher(image))
        return scores | {"margin": scores["d"] - distance(image, output)}


def create_networks(case: Case):
    """Return the network that is trained, and its frozen teacher or None."""
    if case.method == "ssim_ae":
        return SSIMAutoencoder(case.channels), None
    code_size = new_config(case.dataset, case.method).teacher.code_size
    autoencoder = ConvAutoencoder(case.channels, case.size, code_size)
    if not case.is_student:
        return autoencoder, None
    student = {"oe_sdn": RNAN, "oe_sdn_fast": HalfResolutionResNet}[case.method]
    return student(case.channels), autoencoder


def loss_function(case: Case, variant: str) -> Callable:
    """Return the loss of a `Program.variant`: two batches of images -> `[B]`."""
    ssim = {"own": losses.ssim, "windows": losses.ssim_by_windows}[variant]

    def dissimilarity(a, b):
        return 1 - ssim(a, b).mean((1, 2, 3))

    if case.method == "ssim_ae":
        return dissimilarity
    return lambda a, b: dissimilarity(a, b) / 2 + losses.mean_squared_error(a, b)


def differences(a, b) -> dict[str, torch.Tensor]:
    """Return the scores of style distillation, but the margin."""
    return {
        "d": distance(a, b),
        "mse": losses.mean_squared_error(a, b),
        "mae": losses.mean_absolute_error(a, b),
    }


def distance(a, b) -> torch.Tensor:
    """Return d of two batches, `[B]`."""
    return (1 - losses.ssim(a, b).mean((1, 2, 3))) / 2 + losses.mean_squared_error(a, b)


def norms_of_ssim(a, b) -> dict[str, torch.Tensor]:
    """Return the norms of the map 1 - SSIM."""
    anomaly_map = 1 - losses.ssim_map(a, b).mean(1)
    return {
        "l2": anomaly_map.square().mean((1, 2)).sqrt(),
        "l1": anomaly_map.mean((1, 2)),
        "linf": anomaly_map.amax((1, 2)),
    }


def _trial(step: Callable[[], None]) -> float:
    """Return the seconds of the fastest of a few steps."""
    times = []
    for _ in range(TRIAL_STEPS + 1):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times[1:])
