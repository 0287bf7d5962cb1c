"""PyTorch's side of `speedrun`: ten teachers, ten students and their AUROC, one after the other.

    python -m benchmarks.torch_speedrun TEACHER_STEPS BATCH STUDENT_STEPS BATCH SEED OUTPUT

writes the AUROC of the ten digits, by the margin, as JSON.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from adjax.config.layout import new_config
from adjax.datasets.one_class import one_class_split
from adjax.datasets.tables import load_table
from benchmarks.torch_networks import ConvAutoencoder, HalfResolutionResNet
from benchmarks.torch_side import distance

RATE = 1e-3
SCORED_AT_ONCE = 500


def main(argv: list[str]) -> None:
    """Train and score all digits."""
    *numbers, output = argv
    teacher_steps, teacher_batch, student_steps, student_batch, seed = map(int, numbers)
    data = new_config("mnist", "oe_sdn_fast").data
    train, test = (load_table(data.name, s, data.dir) for s in ("train", "test"))
    images, label = _tensor(test.image), np.asarray(test.label)
    values = []
    for digit in range(10):
        torch.manual_seed(100 * seed + digit)
        rows = one_class_split(train.label, digit, data.validation_fraction, seed).train
        own = _tensor(train.image[rows])
        teacher = train_teacher(own, teacher_steps, teacher_batch)
        student = train_student(own, teacher, student_steps, student_batch)
        values.append(roc_auc_score(label != digit, margins(teacher, student, images)))
    Path(output).write_text(json.dumps(values))


def train_teacher(images: torch.Tensor, steps: int, batch: int) -> torch.nn.Module:
    """Train the autoencoder on images `[N, 1, 28, 28]` and freeze it."""
    network = ConvAutoencoder(1, 28)
    optimizer = torch.optim.Adam(network.parameters(), RATE, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for chosen in _batches(images, steps, batch):
        loss = distance(chosen, network(chosen)).mean()
        _descend(loss, optimizer, schedule)
    return network.eval().requires_grad_(False)


def train_student(images, teacher, steps: int, batch: int) -> torch.nn.Module:
    """Train the student, half of every batch rotated."""
    network = HalfResolutionResNet(1)
    start_as_the_identity(network)
    optimizer = torch.optim.Adam(network.parameters(), RATE, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: one_cycle(step, steps))
    for chosen in _batches(images, steps, batch):
        turns = torch.randint(1, 4, (len(chosen),)).tolist()
        pairs = zip(chosen, turns, strict=True)
        turned = torch.stack([torch.rot90(image, turn, (1, 2)) for image, turn in pairs])
        output, of_turned = network(torch.cat([chosen, turned])).chunk(2)
        with torch.no_grad():
            taught = teacher(chosen)
        loss = (distance(output, taught).mean() + distance(turned, of_turned).mean()) / 2
        _descend(loss, optimizer, schedule)
    return network.eval()


@torch.no_grad()
def margins(teacher, student, images: torch.Tensor) -> np.ndarray:
    """Return the margins `[N]`."""
    parts = []
    for part in images.split(SCORED_AT_ONCE):
        output = student(part)
        parts.append(distance(output, teacher(part)) - distance(part, output))
    return torch.cat(parts).numpy()


def one_cycle(step: int, steps: int, rising: float = 0.3, start: float = 1 / 25) -> float:
    """Return the factor of the rate: up along a cosine for `rising` of the steps, then down."""
    top = rising * steps
    if step < top:
        return start + (1 - start) * (1 - math.cos(math.pi * step / top)) / 2
    return (1 + math.cos(math.pi * (step - top) / (steps - top))) / 2


def start_as_the_identity(network: HalfResolutionResNet) -> None:
    """Initialise as `adjax.models.residual` does: He's, what is added last at zero."""
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
            torch.nn.init.zeros_(module.bias)
    for last in (network.tail, *(block.layers[-1] for block in network.blocks)):
        torch.nn.init.zeros_(last.weight)


def _descend(loss, optimizer, schedule) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()


def _batches(images: torch.Tensor, steps: int, batch: int):
    """Yield random batches, every image once before any comes again."""
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < batch:
            order = torch.cat([order, torch.randperm(len(images))])
        chosen, order = order[:batch], order[batch:]
        yield images[chosen]


def _tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(images)).permute(0, 3, 1, 2).float() / 255


if __name__ == "__main__":
    main(sys.argv[1:])
