"""The section of GANomaly and of Skip-GANomaly."""

import dataclasses
from collections.abc import Iterator

from adjax.settings import Section, count, nothing_weighs, number, rate, size, weight


@dataclasses.dataclass(frozen=True)
class ReproducingGAN(Section):
    """A generator that reproduces images and a discriminator; the released defaults."""

    code_size: int = size(100, "numbers in a code")
    width: int = size(64, "channels of the largest level")
    batch_size: int = size(64, "images an update")
    steps: int = count(1350, "updates: 15 epochs of a digit, published of GANomaly; counted so [D]")
    learning_rate: float = rate(2e-4, "of Adam")
    weight_decay: float = number(0.0, "decoupled")
    adversarial_weight: float = weight(1.0, "w_adv")
    reconstruction_weight: float = weight(50.0, "w_con")
    latent_weight: float = weight(1.0, "w_enc, of Skip-GANomaly w_lat")

    def relations(self) -> Iterator[tuple[str, str]]:
        """At least one term of the generator's loss must count."""
        return nothing_weighs(self, "reconstruction_weight", "adversarial_weight", "latent_weight")


def on_datasets(name: str) -> dict[str, dict]:
    """Return what the method of this name changes on data sets."""
    # [D] size, batch and steps: the papers have no such images.
    return {"industrial": {"data.size": 128, f"{name}.batch_size": 32, f"{name}.steps": 2000}}


def smoke(name: str) -> dict:
    """Return what cuts the method of this name down to seconds."""
    sizes = {"width": 4, "code_size": 4, "batch_size": 8, "steps": 10}
    return {f"{name}.{key}": value for key, value in sizes.items()}
