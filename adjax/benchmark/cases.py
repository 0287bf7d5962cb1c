"""What is measured: the networks of the zoo at the sizes at which they are trained."""

import dataclasses

from adjax.errors import UserError

PRECISIONS = ("float32", "bfloat16")
LEARNING_RATE = 1e-3


@dataclasses.dataclass(frozen=True)
class Case:
    """A network in training and in use.

    Attributes:
      name: in tables and in `--cases`.
      network: "ssim_ae", "ae", or "rnan": a student of style distillation, whose teacher is "ae".
      size: height and width of its images.
      channels: of its images.
      batch_size: normal images a training step; a student sees as many auxiliary ones.
      score_batch_size: images that are scored at once.
      loss: "distance", the composite d, or "ssim", the mean of 1 - SSIM. It is the score too.

    """

    name: str
    network: str
    size: int
    channels: int
    batch_size: int
    score_batch_size: int
    loss: str

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(H, W, C)`."""
        return self.size, self.size, self.channels

    @property
    def is_student(self) -> bool:
        """Whether a frozen teacher and auxiliary images take part."""
        return self.network == "rnan"

    @property
    def images_per_step(self) -> int:
        """Images that a training step sees, auxiliary ones included."""
        return self.batch_size * (2 if self.is_student else 1)


@dataclasses.dataclass(frozen=True)
class Program:
    """A piece of work that a side repeats while it is timed.

    Attributes:
      name: "train", "score", "input" (a batch of the pipeline) or "matmul" (the machine's peak).
      loss: of "train": "own" is the case's; "squared" leaves SSIM out; in "windows" SSIM takes its
        local means by depthwise convolutions, as commonly written.
      members: of "train": the population.
      axis: of "train": its form, see `adjax.training.population`.

    """

    name: str
    loss: str = "own"
    members: int = 1
    axis: str = "map"


ZOO = (
    Case("ssim_ae_128", "ssim_ae", 128, 1, 64, 64, "ssim"),
    Case("rnan_28", "rnan", 28, 1, 8, 200, "distance"),
    Case("rnan_32", "rnan", 32, 3, 8, 200, "distance"),
    Case("ae_28", "ae", 28, 1, 128, 200, "distance"),
    Case("ae_32", "ae", 32, 3, 128, 200, "distance"),
)
# Ten of these make a sweep over classes; its batch is the one for which populations were designed.
POPULATION = Case("ae_32", "ae", 32, 3, 64, 200, "distance")


def choose(names: list[str]) -> list[Case]:
    """The cases of these names, all of them for an empty list."""
    by_name = {case.name: case for case in ZOO}
    for name in names:
        if name not in by_name:
            raise UserError(f"--cases={name}: choose among {', '.join(by_name)}")
    return [by_name[name] for name in names] or list(ZOO)
