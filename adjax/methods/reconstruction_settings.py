"""The section of the reconstruction methods: those of one autoencoder of industrial images."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from adjax.settings import LARGEST_SIZE, Section, choice, count, number, rate, size, word

LARGEST_KERNEL = 63  # px


@dataclasses.dataclass(frozen=True)
class Autoencoder(Section):
    """An autoencoder and its training; defaults are those of the AESc's authors where not marked.

    The methods share the section, so that those of one network share its training; each network
    reads what it has.
    """

    batch_size: int = size(16, "images an update")
    steps: int = count(31250, "updates, 250 epochs of 2000 images")
    learning_rate: float = rate(1e-3, "of Adam, what the released code trains with")
    weight_decay: float = number(0.0, "decoupled")
    schedule: str = choice(
        "cosine",
        ("cosine", "constant"),
        "of the rate [D]; the released code halves it on a plateau",
    )
    corruption: str = word("stain", "of training images, a section of `corruption`, or none")
    depth: int = count(6, "levels of AESc's encoder, each of half the size", at_most=16)
    kernel: int = count(5, "px, width of AESc's convolutions", at_most=LARGEST_KERNEL)
    width: int = size(16, "channels of the first level; of all layers of the U-Net")
    code_size: int = size(100, "numbers in the bottleneck of SSIM-AE and AE (L2)")
    extra_layers: int = count(
        0, "of these two: 0 for 128 px, one more for each doubling", at_least=0, at_most=9
    )

    def relations(self) -> Iterator[tuple[str, str]]:
        """Channels double from level to level."""
        if self.width * 2 ** (self.depth - 1) > LARGEST_SIZE:
            yield "depth", f"its last level would have more than {LARGEST_SIZE} channels"


def ssim_window() -> Any:
    """Make the setting of the window of SSIM, ours: the papers do not state it."""
    return count(11, "px, width of the Gaussian window of SSIM [D]", odd=True, at_most=255)


def ssim_sigma() -> Any:
    """Make the setting of the Gaussian of that window."""
    return number(
        1.5,
        "px, deviation of the Gaussian window of SSIM [D]",
        at_least=0.01,
        at_most=100,
        advice="must be positive, from 0.01 to 100",
    )


# Changes that cut a method of one autoencoder down to seconds.
SMOKE = {
    "autoencoder.batch_size": 4,
    "autoencoder.steps": 8,
    "autoencoder.depth": 3,
    "autoencoder.width": 4,
    "autoencoder.code_size": 8,
    "autoencoder.extra_layers": 0,
}
# Values that the declarations of these methods share.
COMMON: dict[str, Any] = {
    "image_score": "l2",  # [D] root mean square of the map
    "chosen": {"corruption": "autoencoder.corruption"},
    "tasks": ("industrial",),
    "steps": "autoencoder",
}
