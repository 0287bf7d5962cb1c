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
      network: "ssim_ae", "ae", "aesc", or "rnan": a student of style distillation, whose teacher is
        "ae".
      size: height and width of its images.
      channels: of its images.
      batch_size: normal images a training step; a student sees as many auxiliary ones.
      score_batch_size: images that are scored at once.
      loss: "distance", the composite d, "ssim", the mean of 1 - SSIM, or "squared", the mean square
        of the error. It is the score too.

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
      images: of "input": "own" is what the case trains on, else a name of `PIPELINE`.

    """

    name: str
    loss: str = "own"
    members: int = 1
    axis: str = "map"
    images: str = "own"


ZOO = (
    Case("ssim_ae_128", "ssim_ae", 128, 1, 64, 64, "ssim"),
    Case("rnan_28", "rnan", 28, 1, 8, 200, "distance"),
    Case("rnan_32", "rnan", 32, 3, 8, 200, "distance"),
    Case("ae_28", "ae", 28, 1, 128, 200, "distance"),
    Case("ae_32", "ae", 32, 3, 128, 200, "distance"),
)
# Its input pipeline is measured, not its speed beside PyTorch's.
AESC = Case("aesc_256", "aesc", 256, 1, 16, 16, "squared")
OTHERS = (AESC,)
# What the input pipeline makes beside normal images, and for which cases.
_STUDENTS = ("rnan_28", "rnan_32")
_STAIN = {"size_low": 0.01, "size_high": 0.12, "colour_low": 10, "colour_high": 220}
_STAIN |= {"irregularity": 0.1, "blur": 0.0, "noise_variance": 0.05 / 255}
_GREY = {"colour_low": 10, "colour_high": 220}
PIPELINE = {
    "rotation": (_STUDENTS, "auxiliary", {"angles": (90, 180, 270)}),
    "horizontal_flip": (_STUDENTS, "auxiliary", {}),
    "vertical_flip": (_STUDENTS, "auxiliary", {}),
    "shearing": (_STUDENTS, "auxiliary", {"minimum": 0.1, "maximum": 0.3}),
    "gaussian_noise": (_STUDENTS, "auxiliary", {"sigma": 0.1}),
    "gaussian_blurring": (_STUDENTS, "auxiliary", {"sigma": 1.0, "width": 5}),
    "svd_blurring": (_STUDENTS, "auxiliary", {"rank": 4}),
    "stain": (("aesc_256",), "corruption", _STAIN),
    "scratch": (("aesc_256",), "corruption", {**_GREY, "deviation": 20.0, "brush": 3}),
    "drops": (
        ("aesc_256",),
        "corruption",
        {**_GREY, "number": 10, "radius_low": 0.01, "radius_high": 0.02, "scatter": 0.01},
    ),
    "gaussian": (("aesc_256",), "corruption", {"sigma": 0.1}),
}
# Ten of these make a sweep over classes; its batch is the one for which populations were designed.
POPULATION = Case("ae_32", "ae", 32, 3, 64, 200, "distance")


def choose(names: list[str]) -> list[Case]:
    """The cases of these names, all of them for an empty list."""
    by_name = {case.name: case for case in (*ZOO, *OTHERS)}
    for name in names:
        if name not in by_name:
            raise UserError(f"--cases={name}: choose among {', '.join(by_name)}")
    return [by_name[name] for name in names] or list(by_name.values())
